"""The tables: requests, attempts, plans, tags, contents."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_IDENTIFIER = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
"""Compared byte by byte, so that it sorts by time wherever it is."""


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "ledger_exclusions",
        sa.Column("day", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("exclusions", sa.Text, nullable=False),
    )
    op.create_table(
        "ledger_plans",
        sa.Column("plan_id", _IDENTIFIER, primary_key=True),
        *_texts("trace_id", "parent_span_id"),
        *_texts("organization_id", "project_id", "api_key_id"),
        *_texts("requested_model", "session_affinity", "session_key"),
        *_texts("bound_deployment_id", "revision", "steps"),
        *_numbers("exclusions_day"),
        *_texts("exclusions_digest"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ledger_requests",
        sa.Column("plan_id", _IDENTIFIER, primary_key=True),
        *_texts("trace_id", "parent_span_id"),
        *_texts("organization_id", "project_id", "api_key_id"),
        *_texts("requested_model", "surface"),
        *_numbers("streamed", "start_ms", "duration_us"),
        sa.Column("first_token_us", sa.BigInteger),
        *_texts("deployment_id", "model_id", "provider_id", "geography", "region"),
        *_texts("response_model", "error_reason", "error_message"),
        *_texts("session_affinity", "session_key"),
        *_numbers("attempt_count", "fell_back"),
        *_texts("revision", "guardrails"),
        *_numbers("content_bytes_left_out"),
    )
    op.create_index("ledger_requests_by_trace", "ledger_requests", ["trace_id"])
    op.create_index(
        "ledger_requests_by_project",
        "ledger_requests",
        ["organization_id", "project_id", "plan_id"],
    )
    has_session = sa.text("session_key <> ''")
    op.create_index(
        "ledger_requests_by_session",
        "ledger_requests",
        ["session_key"],
        sqlite_where=has_session,
        postgresql_where=has_session,
    )
    op.create_table(
        "ledger_attempts",
        sa.Column("plan_id", _IDENTIFIER, primary_key=True),
        sa.Column("ordinal", sa.BigInteger, primary_key=True, autoincrement=False),
        *_texts("organization_id", "project_id", "api_key_id"),
        *_numbers("start_ms", "duration_us"),
        sa.Column("first_token_us", sa.BigInteger),
        *_texts("deployment_id", "model_id", "provider_id", "geography", "region"),
        *_texts("outcome"),
        *_numbers("http_status"),
        *_texts("error_message"),
        sa.Column("retry_after_ms", sa.BigInteger),
        *_texts("step_reason", "credential", "observed_geography", "left_out"),
        *_numbers("input_tokens", "output_tokens", "cache_read_input_tokens"),
        *_numbers("cache_creation_input_tokens", "reasoning_output_tokens"),
        *_numbers("cost_usd_nanos", "cache_saving_usd_nanos"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ledger_tags",
        sa.Column("plan_id", _IDENTIFIER, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ledger_contents",
        sa.Column("plan_id", _IDENTIFIER, primary_key=True),
        *_texts("organization_id", "project_id"),
        *_numbers("start_ms", "expires_ms"),
        sa.Column("request", sa.LargeBinary, nullable=False),
        sa.Column("response", sa.LargeBinary, nullable=False),
    )
    op.create_index("ledger_contents_by_expiry", "ledger_contents", ["expires_ms"])
    op.create_index(
        "ledger_contents_by_project",
        "ledger_contents",
        ["organization_id", "project_id", "start_ms"],
    )
    op.create_table(
        "ledger_usage",
        *_key("organization_id", "project_id"),
        sa.Column("hour", sa.BigInteger, primary_key=True, autoincrement=False),
        *_key("api_key_id", "model_id", "deployment_id", "provider_id", "geography"),
        *_numbers("request_count", "failure_count", "fallback_count"),
        *_numbers("attempt_count", "failed_attempt_count"),
        *_numbers("input_tokens", "output_tokens", "cache_read_input_tokens"),
        *_numbers("cache_creation_input_tokens", "reasoning_output_tokens"),
        *_numbers("cost_usd_nanos", "cache_saving_usd_nanos"),
        sqlite_with_rowid=False,
    )


def _key(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, primary_key=True) for name in names]


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _numbers(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger, nullable=False) for name in names]
