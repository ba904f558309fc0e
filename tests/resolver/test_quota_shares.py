"""What replicas spend of a quota together, whatever befalls them and in whatever order.

A small fleet without a clock or a network of its own: hypothesis decides who does
what next, which turns are taken, refused or lost on the way, and who dies.
"""

import dataclasses
import itertools
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast_resolver.quotas.account import Account, Terms
from holdfast_resolver.quotas.tally import Claim, Share, Tally, Turn, take
from holdfast_resolver.quotas.waiting import Verdict, Waiter

LIFE_S = 60
DEAREST = 50


@dataclasses.dataclass(eq=False)
class Call:
    """A call that was let in, by whom and for how much."""

    owner: str
    amount: int
    ends_s: int


@dataclasses.dataclass(eq=False)
class Replica:
    """One replica: its account, what it has seen of the tally, and a turn under way."""

    name: str
    account: Account
    view: Tally = dataclasses.field(default_factory=Tally)
    under_way: tuple[Tally, Claim, Turn] | None = None


class Fleet:
    """Replicas of one quota, the tally that they share, and what calls really cost."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.tally = Tally()
        self.now_s = 15_000
        self.names = map("r{}".format, itertools.count())
        self.replicas: list[Replica] = []
        self.present: set[str] = set()
        self.calls: list[Call] = []
        self.cost = 0
        self.uncounted = 0
        self.slack = 0
        # What is not known for certain is held until the time of calls is over.
        self.is_exact = True

    def join(self) -> Replica:
        name = next(self.names)
        account = Account("q", 2_000_000_000)
        account.follow(Terms(self.limit))
        replica = Replica(name, account)
        self.present.add(name)
        self.replicas.append(replica)
        return replica

    def ask(self, replica: Replica, amount: int) -> Waiter | None:
        """Let a call in at once, or have it wait."""
        ends_s = self.now_s + LIFE_S
        if replica.account.reserve(amount, ends_s):
            self.calls.append(Call(replica.name, amount, ends_s))
            return None

        def let_in(_verdict: Verdict) -> None:
            self.calls.append(Call(replica.name, amount, ends_s))

        waiter = Waiter(amount, ends_s, let_in)
        replica.account.waiting.append(waiter)
        return waiter

    def send(self, replica: Replica, *, closes: bool = False) -> None:
        """Set out with a turn from what the tally was when it was seen last."""
        before = replica.view
        claim = replica.account.claim(
            replica.name,
            before,
            self.now_s,
            parts=None if closes else 4 * len(self.present),
            gone=before.shares.keys() - self.present,
        )
        turn = take(before, claim)
        if turn.tally is before:
            replica.account.unchanged(claim, turn)
            return
        replica.account.send(claim, turn)
        replica.under_way = before, claim, turn

    def arrive(self, before: Tally, claim: Claim, turn: Turn) -> bool:
        """Have the store take a turn if the tally still is what it was."""
        is_whole = (
            turn.buried.isdisjoint(self.present) and claim.replica in self.present
        )
        if self.tally != before or not is_whole:
            return False
        self.tally = turn.tally
        return True

    def turn(self, replica: Replica, *, closes: bool = False) -> None:
        """Take a turn from beginning to end."""
        while True:
            self.send(replica, closes=closes)
            if replica.under_way is None:
                return
            before, claim, turn = replica.under_way
            replica.under_way = None
            if self.arrive(before, claim, turn):
                replica.view = turn.tally
                replica.account.taken(claim, turn)
                return
            self.find(replica, claim)

    def find(self, replica: Replica, claim: Claim) -> None:
        """Hear from the store what the tally is, in place of a turn."""
        replica.view = self.tally
        replica.account.refused(claim, self.tally)

    def see(self, replica: Replica) -> None:
        """Be shown what the tally is."""
        replica.view = self.tally
        replica.account.see(self.tally, replica.name, 4)

    def end(self, call: Call, replica: Replica, cost: int) -> None:
        """Settle a call wherever its report goes."""
        self.calls.remove(call)
        self.cost += cost
        replica.account.settle(cost)
        if call.owner == replica.name:
            replica.account.give_back(call.amount, call.ends_s)
        elif call.ends_s > self.now_s:
            replica.account.relieve(call.owner, call.amount, call.ends_s)

    def pass_time(self, seconds: int) -> None:
        """Let the reservations run out of calls that nobody carries out."""
        self.now_s += seconds
        self.is_exact = False
        self.calls = [call for call in self.calls if call.ends_s > self.now_s]
        for replica in self.replicas:
            # Nobody waits that long.
            replica.account.waiting.clear()
            self.see(replica)
            replica.account.expire(self.now_s)

    def untold(self, replica: Replica) -> int:
        """What a replica has let in that the tally does not know of."""
        known = self.tally.shares.get(replica.name, Share()).reserved
        let_in = sum(c.amount for c in self.calls if c.owner == replica.name)
        return max(0, let_in - known)

    def leave(self, replica: Replica) -> None:
        """Kill a replica: what it has not told is lost."""
        self.is_exact = False
        self.slack += self.untold(replica)
        claim = replica.account.claim(replica.name, self.tally, self.now_s, parts=None)
        self.uncounted += claim.settled
        self.slack += max(0, claim.settled)
        self.replicas.remove(replica)
        self.present.discard(replica.name)

    def pause(self, replica: Replica) -> None:
        """Stop a replica until all take it for gone, and have it go on."""
        self.is_exact = False
        self.slack += self.untold(replica)
        self.present.discard(replica.name)
        replica.account.lose()
        replica.name = next(self.names)
        self.present.add(replica.name)


class Story:
    """What happens to a fleet, step by step, and what holds after each."""

    def __init__(self, limit: int, many: int) -> None:
        self.fleet = Fleet(limit)
        for _ in range(many):
            self.fleet.join()
        self.missing: list[tuple[Tally, Claim, Turn]] = []

    def go(self, steps: Iterable[tuple[str, int, int]]) -> None:
        """Do one thing after another, and look."""
        for deed, who, amount in steps:
            replica = self.fleet.replicas[who % len(self.fleet.replicas)]
            getattr(self, deed)(replica, amount)
            fleet = self.fleet
            under_way = sum(call.amount for call in fleet.calls)
            most = fleet.limit + DEAREST if fleet.limit else 0
            assert fleet.cost + under_way <= most + fleet.slack

    def ask(self, replica: Replica, amount: int) -> None:
        """A call comes, and waits for as long as it takes if it is not let in."""
        self.fleet.ask(replica, amount)

    def ask_and_see(self, replica: Replica, amount: int) -> None:
        """A call comes, and goes away if it is not let in by one turn."""
        waiter = self.fleet.ask(replica, amount)
        self.fleet.turn(replica)
        if waiter is not None and not waiter.is_gone:
            replica.account.withdraw(waiter)

    def turn(self, replica: Replica, _amount: int) -> None:
        """A replica says what there is to say."""
        self.fleet.turn(replica)

    def notice(self, replica: Replica, _amount: int) -> None:
        """A replica is shown what others have made of the tally."""
        self.fleet.see(replica)

    def go_missing(self, replica: Replica, _amount: int) -> None:
        """A turn is on its way, and nobody hears whether it arrives."""
        self.fleet.send(replica)
        if replica.under_way is not None:
            self.missing.append(replica.under_way)
            replica.under_way = None

    def arrive(self, _replica: Replica, amount: int) -> None:
        """A turn that was missing arrives after all, however late."""
        if self.missing:
            self.fleet.arrive(*self.missing.pop(amount % len(self.missing)))

    def arrive_twice(self, replica: Replica, _amount: int) -> None:
        """The store takes a turn, is asked again, and says what it is by then."""
        self.fleet.send(replica)
        if replica.under_way is not None:
            before, claim, turn = replica.under_way
            replica.under_way = None
            self.fleet.arrive(before, claim, turn)
            self.fleet.find(replica, claim)

    def end(self, replica: Replica, amount: int) -> None:
        """A call ends, and some replica hears what it cost."""
        if self.fleet.calls:
            call = self.fleet.calls[amount % len(self.fleet.calls)]
            self.fleet.end(call, replica, call.amount * amount // DEAREST)

    def die(self, replica: Replica, _amount: int) -> None:
        """A replica is killed."""
        if len(self.fleet.replicas) > 1:
            self.fleet.leave(replica)

    def pause(self, replica: Replica, _amount: int) -> None:
        """A replica is stopped until all take it for gone, and goes on."""
        self.fleet.pause(replica)

    def join(self, _replica: Replica, _amount: int) -> None:
        """One more replica starts."""
        if len(self.fleet.replicas) < 5:
            self.fleet.join()

    def pass_time(self, _replica: Replica, amount: int) -> None:
        """Some plans are never carried out: their time runs out."""
        self.fleet.pass_time(15 * (amount % 3))

    def finish(self) -> None:
        """Have all be told: it is spent what calls cost, and held what they may."""
        fleet = self.fleet
        for _ in range(2):
            for replica in fleet.replicas:
                replica.account.waiting.clear()
                fleet.see(replica)
                fleet.turn(replica, closes=True)
        assert fleet.tally.spent == fleet.cost - fleet.uncounted
        for replica in fleet.replicas:
            let_in = [c.amount for c in fleet.calls if c.owner == replica.name]
            share = fleet.tally.shares.get(replica.name, Share())
            assert share.held == share.reserved >= sum(let_in)
            assert not fleet.is_exact or share.reserved == sum(let_in)
        for call in list(fleet.calls):
            fleet.end(call, fleet.replicas[0], 0)
        fleet.pass_time(10 * LIFE_S)
        for replica in fleet.replicas:
            fleet.see(replica)
            fleet.turn(replica, closes=True)
        assert sum(share.held for share in fleet.tally.shares.values()) == 0


DEEDS = ("ask", "ask_and_see", "end", "turn", "notice", "pass_time")
MISHAPS = ("go_missing", "arrive", "arrive_twice", "die", "pause", "join")


def steps(*deeds: str) -> st.SearchStrategy[list[tuple[str, int, int]]]:
    return st.lists(
        st.tuples(st.sampled_from(deeds), st.integers(0, 4), st.integers(0, DEAREST)),
        min_size=10,
        max_size=150,
    )


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 300), st.integers(1, 4), steps(*DEEDS, *MISHAPS))
def test_whatever_happens_no_more_than_one_call_too_many_is_let_in(
    limit: int, many: int, story: list[tuple[str, int, int]]
) -> None:
    """Nothing is lost or made, but for what a killed replica had told nobody yet."""
    told = Story(limit, many)
    told.go(story)
    told.finish()


@settings(max_examples=500, deadline=None)
@given(
    st.integers(0, 300),
    st.integers(1, 4),
    steps(*DEEDS, "go_missing", "arrive", "arrive_twice", "join"),
)
def test_without_kills_the_bound_is_exact(
    limit: int, many: int, story: list[tuple[str, int, int]]
) -> None:
    """Turns that are refused or go missing cost nothing of it."""
    told = Story(limit, many)
    told.go(story)

    assert told.fleet.slack == 0
    told.finish()


def test_what_a_missing_turn_gives_back_is_not_spent_meanwhile() -> None:
    """Nobody heard that it arrived, and others have what it gave back."""
    fleet = Fleet(400)
    idle, busy = fleet.join(), fleet.join()
    fleet.ask(idle, 0)
    fleet.turn(idle)
    for _ in range(6):
        fleet.ask(busy, DEAREST)
        fleet.turn(busy)
    fleet.see(idle)
    fleet.send(idle)
    assert idle.under_way is not None
    fleet.arrive(*idle.under_way)
    while fleet.tally.left(fleet.limit) > 0:
        fleet.ask(busy, DEAREST)
        fleet.turn(busy)

    assert not idle.account.reserve(30, fleet.now_s + LIFE_S)


def test_last_call_is_let_in_whole_and_none_after_it() -> None:
    """While anything is left a call may cost more than that; then nothing is."""
    fleet = Fleet(100)
    one, other = fleet.join(), fleet.join()
    fleet.ask(one, 99)
    fleet.turn(one)
    fleet.ask(other, 50)
    fleet.turn(other)
    for replica in (one, other):
        fleet.see(replica)
        fleet.ask(replica, 0)
        fleet.turn(replica)

    assert [call.amount for call in fleet.calls] == [99, 50]


def test_what_a_dead_replica_held_comes_back_but_for_calls_under_way() -> None:
    """Its calls may go on elsewhere, and are paid for when they end there."""
    fleet = Fleet(100)
    dead, heir = fleet.join(), fleet.join()
    fleet.ask(dead, 40)
    fleet.turn(dead)
    held = fleet.tally.shares[dead.name].held
    call = fleet.calls[0]
    fleet.leave(dead)
    fleet.ask(heir, 1)
    fleet.turn(heir)
    kept = fleet.tally.shares[dead.name].held
    fleet.end(call, heir, 10)
    fleet.turn(heir)

    assert held > kept == 40
    assert fleet.tally.shares[dead.name].held == 0
    assert fleet.tally.spent == 10


def test_raised_limit_lets_in_and_a_lowered_one_does_not_whatever_is_held() -> None:
    """What was leased under other terms is not spent by the new ones."""
    fleet = Fleet(1_000)
    replica = fleet.join()
    fleet.ask(replica, 100)
    fleet.turn(replica)
    replica.account.follow(Terms(50))
    lowered = fleet.ask(replica, 1)
    fleet.turn(replica)
    is_let_in_under_less = len(fleet.calls) == 2
    replica.account.follow(Terms(200))
    fleet.turn(replica)

    assert lowered is not None
    assert not is_let_in_under_less
    assert len(fleet.calls) == 2


def test_warning_is_due_once() -> None:
    """Whoever reaches it gives it, for all."""
    fleet = Fleet(100)
    one, other = fleet.join(), fleet.join()
    warned = []
    for replica, cost in ((one, 79), (other, 1), (one, 5), (other, 30)):
        replica.account.follow(Terms(100, 80))
        replica.account.settle(cost)
        claim = replica.account.claim(replica.name, fleet.tally, 0, parts=4)
        warned.append(take(fleet.tally, claim).warns)
        fleet.turn(replica)

    assert warned == [False, True, False, False]
    assert one.account.warned


def test_turn_that_went_missing_is_told_from_the_next_one() -> None:
    """It arrives late, and before another that says more: nothing is lost of that."""
    fleet = Fleet(100)
    replica = fleet.join()
    replica.account.settle(10)
    fleet.send(replica)
    missing, replica.under_way = replica.under_way, None
    replica.account.settle(15)
    fleet.send(replica)
    later = replica.under_way
    assert missing is not None
    assert later is not None
    fleet.arrive(*missing)
    assert not fleet.arrive(*later)
    fleet.find(replica, later[1])
    fleet.turn(replica)

    assert fleet.tally.spent == 25


def test_what_runs_out_is_taken_for_what_others_gave_back() -> None:
    """Of a call that ended elsewhere its replica knows the amount and not which."""
    fleet = Fleet(100)
    owner, other = fleet.join(), fleet.join()
    for amount in (10, 20):
        fleet.ask(owner, amount)
        fleet.turn(owner)
        fleet.now_s += 15
    fleet.end(fleet.calls[0], other, 0)
    fleet.turn(other)
    fleet.pass_time(30)
    fleet.turn(owner)

    assert fleet.tally.shares[owner.name].reserved == 20


def test_call_that_ends_after_its_time_gives_nothing_back_twice() -> None:
    """Its reservation has run out by then."""
    fleet = Fleet(100)
    replica = fleet.join()
    fleet.ask(replica, 40)
    fleet.turn(replica)
    call = fleet.calls[0]
    fleet.pass_time(LIFE_S)
    free = replica.account.free
    replica.account.give_back(call.amount, call.ends_s)

    assert replica.account.free == free
