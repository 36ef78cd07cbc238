"""The curve of a run's mAP has a bounded size: which epochs its points stand for."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Leave the ranges of existing curves unknown; they are computed when their runs are written next."""
    for name in ("curve_start", "curve_step", "curve_end"):
        op.add_column("run_summary", sa.Column(name, sa.Integer(), nullable=True))
