"""Sending a notification: over HTTP to chat programs, to a command, to a terminal. Standard library alone."""
