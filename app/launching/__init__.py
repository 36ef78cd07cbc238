"""Launching, pipelines, the queue, requeueing, resuming and stopping runs."""
