"""`python -m engine.evaluate.bootstrap_command MATCHES…`: print each file's resampling as a line of JSON.

A separate program, because the screen's process imports no tensor code and must not block.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from engine.contracts.errors import YoloqatError
from engine.evaluate.bootstrap import resample
from engine.evaluate.matches import Matches


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line for each file as soon as it is computed; return exit code 2 for bad input."""
    try:
        for path in sys.argv[1:] if argv is None else argv:
            print(resample(Matches.load(Path(path))).to_json(), flush=True)
    except YoloqatError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
