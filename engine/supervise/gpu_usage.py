"""The GPU load helper by the path that runners of versions before 0.2 call: see `engine.supervise.gpu.usage`."""

import runpy
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).resolve().with_name("gpu") / "usage.py"), run_name="__main__")
