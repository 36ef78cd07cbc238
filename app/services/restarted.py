"""`python -m app.services.restarted`, as versions before 0.2 call it: see `app.launching.requeue_slurm`."""

import sys

from app.launching.requeue_slurm import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
