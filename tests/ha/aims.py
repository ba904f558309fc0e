"""Whom things happen to in a random run: one draw of each kind."""

from collections.abc import Callable
from random import Random

from ha.happenings import MEMBERS, PLACES, Aim
from ha.lab import PROVIDERS, SERVICES


def a_process(*names: str) -> Callable[[Random], Aim]:
    def aim(chance: Random) -> Aim:
        unit = f"{chance.choice(names)}@{chance.choice(PLACES)}"
        return Aim(unit, takes=frozenset({unit}))

    return aim


def a_member(chance: Random) -> Aim:
    unit = f"etcd@{chance.choice(MEMBERS)}"
    return Aim(unit, holds=frozenset({unit}))


def members(chance: Random) -> Aim:
    many = chance.choice((2, 3))
    units = frozenset(f"etcd@{name}" for name in chance.sample(MEMBERS, many))
    return Aim(" ".join(sorted(units)), holds=units)


def all_members(_chance: Random) -> Aim:
    return Aim("all of etcd", holds=frozenset(f"etcd@{name}" for name in MEMBERS))


def _services_of(place: str) -> frozenset[str]:
    if place not in PLACES:
        return frozenset()
    return frozenset(f"{name}@{place}" for name in SERVICES)


def a_host(*details: str) -> Callable[[Random], Aim]:
    def aim(chance: Random) -> Aim:
        name = chance.choice(MEMBERS)
        takes, holds = _services_of(name), frozenset({f"net@{name}"})
        return Aim(name, chance.choice(details), takes, holds)

    return aim


def two_hosts(chance: Random) -> Aim:
    one, other = chance.sample(MEMBERS, 2)
    holds = {f"net@{one}", f"net@{other}"}
    if one in PLACES and other in PLACES:
        # Each is on its own then, and needs all that it has.
        holds |= _services_of(one) | _services_of(other)
    detail = chance.choice(("both ways", "one way"))
    return Aim(f"{one} from {other}", detail, holds=frozenset(holds))


def anybody(chance: Random) -> Aim:
    name = chance.choice((*MEMBERS, "providers", "callers"))
    return Aim(name, holds=frozenset({f"loss@{name}"}))


def a_place(kind: str) -> Callable[[Random], Aim]:
    def aim(chance: Random) -> Aim:
        name = chance.choice(PLACES)
        return Aim(name, holds=frozenset({f"{kind}@{name}"}))

    return aim


def a_clock(chance: Random) -> Aim:
    name = chance.choice(PLACES)
    detail = f"{chance.randint(-30, 60):+d} s"
    return Aim(name, detail, holds=frozenset({f"clock@{name}"}))


def a_name(chance: Random) -> Aim:
    name = chance.choice(PLACES)
    takes = frozenset({f"resolver@{name}", f"executor@{name}"})
    return Aim(name, takes=takes, holds=frozenset({"names"}))


def a_provider(*details: str) -> Callable[[Random], Aim]:
    def aim(chance: Random) -> Aim:
        name = chance.choice(PROVIDERS)
        return Aim(name, chance.choice(details), frozenset({f"provider@{name}"}))

    return aim


def nobody(what: str) -> Callable[[Random], Aim]:
    return lambda _chance: Aim(what, holds=frozenset({what}))


def a_delay(chance: Random) -> Aim:
    name = chance.choice((*MEMBERS, "providers", "callers"))
    detail = chance.choice(
        (
            "delay 50ms 20ms",
            "delay 20ms reorder 25% 50%",
            "corrupt 2%",
            "duplicate 5%",
        )
    )
    return Aim(name, detail, holds=frozenset({f"delay@{name}"}))
