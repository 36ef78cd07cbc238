"""What Alembic runs: the migrations, on the connection that `db.migrate` hands over."""

from alembic import context
from sqlmodel import SQLModel

import db.tables  # noqa: F401 – fills the metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=SQLModel.metadata,
    render_as_batch=True,  # SQLite alters columns by copying the table
    user_module_prefix="sqlmodel.sql.sqltypes.",
)
context.run_migrations()
