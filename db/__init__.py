"""The index of the run folders in SQLite.

| file | what it does |
|---|---|
| `tables` | the tables, as SQLModel classes |
| `migrations`, `migrate`, `revision` | how they came to be, and the way there for an older database |
| `open` | connections and transactions |
| `writer`, `fact_rows`, `summary` | rows for facts, results and run folders, written in bulk |
| `queries` | rows out, as the dataclasses of `views` |
| `views` | what leaves the store |
| `space` | whether a failure comes of a full disk |

Importing it takes a while (SQLModel), so the programs import it inside the functions that need it.
"""
