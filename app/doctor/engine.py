"""Check the Python that runs our stages."""

import sys
from collections.abc import Iterator

from app.doctor.finding import Finding, Level
from app.doctor.gpu import Torch
from engine.contracts.errors import YoloqatError
from engine.supervise.launch.interpreter import WITHOUT_ENGINE, EngineChoice, Interpreter, examine_interpreter


def check_engine(interpreter: Interpreter | YoloqatError, origin: str) -> Iterator[Finding]:
    """Whether our stages can run.

    Args:
        interpreter: the packages of the Python, or why it cannot be examined.
        origin: the setting that selects it.
    """
    if isinstance(interpreter, YoloqatError):
        yield Finding(Level.PROBLEM, "engine", f"{interpreter.where}: {interpreter.what}", interpreter.hint or "")
    elif interpreter.torch is None and interpreter.path == sys.executable:
        text = f"none in {interpreter.path}: runs can be imported, watched and compared, but no stage can be launched"
        yield Finding(Level.WARNING, "engine", text, WITHOUT_ENGINE)
    elif interpreter.mistakes:
        yield Finding(
            Level.PROBLEM,
            "engine",
            f"{interpreter.path} ({origin}): {'; '.join(interpreter.mistakes)}",
            interpreter.advice,
        )
    else:
        text = f"{interpreter.path}, Python {interpreter.python}, torch {interpreter.torch}"
        yield Finding(Level.OK, "engine", text)


def examine_engine(engine: EngineChoice) -> Interpreter | YoloqatError:
    """Examine the selected Python, or return why that fails."""
    try:
        return examine_interpreter(engine.path)
    except YoloqatError as error:
        return error


def torch_of(interpreter: Interpreter | YoloqatError) -> Torch | None:
    """Return the version of its PyTorch and the CUDA it was built for; None without PyTorch."""
    if isinstance(interpreter, YoloqatError) or interpreter.torch is None:
        return None
    return Torch(interpreter.torch, interpreter.cuda or None)
