"""The Python that runs our stages."""

import sys
from collections.abc import Iterator

from app.doctor.finding import Finding, Level
from app.doctor.gpu import Torch
from engine.contracts.errors import YoloqatError
from engine.supervise.interpreter import WITHOUT_ENGINE, EngineChoice, Interpreter, examine_interpreter


def check_engine(found: Interpreter | YoloqatError, origin: str) -> Iterator[Finding]:
    """Whether our stages can run.

    Args:
        found: what it has, or why it cannot be asked.
        origin: who has chosen it.
    """
    if isinstance(found, YoloqatError):
        yield Finding(Level.PROBLEM, "engine", f"{found.where}: {found.what}", found.hint or "")
    elif found.torch is None and found.path == sys.executable:
        text = f"none in {found.path}: runs can be imported, watched and compared, but no stage of ours can be launched"
        yield Finding(Level.WARNING, "engine", text, WITHOUT_ENGINE)
    elif found.mistakes:
        yield Finding(Level.PROBLEM, "engine", f"{found.path} ({origin}): {'; '.join(found.mistakes)}", found.advice)
    else:
        yield Finding(Level.OK, "engine", f"{found.path}, Python {found.python}, torch {found.torch}")


def ask_engine(engine: EngineChoice) -> Interpreter | YoloqatError:
    """What the chosen Python has, or why it cannot be asked."""
    try:
        return examine_interpreter(engine.path)
    except YoloqatError as error:
        return error


def torch_of(found: Interpreter | YoloqatError) -> Torch | None:
    """What its PyTorch was built for; None without one."""
    if isinstance(found, YoloqatError) or found.torch is None:
        return None
    return Torch(found.torch, found.cuda or None)
