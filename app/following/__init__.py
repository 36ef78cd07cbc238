"""Following a growing log: copying it, reading it into the store, showing its tail."""
