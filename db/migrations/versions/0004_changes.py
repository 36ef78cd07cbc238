"""The change number of the index, by which readers ask for what is new; and runs that cannot be read."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables empty: no reader knows a number yet, so existing runs need no row."""
    state = op.create_table(
        "index_state",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("generation", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_index_state")),
    )
    op.create_table(
        "run_change",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("removed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_run_change")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_run_change_number"), "run_change", ["number"])
    op.create_table(
        "broken_run",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("stamps", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_broken_run")),
        sqlite_with_rowid=False,
    )
    op.bulk_insert(state, [{"id": 1, "generation": secrets.token_hex(8), "number": 0}])
