"""Runs that nobody ran, and a backend that serves them: for tests of the screens alone."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from textual.app import App
from textual.pilot import Pilot

from app.backend.documents import RunChanges
from app.backend.local import LocalBackend
from app.comparing.comparison import ChainStep, Comparison, compare, lineage
from app.launching.pipelines import PipelineSummary, plan_pipeline
from app.screens.dialogs.dialog import Dialog
from app.widgets.run.run_text import best_epoch
from db.views import NEVER, ArtifactView, EpochView, EvaluationView, IndexVersion, Number, RunDetail, RunView
from engine.contracts.attempt_records import GitState, Provenance
from engine.contracts.errors import YoloqatError
from engine.contracts.facts import Progress
from engine.contracts.run_folder import Workspace
from engine.contracts.spec import RunSpec
from engine.contracts.states import RunState
from engine.pipelines.file import read_pipeline
from engine.pipelines.pipeline import Pipeline
from tests.waiting import patience

NOW = datetime.now(UTC).replace(microsecond=0)


def number(text: str) -> Number:
    """A printed number."""
    value = float(text.rstrip("G"))
    return Number(text, value if math.isfinite(value) else None)


def run(name: str, **changes: Any) -> RunView:
    """A finished float run unless told otherwise."""
    minutes = changes.pop("minutes_ago", 60)
    made = NOW - timedelta(minutes=minutes)
    fields: dict[str, Any] = {
        "id": f"20261101-{name}",
        "name": name,
        "stage": "retrain",
        "state": RunState.SUCCEEDED,
        "reason": "",
        "created_at": made,
        "started_at": made,
        "ended_at": made + timedelta(minutes=30),
        "seconds": 1800.0,
        "epochs_done": 30,
        "epochs_total": 30,
        "best_map": Number("0.478", 0.478),
        "best_epoch": 25,
        "map_curve": curve(30),
    }
    return RunView(**{**fields, **changes})


def curve(epochs: int, top: float = 0.478) -> tuple[float, ...]:
    """A plausible mAP by epoch."""
    return tuple(round(top * (1 - math.exp(-(i + 1) / 5)) + 0.004 * math.sin(i * 1.7), 4) for i in range(epochs))


def epochs(count: int, last: int, top: float = 0.478) -> tuple[EpochView, ...]:
    """Epoch rows in YOLOv7's digits."""
    rows = []
    for i, value in enumerate(curve(count, top)):
        fall = math.exp(-i / 12)
        rows.append(
            EpochView(
                attempt=1,
                epoch=i,
                last_epoch=last,
                values={
                    "gpu_mem": Number("7.5G", 7.5),
                    "box": number(f"{0.026 + 0.03 * fall:.4g}"),
                    "obj": number(f"{0.024 + 0.02 * fall:.4g}"),
                    "cls": number(f"{0.006 + 0.02 * fall:.4g}"),
                    "total": number(f"{0.056 + 0.07 * fall:.4g}"),
                    "labels": Number(str(87 + 31 * i % 200), 87.0 + 31 * i % 200),
                    "img_size": Number("640", 640.0),
                    "P": number(f"{value * 1.5:.3g}"),
                    "R": number(f"{value * 1.31:.3g}"),
                    "mAP@.5": number(f"{value * 1.4:.3g}"),
                    "mAP@.5:.95": number(f"{value:.3g}"),
                },
            )
        )
    return tuple(rows)


COCO = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
COCO_TEXTS = [
    "0.493",
    "0.676",
    "0.538",
    "0.335",
    "0.540",
    "0.641",
    "0.375",
    "0.621",
    "0.677",
    "0.529",
    "0.728",
    "0.820",
]


def evaluation(index: int, label: str, weights: str, value: float) -> EvaluationView:
    """A final evaluation with pycocotools' twelve."""
    values = {
        "P": number(f"{value * 1.5:.3g}"),
        "R": number(f"{value * 1.31:.3g}"),
        "mAP@.5": number(f"{value * 1.4:.3g}"),
        "mAP@.5:.95": number(f"{value:.3g}"),
        **{key: number(text) for key, text in zip(COCO, COCO_TEXTS, strict=True)},
    }
    return EvaluationView(index, label, weights, 5000, 36335, values)


RESULTS = {"ptq": ("PTQ", "weights/ptq.pt", 0.472), "qat": ("QAT", "weights/best.pt", 0.4755)}


def detail(view: RunView, **changes: Any) -> RunDetail:
    """Everything about a run, made to fit its row."""
    count = view.epochs_done or 0
    label, file, value = RESULTS.get(view.stage, ("best", "weights/best.pt", 0.476))
    fields: dict[str, Any] = {
        "run": view,
        "options": {"weights": "yolov7.pt", "data": "data/coco.yaml", "epochs": 30, "batch_size": 12, "act": "relu"},
        "command": ("python", "-P", "-m", "engine", "retrain", "--epochs", "30", "--batch-size", "12"),
        "cwd": "/home/me/yolov7",
        "epochs": epochs(count, (view.epochs_total or 1) - 1),
        "evaluations": (evaluation(0, label, file, value),) if not view.state.is_live else (),
        "events": (),
        "artifacts": (
            *(ArtifactView("weights", parent, 1, parent, is_input=True) for parent in view.parents),
            ArtifactView("best", file, 75_600_000, view.id),
        ),
    }
    return RunDetail(**{**fields, **changes})


def pipeline_runs() -> tuple[RunView, ...]:
    """A pipeline in the middle of its third step."""
    common: dict[str, Any] = {"group": "relu-int8", "pipeline": "quantize"}
    qat = Progress(
        "train",
        812,
        1200,
        6,
        9,
        239.0,
        114.0,
        "3.41it/s",
        {"box": "0.0384", "obj": "0.0555", "cls": "0.0121", "gpu_mem": "9.1G", "total": "0.106"},
    )
    return (
        run("relu-retrain", step="retrain", minutes_ago=1500, **common),
        run(
            "relu-ptq",
            step="ptq",
            parents=("20261101-relu-retrain",),
            stage="ptq",
            minutes_ago=130,
            epochs_done=None,
            epochs_total=None,
            best_map=Number("0.472", 0.472),
            best_epoch=None,
            map_curve=(),
            **common,
        ),
        run(
            "relu-qat",
            step="qat",
            parents=("20261101-relu-ptq",),
            stage="qat",
            minutes_ago=120,
            state=RunState.RUNNING,
            ended_at=None,
            epochs_done=6,
            epochs_total=10,
            eta_seconds=4320.0,
            progress=qat,
            best_map=Number("0.476", 0.476),
            best_epoch=5,
            map_curve=curve(6, 0.476),
            **common,
        ),
        *(
            run(
                f"relu-{step}",
                step=step,
                stage=step if step == "export" else "evaluate",
                minutes_ago=119 - i,
                state=RunState.QUEUED,
                reason=f"waits for {wait}",
                started_at=None,
                ended_at=None,
                seconds=None,
                epochs_done=None,
                epochs_total=None,
                best_map=None,
                best_epoch=None,
                map_curve=(),
                **common,
            )
            for i, (step, wait) in enumerate((("export", "relu-qat"), ("int8", "relu-export")))
        ),
    )


def other_runs() -> tuple[RunView, ...]:
    """Single runs in various states."""
    return (
        run(
            "results_act_relu",
            source="imported",
            state=RunState.ENDED,
            reason="complete",
            minutes_ago=60 * 24 * 400,
            seconds=81334.8,
        ),
        run(
            "nohup-tiny",
            state=RunState.OUT_OF_MEMORY,
            reason="CUDA out of memory",
            minutes_ago=60 * 24 * 3,
            epochs_done=12,
            epochs_total=300,
            best_map=Number("0.211", 0.211),
            best_epoch=11,
            map_curve=curve(12, 0.2),
        ),
        run(
            "broken",
            state=RunState.FAILED,
            reason="exit code 3",
            stage="command",
            minutes_ago=300,
            epochs_done=None,
            epochs_total=None,
            best_map=None,
            best_epoch=None,
            map_curve=(),
        ),
        run(
            "gone",
            state=RunState.KILLED,
            reason="signal 9 (SIGKILL)",
            minutes_ago=700,
            epochs_done=4,
            map_curve=curve(4),
            best_map=Number("0.3012", 0.3012),
            best_epoch=3,
        ),
    )


class FakeBackend:
    """Serves what it was given; stops and launches are written down."""

    def __init__(self, folder: Path, runs: Sequence[RunView] = ()) -> None:
        self.workspace = Workspace(folder)
        self.path = folder
        self.given = tuple(runs)
        self.details = {r.id: detail(r) for r in runs}
        self.logs: dict[str, tuple[str, ...]] = {}
        self.stopped: list[tuple[str, bool]] = []
        self.paused: list[str] = []
        self.launched: list[RunSpec] = []
        self.reads = 0
        self._version = 1

    def change(self, *runs: RunView) -> None:
        """Replace runs by id, as the indexer would."""
        new = {r.id: r for r in runs}
        kept = tuple(new.pop(r.id, r) for r in self.given)
        self.given = (*kept, *new.values())
        self.details = {r.id: self.details.get(r.id) or detail(r) for r in self.given}
        self.details = {i: replace(d, run=next(r for r in self.given if r.id == i)) for i, d in self.details.items()}
        self._version += 1

    def follow(self) -> None:
        """No indexer is needed."""

    def version(self) -> int:
        return self._version

    def changes(self, since: IndexVersion = NEVER) -> RunChanges:
        self.reads += 1
        version = IndexVersion("fake", self._version)
        return RunChanges(workspace=self.path, version=version, complete=True, runs=self.given, removed=())

    def folder(self, run_id: str) -> Path:
        return self.workspace.run(run_id).path

    def detail(self, run_id: str, previous: RunDetail | None = None) -> RunDetail:
        try:
            return self.details[run_id]
        except KeyError:
            raise YoloqatError(f"there is no run {run_id!r}") from None

    def option_values(self, option: str) -> Mapping[str, str | float | None]:
        return {run_id: detail.options[option] for run_id, detail in self.details.items() if option in detail.options}

    def metric_values(self, key: str) -> Mapping[str, str | float | None]:
        best = {run_id: best_epoch(detail.epochs) for run_id, detail in self.details.items()}
        return {run_id: epoch.values[key].value for run_id, epoch in best.items() if epoch and key in epoch.values}

    def provenance(self, run_id: str) -> Provenance | None:
        return Provenance(
            python="3.11.7", git=GitState(commit="abcdef0123456789", branch="main", dirty=True, diff_bytes=3200)
        )

    def log(self, run_id: str, lines: int) -> tuple[str, ...]:
        return self.logs.get(run_id, ())[-lines:]

    def log_stamp(self, run_id: str) -> tuple[int, int, int]:
        return (1, len(self.logs.get(run_id, ())), hash(self.logs.get(run_id, ())))

    def compare(self, details: Sequence[RunDetail], baseline: str | None) -> Comparison:
        return compare(details, baseline)

    def lineage(self, details: Sequence[RunDetail]) -> list[ChainStep]:
        return lineage(details)

    noise = LocalBackend.noise

    def pipelines(self) -> list[PipelineSummary]:
        files = sorted((self.path / "pipelines").glob("*.yaml"))
        read = [read_pipeline(path) for path in files]
        return [PipelineSummary(p.name, p.description, tuple(p.order()), p.path) for p in read]

    def pipeline(self, name: str) -> Pipeline:
        return read_pipeline(Path(name))

    def plan(self, pipeline: Pipeline, values: Mapping[str, Any], name: str | None = None) -> list[RunSpec]:
        return plan_pipeline(self.workspace, pipeline, values, name=name, cwd=self.path)

    def launch(self, pipeline: Pipeline, values: Mapping[str, Any], name: str | None = None) -> list[RunSpec]:
        self.launched = self.plan(pipeline, values, name)
        return self.launched

    def demo(self) -> list[RunSpec]:
        self.change(*pipeline_runs())
        return [RunSpec(id=r.id, name=r.name, stage=r.stage, group=r.group) for r in pipeline_runs()]

    def stop(self, run_id: str, now: bool = False) -> None:
        self.stopped.append((run_id, now))

    def pause(self, run_id: str) -> str:
        self.paused.append(run_id)
        return "ends at its next checkpoint"


PIPELINE = """\
name: relu-int8
description: From a float model to an ONNX file with Q/DQ nodes, one step after the other.
inputs:
  data: {default: coco.yaml, help: data set YAML}
  weights: {help: the float model to start from}
  epochs: {default: 30, help: epochs of the float training}
  act: {default: relu, help: activation}
stages:
  retrain:
    uses: retrain
    options: {weights: "${inputs.weights}", data: "${inputs.data}", epochs: "${inputs.epochs}", act: "${inputs.act}"}
  ptq:
    uses: ptq
    options: {weights: "${retrain.best}", data: "${inputs.data}"}
"""


def write_pipeline(folder: Path) -> Path:
    """A pipeline whose `weights` must be given."""
    (folder / "pipelines").mkdir(parents=True, exist_ok=True)
    (folder / "pipelines" / "relu-int8.yaml").write_text(PIPELINE, encoding="utf-8")
    (folder / "yolov7.pt").write_bytes(b"weights")
    (folder / "coco.yaml").write_text("path: .", encoding="utf-8")
    return folder


async def answer(pilot: Pilot[Any], *keys: str) -> None:
    """Answer the question on the screen, once it takes keys."""
    dialog = pilot.app.screen
    assert isinstance(dialog, Dialog)
    await until(pilot, lambda: dialog.takes_keys(time.monotonic()))
    await pilot.press(*keys)


async def until(pilot: Pilot[Any], condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait until a condition holds, or fail."""
    began = time.monotonic()
    while not condition():
        waited = time.monotonic() - began
        assert waited < patience(seconds), f"did not happen within {waited:.0f} s\n{screen_text(pilot.app)}"
        await pilot.pause(0.05)
    await pilot.pause()


def screen_text(app: App[Any]) -> str:
    """What stands on the screen, as text."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)
