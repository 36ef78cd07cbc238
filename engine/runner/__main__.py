"""Entry point, as `python -P -m engine.runner` or by this file's own path.

By path and with `python -I -S`, nothing in the user's environment or working directory (PYTHONPATH, sitecustomize, an
`engine.py`) can get in the way, and nothing has to be added to the environment that the stage inherits. Our folder goes
to the end of the path, behind the standard library.
"""

import os
import sys

if __package__ in (None, ""):
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from engine.runner.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
