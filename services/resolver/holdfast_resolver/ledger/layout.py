"""The ledger's tables, as data.

What is written, what is read and what the migrations end with are all of these; a
test compares them. Absent text is empty, so that only numbers can be null.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

VERSION = "0002"
"""The last migration that this version knows. They are numbered, and only add: a
ledger that a later version has migrated is written and read all the same."""

VERSION_TABLE = "ledger_version"
"""Where the database says which migrations it has had."""


class Kind(Enum):
    """What a column holds."""

    TEXT = "text"
    INTEGER = "bigint"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class Column:
    """A column."""

    name: str
    kind: Kind = Kind.TEXT
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    """An index beside the key.

    Attributes:
        unless_empty: A column; rows where it is empty are left out.
    """

    name: str
    columns: tuple[str, ...]
    unless_empty: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """A table.

    Attributes:
        key: What a row is told from others by: written twice, it is there once.
        clustered: Whether SQLite keeps rows in the order of the key.
        sums: Columns that are added up where a row is written that is there.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    indexes: tuple[Index, ...] = ()
    clustered: bool = False
    sums: tuple[str, ...] = ()


def _columns(words: str) -> tuple[Column, ...]:
    """Read columns: a name, with `#` for a number, `?` for one that may be null.

    `!` stands for bytes.
    """
    return tuple(_column(word) for word in words.split())


def _column(word: str) -> Column:
    name = word.rstrip("#?!")
    mark = word.removeprefix(name)
    kind = {"": Kind.TEXT, "!": Kind.BYTES}.get(mark, Kind.INTEGER)
    return Column(name, kind, nullable=mark == "?")


REQUESTS = Layout(
    "ledger_requests",
    _columns(
        "plan_id trace_id parent_span_id organization_id project_id api_key_id "
        "requested_model surface streamed# start_ms# duration_us# first_token_us? "
        "deployment_id model_id provider_id geography region response_model "
        "error_reason error_message session_affinity session_key attempt_count# "
        "fell_back# revision guardrails content_bytes_left_out#"
    ),
    ("plan_id",),
    (
        Index("ledger_requests_by_trace", ("trace_id",)),
        Index(
            "ledger_requests_by_project", ("organization_id", "project_id", "plan_id")
        ),
        Index(
            "ledger_requests_by_session",
            ("session_key",),
            unless_empty="session_key",
        ),
    ),
)
"""Requests that have ended, or were refused before they began."""

ATTEMPTS = Layout(
    "ledger_attempts",
    _columns(
        "plan_id ordinal# organization_id project_id api_key_id start_ms# duration_us# "
        "first_token_us? deployment_id model_id provider_id geography region outcome "
        "http_status# error_message retry_after_ms? step_reason credential "
        "observed_geography left_out input_tokens# output_tokens# "
        "cache_read_input_tokens# cache_creation_input_tokens# "
        "reasoning_output_tokens# cost_usd_nanos# cache_saving_usd_nanos#"
    ),
    ("plan_id", "ordinal"),
    clustered=True,
)
"""Calls of deployments: where time, tokens and money went."""

PLANS = Layout(
    "ledger_plans",
    _columns(
        "plan_id trace_id parent_span_id organization_id project_id api_key_id "
        "requested_model session_affinity session_key bound_deployment_id revision "
        "steps exclusions_day# exclusions_digest"
    ),
    ("plan_id",),
    clustered=True,
)
"""What was to be tried for a request, and why in that order."""

EXCLUSIONS = Layout(
    "ledger_exclusions",
    _columns("day# digest exclusions"),
    ("day", "digest"),
)
"""What plans left out: once a day for all plans that left out the same."""

TAGS = Layout(
    "ledger_tags",
    _columns("plan_id name value"),
    ("plan_id", "name"),
    clustered=True,
)
"""What callers say requests are for."""

CONTENTS = Layout(
    "ledger_contents",
    _columns(
        "plan_id organization_id project_id start_ms# expires_ms# request! response!"
    ),
    ("plan_id",),
    (
        Index("ledger_contents_by_expiry", ("expires_ms",)),
        Index(
            "ledger_contents_by_project", ("organization_id", "project_id", "start_ms")
        ),
    ),
)
"""Prompts and answers, where a project keeps them, until they expire."""

RESPONSES = Layout(
    "ledger_responses",
    _columns(
        "response_id organization_id project_id previous_id start_ms# expires_ms# "
        "record!"
    ),
    ("response_id",),
    (
        Index("ledger_responses_by_expiry", ("expires_ms",)),
        Index(
            "ledger_responses_by_project", ("organization_id", "project_id", "start_ms")
        ),
    ),
)
"""Responses that a later request may go on from, likewise until they expire."""

DIMENSIONS = (
    "organization_id",
    "project_id",
    "hour",
    "api_key_id",
    "model_id",
    "deployment_id",
    "provider_id",
    "geography",
)
"""What sums are told apart by; `hour` counts hours since 1970."""

REQUEST_FIGURES = ("request_count", "failure_count", "fallback_count")

ATTEMPT_FIGURES = (
    "attempt_count",
    "failed_attempt_count",
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "reasoning_output_tokens",
    "cost_usd_nanos",
    "cache_saving_usd_nanos",
)

FIGURES = REQUEST_FIGURES + ATTEMPT_FIGURES
"""What is added up: of requests, and of attempts."""

USAGE = Layout(
    "ledger_usage",
    (
        *(
            Column(name, Kind.INTEGER if name == "hour" else Kind.TEXT)
            for name in DIMENSIONS
        ),
        *(Column(name, Kind.INTEGER) for name in FIGURES),
    ),
    DIMENSIONS,
    clustered=True,
    sums=FIGURES,
)
"""Sums of requests and attempts by the hour, written with them: a month is added up
from some thousands of these, where it has millions of attempts."""

LAYOUTS = (
    *(EXCLUSIONS, PLANS, REQUESTS, ATTEMPTS, TAGS, CONTENTS),
    *(RESPONSES, USAGE),
)
"""All tables. Every replica writes them in this order, so that no two wait for one
another; last what they write the same rows of."""

Row = tuple[Any, ...]
"""A row's values, in the order of its layout's columns."""


class Rows:
    """Rows to be written together, all or none."""

    def __init__(self) -> None:
        self._rows: dict[str, list[Row]] = {layout.name: [] for layout in LAYOUTS}
        self._once: set[Row] = set()

    def add(self, layout: Layout, row: Row) -> None:
        """Add a row."""
        self._rows[layout.name].append(row)

    def add_once(self, layout: Layout, row: Row) -> None:
        """Add a row unless it is there already."""
        if row not in self._once:
            self._once.add(row)
            self.add(layout, row)

    def of(self, layout: Layout) -> list[Row]:
        """Return the rows of a table."""
        return self._rows[layout.name]

    def __iter__(self) -> Iterator[tuple[Layout, list[Row]]]:
        """Walk through the tables that have rows."""
        return ((layout, rows) for layout in LAYOUTS if (rows := self.of(layout)))

    def __len__(self) -> int:
        """Count the rows."""
        return sum(map(len, self._rows.values()))
