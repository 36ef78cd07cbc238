"""Finding runs: the filter language, the fields that it and the columns name, and the order of a list.

| file | what it does |
|---|---|
| `fields` | the fields of a run, by the names that a user types |
| `filter` | parses a filter and matches runs against it |
| `order` | sorts runs by a field |
"""
