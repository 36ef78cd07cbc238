"""Where each number came from, and the numbers of files of results beside the logs."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Give existing rows the default; their logs are read again, because the parser is a later one."""
    for table in ("metric", "evaluation_metric"):
        op.add_column(table, sa.Column("source", sa.String(), nullable=False, server_default="log"))
    op.add_column("run_summary", sa.Column("best_map_source", sa.String(), nullable=True))
    _table(
        "results_file",
        ("run_id", "position"),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("epochs", sa.Integer(), nullable=False),
        sa.Column("problem", sa.String(), nullable=False),
    )
    _table(
        "results_metric",
        ("run_id", "epoch", "key"),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("source", sa.String(), nullable=False),
    )


def _table(name: str, keys: tuple[str, ...], *columns: "sa.Column[object]") -> None:
    op.create_table(
        name,
        sa.Column("run_id", sa.String(), nullable=False),
        *columns,
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f(f"fk_{name}_run_id_run"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint(*keys, name=op.f(f"pk_{name}")),
        sqlite_with_rowid=False,
    )
