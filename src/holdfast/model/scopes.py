"""On whose behalf something is called, and what is set for them: policies, budgets."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf a call is made."""

    organization_id: str
    project_id: str
    api_key_id: str = ""


@dataclass(frozen=True, slots=True)
class ScopedPolicy:
    """What one scope allows. An empty set sets no limit; scopes intersect.

    Attributes:
        scope: Whose policy it is, in words, e.g. `project web`.
        allowed_models: Plain names or deployment ids; so is `denied_models`.
        geographies: Where data may go. Unknown is in none of them.
        denies_training: Whether nobody may train on what is sent. Unknown may not.
        max_retention_days: For how long it may be kept; zero for not at all. Unknown
            is too long. None sets no limit.
    """

    scope: str
    allowed_providers: frozenset[str] = frozenset()
    denied_providers: frozenset[str] = frozenset()
    allowed_models: frozenset[str] = frozenset()
    denied_models: frozenset[str] = frozenset()
    geographies: frozenset[str] = frozenset()
    denies_training: bool = False
    max_retention_days: int | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """What one scope may spend in a calendar month, in UTC.

    Attributes:
        project_id: Empty for the organization's.
        api_key_id: Empty for the project's.
        limit_usd_micros: In millionths of a US dollar.
        warn_at: From which part of it on warnings are given, of 1.
        denies_when_unreachable: Whether calls are refused while the spend cannot be
            known.
        id: What it is called: `acme`, `acme/web` or `acme/web/web-1`.
    """

    organization_id: str
    project_id: str
    api_key_id: str
    limit_usd_micros: int
    warn_at: float = 0.8
    denies_when_unreachable: bool = False
    id: str = field(init=False)

    def __post_init__(self) -> None:
        scope = (self.organization_id, self.project_id, self.api_key_id)
        # Once: each request asks for it.
        object.__setattr__(self, "id", "/".join(filter(None, scope)))


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """How a budget stands in the present month.

    Attributes:
        reserved_usd_nanos: What calls under way may yet cost.
        reset_s: When the next month begins, in Unix seconds.
        warns: Whether as much is spent as warnings are given at.
        is_current: Whether that is what all replicas know; else it may be old.
    """

    budget: Budget
    spent_usd_nanos: int
    reserved_usd_nanos: int
    reset_s: int
    warns: bool = False
    is_current: bool = True

    @property
    def left_usd_nanos(self) -> int:
        """What may still be reserved. Never negative."""
        limit = self.budget.limit_usd_micros * 1_000
        return max(0, limit - self.spent_usd_nanos - self.reserved_usd_nanos)


@dataclass(frozen=True, slots=True)
class Reservation:
    """What one request was let in with, told with its attempts and its end.

    Attributes:
        replica: Which resolver let it in.
        start_s: When, in Unix seconds.
        end_s: When the request is over at the latest, likewise.
        budgets: Those that its attempts are charged to, by id.
        usd_nanos: What is set aside of each of them.
        tokens: What is set aside of its key's tokens of a minute. None: its key may
            use as many as it likes.
        warning: The id of a budget that is nearly used up. Empty: none is.
    """

    replica: str
    start_s: int
    end_s: int
    budgets: tuple[str, ...] = ()
    usd_nanos: int = 0
    tokens: int | None = None
    warning: str = ""
