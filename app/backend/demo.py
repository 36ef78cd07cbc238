"""The demo: float retrain → PTQ → QAT → export of a narrow YOLOv7-tiny on synthetic shapes, on the CPU."""

from app.comparing.lineage import ChainStep, lineage
from app.launching.pipelines import launch_pipeline, load_pipeline
from engine.contracts.run_folder import Workspace
from engine.contracts.spec import RunSpec

PIPELINE = "demo"


def launch_demo(workspace: Workspace, engine_python: str | None = None) -> list[RunSpec]:
    """Launch the demo's pipeline in the workspace, with the Python that `choose_engine` returns.

    Raises:
        YoloqatError: it cannot be launched.
    """
    # Not in the caller's directory, where a file could shadow one of our configurations.
    return launch_pipeline(workspace, load_pipeline(PIPELINE), cwd=workspace.path, engine_python=engine_python)


def demo_table(workspace: Workspace, group: str) -> list[ChainStep]:
    """Return the chain of a group's runs, as far as they have ended."""
    from app.runs.reader import group_details

    return lineage(group_details(workspace, group))
