"""What all stages share: run folder, device, seeds, stop signals and `result.json`."""

import os
import random
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

from engine.contracts.errors import YoloqatError
from engine.contracts.events import emit
from engine.contracts.options.base import StageOptions
from engine.contracts.result import Artifact, EvaluationResult, StageResult
from engine.contracts.run_folder import RunFolder

if TYPE_CHECKING:
    import torch

SIGNALS = (signal.SIGINT, signal.SIGTERM)
ONE_DEVICE = "a stage runs as one process on one device; training on several devices is not supported"


class Interrupted(BaseException):
    """A stop signal arrived. Not an `Exception`, so that no handler of failures catches it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal_number = number
        self.signal_name = signal.Signals(number).name


class Session:
    """One execution of a stage, as a context manager.

    The first SIGINT or SIGTERM raises `Interrupted` in the stage, except inside `uninterrupted`; files are
    written atomically, so saved files stay intact.
    """

    def __init__(self, stage: str, run_dir: Path, options: StageOptions) -> None:
        self.stage = stage
        self.run_dir = run_dir.absolute()
        self.options = options
        self.inputs: list[Artifact] = []
        self._start_time = time.monotonic()
        self._uninterrupted_blocks = 0
        self._pending_signal: int | None = None
        self._previous_handlers: dict[int, object] = {}

    def __enter__(self) -> "Session":
        _refuse_distributed_launch()
        try:
            self.run_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise YoloqatError(f"cannot create the run folder: {error}", where=str(self.run_dir)) from error
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._previous_handlers[number] = signal.signal(number, self._on_signal)
        emit("stage", name=self.stage, options=self.options.model_dump(mode="json"))
        print(f"Namespace({', '.join(f'{k}={v!r}' for k, v in self.options.model_dump().items())})", flush=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    @property
    def uninterrupted(self) -> "_Uninterrupted":
        """Context manager that delays a stop signal until its block ends."""
        return _Uninterrupted(self)

    def stop_if_requested(self, epoch: int) -> None:
        """Raise `Interrupted` after an epoch (0-based) if the run folder holds a request to stop there."""
        if RunFolder(self.run_dir).stop_after_epoch.exists():
            print(f"Stopping after epoch {epoch}, as requested. Resume the run to continue.", flush=True)
            raise Interrupted(signal.SIGINT)

    def device(self, requested: str) -> "torch.device":
        """Return the device for `--device`, and print YOLOv7's line about it.

        Args:
            requested: `cpu`, an index such as `0`, `cuda:0`; empty takes a GPU if there is one.

        Raises:
            YoloqatError: the CUDA device does not exist, or several are named.
        """
        import torch

        text = requested.strip().lower().removeprefix("cuda:").removeprefix("cuda")
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if text == "cpu" or (not requested and not count):
            device = torch.device("cpu")
            description = "CPU"
        else:
            index = text.strip() or "0"
            if "," in index:
                raise YoloqatError(f"--device {requested}: {ONE_DEVICE}", hint="Give one, such as --device 0.")
            if not index.isdigit() or int(index) >= count:
                available = f"this machine has {count} CUDA device(s)" if count else "this machine has no CUDA device"
                raise YoloqatError(
                    f"--device {requested}: {available}",
                    hint="Use --device cpu, or leave --device out to use what is available.",
                )
            device = torch.device("cuda", int(index))
            torch.cuda.set_device(device)
            # TF32 rounds fake-quantized values to ten bits: mAP and ranges would differ from the CPU's.
            # Training is no slower without it, because it runs under autocast.
            torch.backends.cudnn.allow_tf32 = False
            memory = torch.cuda.get_device_properties(device).total_memory / 1024**2
            description = f"CUDA:{index} ({torch.cuda.get_device_name(device)}, {memory}MB)"
        print(f"yoloqat torch {torch.__version__} {description}\n", flush=True)
        return device

    def seed(self, seed: int) -> None:
        """Seed Python, NumPy and PyTorch."""
        import numpy as np
        import torch

        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)

    def add_input(self, role: str, path: str | Path) -> Artifact:
        """Record a file that this run reads, with its SHA-256, for `result.json`.

        Raises:
            YoloqatError: the file cannot be read.
        """
        try:
            artifact = Artifact.of(role, Path(path))
        except OSError as error:
            raise YoloqatError(
                f"cannot read this file: {error.strerror}", where=str(path), hint=f"Check the path given to --{role}."
            ) from error
        self.inputs.append(artifact)
        return artifact

    def finish(
        self,
        artifacts: Mapping[str, Path],
        *,
        evaluations: Sequence[EvaluationResult] = (),
        details: Mapping[str, object] | None = None,
    ) -> StageResult:
        """Hash the artifacts and write `result.json`.

        Args:
            artifacts: role → file, inside the run folder.
            evaluations: in the order in which they ran; the last is the stage's own result.
            details: stage-specific facts, as JSON values.
        """
        result = StageResult(
            stage=self.stage,
            seconds=time.monotonic() - self._start_time,
            inputs=self.inputs,
            artifacts=[Artifact.of(role, path, self.run_dir) for role, path in artifacts.items()],
            evaluations=list(evaluations),
            details=dict(details or {}),
        )
        with self.uninterrupted:
            result.write(self.run_dir / "result.json")
        return result

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._uninterrupted_blocks:
            self._pending_signal = number
        else:
            raise Interrupted(number)

    def _change_blocks(self, by: int) -> None:
        """Enter (+1) or leave (-1) an uninterrupted block; raise the delayed signal when the last one ends."""
        self._uninterrupted_blocks += by
        if self._uninterrupted_blocks == 0 and self._pending_signal is not None:
            number, self._pending_signal = self._pending_signal, None
            raise Interrupted(number)


def _refuse_distributed_launch() -> None:
    """Raise if started by torchrun with several processes: they would overwrite each other's checkpoints."""
    count = os.environ.get("WORLD_SIZE", "")
    if count.isdecimal() and int(count) > 1:
        raise YoloqatError(
            f"WORLD_SIZE={count}: {ONE_DEVICE}",
            hint="Start it without torchrun, or unset WORLD_SIZE; --device chooses the GPU.",
        )


class _Uninterrupted:
    def __init__(self, session: Session) -> None:
        self._session = session

    def __enter__(self) -> None:
        self._session._change_blocks(1)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._session._change_blocks(-1)
        else:
            self._session._uninterrupted_blocks -= 1
