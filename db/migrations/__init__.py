"""Alembic's folder: `versions/` holds a file per change of the tables. Every start reads this file, so it is light."""

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008")
"""All revisions, oldest first."""
HEAD = REVISIONS[-1]
