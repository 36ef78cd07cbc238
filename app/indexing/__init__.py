"""Index run folders: the indexer, its process, sidecar results, usage, outcomes of logs."""
