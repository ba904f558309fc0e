"""The accounts that one replica has, by what they count, whose they are and when."""

from collections.abc import Callable
from dataclasses import dataclass

from holdfast_resolver.quotas.account import Account
from holdfast_resolver.quotas.exchange import Exchange
from holdfast_resolver.quotas.periods import Period, minute, month

_AHEAD_S = 2
"""How long before a minute begins a share of it is taken, where the last was used."""

_RATE_LIFE_S = 180
"""For how long a minute's tally is needed, in seconds: clocks may differ."""


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """What quotas are counted in.

    Attributes:
        name: In the names of tallies.
        period: Which one a moment is in.
        keeps: As an account's, likewise `life_s`.
    """

    name: str
    period: Callable[[float], Period]
    keeps: bool = True
    life_s: int | None = None

    def tally(self, scope: str, period: Period) -> str:
        """Name a tally: `2026-08/usd/acme/web`."""
        return f"{period.name}/{self.name}/{scope}"


SPEND = Unit("usd", month)
REQUESTS = Unit("requests", minute, keeps=False, life_s=_RATE_LIFE_S)
TOKENS = Unit("tokens", minute, life_s=_RATE_LIFE_S)


class Accounts:
    """All of one replica's accounts."""

    def __init__(self, by_name: dict[str, Account], exchange: Exchange) -> None:
        """Begin with none.

        Args:
            by_name: Where they are, by the names of their tallies.
            exchange: Takes their turns; it sees what is in `by_name`.
        """
        self._by_name = by_name
        self._exchange = exchange
        self._current: dict[Unit, dict[str, Account]] = {
            unit: {} for unit in (SPEND, REQUESTS, TOKENS)
        }

    def __len__(self) -> int:
        return len(self._by_name)

    def current(self, unit: Unit, scope: str, now: float) -> Account:
        """Return the account of the present period."""
        current = self._current[unit]
        account = current.get(scope)
        if account is None or account.ends_s <= now:
            account = current[scope] = self.at(unit, scope, now)
        return account

    def at(self, unit: Unit, scope: str, moment: float) -> Account:
        """Return the account of the period that a moment is in."""
        period = unit.period(moment)
        name = unit.tally(scope, period)
        account = self._by_name.get(name)
        if account is None:
            account = Account(name, period.ends_s, keeps=unit.keeps, life_s=unit.life_s)
            self._by_name[name] = account
            self._exchange.look(account)
        return account

    def known(self, unit: Unit, scope: str, moment: float) -> Account | None:
        """Return the account of the period that a moment is in, if there is one."""
        return self._by_name.get(unit.tally(scope, unit.period(moment)))

    def look_ahead(self, now: float) -> None:
        """Take a share of the next minute, where the present one is used."""
        for unit in (REQUESTS, TOKENS):
            for scope, account in self._current[unit].items():
                if 0 < account.ends_s - now <= _AHEAD_S:
                    following = self.at(unit, scope, account.ends_s)
                    following.source = account.source
                    following.follow(account.terms)
                    self._exchange.mark(following)

    def tidy(self, now: float) -> None:
        """Let go of what has run out, and forget what is over."""
        for account in tuple(self._by_name.values()):
            self._exchange.look(account)
            if account.expire(now):
                self._exchange.mark(account)
            over_s = now - account.ends_s
            if over_s < 0:
                continue
            if account.is_idle or (account.life_s and over_s > account.life_s):
                del self._by_name[account.name]
        for current in self._current.values():
            for scope, account in tuple(current.items()):
                if account.name not in self._by_name:
                    del current[scope]
