"""The processes of a run: identity, children, memory, resource samples."""
