"""What runs took of the machine: means, extremes and curves of their samples."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Have runs looked at once more, so that ended ones get their rows; their logs are not read again."""
    numbers = [sa.Column(name, sa.Float(), nullable=False) for name in ("mean", "least", "most", "last")]
    op.create_table(
        "usage",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        *numbers,
        sa.Column("curve", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_usage_run_id_run"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "attempt", "device", "key", name=op.f("pk_usage")),
        sqlite_with_rowid=False,
    )
    op.execute("UPDATE run SET stamps = ''")
