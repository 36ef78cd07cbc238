"""The change number of each epoch, by which a reader of one run asks for the epochs that are new."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table empty: a reader begins with all epochs, so existing ones need no row."""
    op.create_table(
        "epoch_change",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "epoch", name=op.f("pk_epoch_change")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_epoch_change_run_id_number"), "epoch_change", ["run_id", "number"])
