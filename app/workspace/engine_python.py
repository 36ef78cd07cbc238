"""Which Python runs our stages."""

import os

from app.workspace.settings import load_settings
from app.workspace.settings_path import settings_path
from engine.supervise.interpreter import EngineChoice


def choose_engine(option: str | None = None, *, recorded: str | None = None) -> EngineChoice:
    """`--engine-python`, else what the run was started with, else `engine_python` of the settings, else this Python.

    Args:
        option: of the command line.
        recorded: the interpreter of an earlier attempt; passed over where it is gone.

    Raises:
        YoloqatError: the settings cannot be used, or there is no such program.
    """
    if option:
        return EngineChoice.of(option, "from --engine-python")
    if recorded and os.path.isabs(recorded) and os.access(recorded, os.X_OK):
        return EngineChoice.of(recorded, "as in the attempt before; --engine-python names another")
    chosen = load_settings().engine_python
    if chosen is not None:
        return EngineChoice.of(str(chosen), f"`engine_python` in {settings_path()}")
    return EngineChoice.own(f"no `engine_python` in {settings_path()}")
