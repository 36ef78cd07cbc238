"""`python -m app.services.paused`, as versions before 0.2 call it: see `app.launching.requeue_paused`."""

import sys

from app.launching.requeue_paused import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
