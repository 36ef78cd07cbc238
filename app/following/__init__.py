"""Follow growing logs: copy them, read them into the index, show their tail."""
