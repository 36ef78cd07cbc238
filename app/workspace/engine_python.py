"""Choose the Python that runs our stages."""

import os

from app.workspace.settings import load_settings
from app.workspace.settings_path import settings_path
from engine.supervise.launch.interpreter import EngineChoice


def choose_engine(option: str | None = None, *, recorded: str | None = None) -> EngineChoice:
    """Choose `--engine-python`, else the Python of an earlier attempt, else that of the settings, else this one.

    Args:
        option: value of `--engine-python`.
        recorded: the interpreter of an earlier attempt; ignored if it is missing now.

    Raises:
        YoloqatError: the settings are invalid, or the program does not exist.
    """
    if option:
        return EngineChoice.of(option, "from --engine-python")
    if recorded and os.path.isabs(recorded) and os.access(recorded, os.X_OK):
        return EngineChoice.of(recorded, "as in the attempt before; --engine-python names another")
    chosen = load_settings().engine_python
    if chosen is not None:
        return EngineChoice.of(str(chosen), f"`engine_python` in {settings_path()}")
    return EngineChoice.own(f"no `engine_python` in {settings_path()}")
