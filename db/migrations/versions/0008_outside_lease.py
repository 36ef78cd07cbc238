"""GPUs outside of its lease on which a process of a run was seen."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nobody has looked for them before."""
    op.add_column("run", sa.Column("gpus_outside_lease", sa.String(), nullable=False, server_default=""))
