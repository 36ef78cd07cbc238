"""Runs side by side: evaluation settings, lineage, noise, latency, layers, metric sources."""
