"""Rows out: queries on the standard library's SQLite, read-only. Loads no SQLAlchemy, SQLModel or Alembic.

| file | what it does |
|---|---|
| `database` | opening the file to read, and a number that changes when it does |
| `runs` | rows of the table of runs, and what has changed since a version |
| `detail` | everything about one run |
| `numbers` | epochs and their numbers, newest attempt first |
| `log_facts` | single facts of a run's logs |
| `index` | what the index knows of each run folder, to tell whether it is current |

Queries take an `sqlite3.Connection`; `db.writer` hands over its own, inside of its transaction.
"""
