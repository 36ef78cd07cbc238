"""Progress and remarks on stderr, where the original's logger writes; results go to stdout."""

import sys


def say(text: str) -> None:
    """Print a line to stderr, where the original's logger writes."""
    print(text, file=sys.stderr, flush=True)
