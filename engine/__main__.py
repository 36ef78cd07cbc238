"""`python -P -m engine <stage> --run-dir DIR [options]`."""

import sys

from engine.stages.cli import main

if __name__ == "__main__":
    sys.exit(main())
