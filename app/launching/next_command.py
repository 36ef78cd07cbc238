"""The command line of a run's next attempt, and the checkpoint that it starts from."""

from pathlib import Path

from app.launching.resume_command import resume_command
from app.workspace.engine_python import choose_engine
from engine.contracts.attempt_records import LaunchRecord
from engine.contracts.options.arguments import validate
from engine.contracts.run_folder import RunFolder
from engine.contracts.spec import COMMAND, RunSpec
from engine.contracts.stages import stage_info
from engine.supervise.launch.commands import current_command, engine_command
from engine.supervise.launch.interpreter import EngineChoice
from engine.supervise.launch.start_records import unmasked_spec


def next_checkpoint(folder: RunFolder, spec: RunSpec) -> Path | None:
    """Return the checkpoint that a running foreign trainer writes after each epoch; None for a stage of ours.

    Raises:
        YoloqatError: the trainer could not be resumed from it; the error says why.
    """
    if spec.stage != COMMAND:
        return None
    console = folder.attempts()[-1].console
    return resume_command(spec.command, Path(spec.cwd), console, must_exist=False).checkpoint


def next_command(folder: RunFolder, spec: RunSpec) -> tuple[list[str] | None, Path | None]:
    """Return the command line of the next attempt (None: that of the first), and the checkpoint that it starts from."""
    return command_with_engine(folder, spec, engine_of(folder, spec))


def command_with_engine(
    folder: RunFolder, spec: RunSpec, engine: EngineChoice | None
) -> tuple[list[str] | None, Path | None]:
    """Return what `next_command` does, for a Python that is chosen already; None for commands that are not ours."""
    started = [attempt for attempt in folder.attempts() if attempt.console.exists() and attempt.console.stat().st_size]
    if engine is None:
        if not started:
            return None, None
        command = resume_command(unmasked_spec(folder, spec).command, Path(spec.cwd), started[-1].console)
        return command.argv, command.checkpoint
    info = stage_info(spec.stage)
    last = folder.weights / "last.pt"
    if not started or "resume" not in info.options.model_fields or not last.is_file():
        return from_the_beginning(spec, engine), None
    options = validate(info.options, {**spec.options, "resume": True}, str(folder.spec))
    return engine_command(spec.stage, options, folder.path, engine.path), last


def from_the_beginning(spec: RunSpec, engine: EngineChoice | None) -> list[str] | None:
    """Return the command line that starts a stage of ours anew; None for the one of the first attempt."""
    return None if engine is None else current_command(spec.command, engine.path)


def engine_of(folder: RunFolder, spec: RunSpec, option: str | None = None) -> EngineChoice | None:
    """Return the Python for the next attempt of a stage of ours; None for any other command."""
    if spec.stage == COMMAND:
        return None
    attempts = folder.attempts()
    before = LaunchRecord.read(attempts[-1].launch) if attempts else None
    return choose_engine(option, recorded=before.argv[0] if before else None)
