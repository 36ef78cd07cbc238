"""Compare runs: evaluation settings, lineage, noise, latency, layers, metric sources."""
