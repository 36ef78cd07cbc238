"""The GPU inventory by the path that runners of versions before 0.2 call: see `engine.supervise.gpu.inventory`."""

import runpy
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).resolve().with_name("gpu") / "inventory.py"), run_name="__main__")
