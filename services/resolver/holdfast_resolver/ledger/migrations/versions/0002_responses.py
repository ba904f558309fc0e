"""The table of responses that can be gone on from."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_IDENTIFIER = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make it."""
    op.create_table(
        "ledger_responses",
        sa.Column("response_id", _IDENTIFIER, primary_key=True),
        sa.Column("organization_id", sa.Text, nullable=False),
        sa.Column("project_id", sa.Text, nullable=False),
        sa.Column("previous_id", sa.Text, nullable=False),
        sa.Column("start_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
    )
    op.create_index("ledger_responses_by_expiry", "ledger_responses", ["expires_ms"])
    op.create_index(
        "ledger_responses_by_project",
        "ledger_responses",
        ["organization_id", "project_id", "start_ms"],
    )
