"""`python -P -m engine.evaluate.bootstrap_command BASE OTHER…`: intervals of files of matches, as a line of JSON.

A program of its own, for the process of the screen imports no tensor code and does not wait.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from engine.contracts.errors import YoloqatError
from engine.evaluate.bootstrap import paired_bootstrap
from engine.evaluate.matches import Matches


def main(argv: Sequence[str] | None = None) -> int:
    """Print a list with an entry for each of the others; exit code 2 for bad input."""
    base, *others = [Path(argument) for argument in (sys.argv[1:] if argv is None else argv)]
    try:
        found = paired_bootstrap(Matches.load(base), [Matches.load(other) for other in others])
    except YoloqatError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(json.dumps([{name: asdict(interval) for name, interval in entry.items()} for entry in found]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
