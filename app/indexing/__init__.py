"""Run folders → store: the indexer, its process, and what it makes of the end of a log."""
