"""Servers outside of a run to which its command has handed work."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Runs that ended before have handed nothing over that anybody noticed."""
    op.add_column("run", sa.Column("handed_to", sa.String(), nullable=False, server_default=""))
