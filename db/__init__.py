"""The index of the run folders in SQLite.

| file | what it does |
|---|---|
| `tables` | the tables, as SQLModel classes |
| `migrations`, `migrate`, `revision` | how they came to be, and the way there for an older database |
| `open` | connections and transactions |
| `place` | which file is the index of a workspace |
| `writer`, `rows_of_facts`, `summary`, `results` | rows for facts, results and run folders, written in bulk |
| `changes` | the number that every transaction raises |
| `reading/` | rows out, by the standard library's SQLite alone |
| `views` | the dataclasses in which they leave |
| `space` | whether a failure comes of a full disk |

`open`, `writer` and `tables` load SQLModel, which takes half a second: only the indexer and what imports logs use them.
Whoever reads needs
`reading`, `views`, `revision`, `place` and `space`, which load the standard library.
"""
