"""Runs of a chain as the store would return them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from db.views import ArtifactView, EpochView, EvaluationView, Number, RunDetail, RunView
from engine.contracts.states import RunState

SETTINGS: Mapping[str, Any] = {
    "data": "d" * 64,
    "split": "val",
    "images": 200,
    "image_size": 128,
    "letterbox": "square",
    "conf_thres": 0.001,
    "iou_thres": 0.65,
    "max_det": 300,
}


def number(value: float | str) -> Number:
    text = value if isinstance(value, str) else repr(value)
    return Number(text, None if text in ("nan", "inf") else float(text))


def evaluation(
    label: str,
    map_: float | str,
    weights: str = "",
    settings: Mapping[str, Any] | None = SETTINGS,
    images: int = 200,
) -> EvaluationView:
    values = {"P": number(0.81234), "R": number(0.71234), "mAP@.5": number(0.84321), "mAP@.5:.95": number(map_)}
    return EvaluationView(
        index=0, label=label, weights=weights, images=images, labels=900, values=values, settings=settings
    )


def epoch(index: int, map_: float | str, last: int = 9) -> EpochView:
    return EpochView(1, index, last, {"box": number("0.05"), "mAP@.5:.95": number(map_), "mAP@.5": number("0.6")})


def made(role: str, sha: str, size: int = 1_000_000) -> ArtifactView:
    return ArtifactView(role, f"weights/{role}.pt", size, sha * 64)


def read(role: str, sha: str, size: int = 1_000_000) -> ArtifactView:
    return ArtifactView(role, f"/elsewhere/{role}.pt", size, sha * 64, is_input=True)


def run(
    run_id: str,
    stage: str,
    *,
    evaluations: Sequence[EvaluationView] = (),
    artifacts: Sequence[ArtifactView] = (),
    epochs: Sequence[EpochView] = (),
    parents: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
    state: RunState = RunState.SUCCEEDED,
    seconds: float | None = 10.0,
    age: int = 0,
) -> RunDetail:
    view = RunView(
        id=run_id,
        name=f"name-{run_id}",
        stage=stage,
        state=state,
        reason="",
        created_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=age),
        seconds=seconds,
        parents=tuple(parents),
    )
    return RunDetail(view, dict(options or {}), (), "", tuple(epochs), tuple(evaluations), (), tuple(artifacts))


def demo_chain() -> list[RunDetail]:
    """shapes → float ReLU → PTQ → QAT → ONNX, tied by content."""
    return [
        run("s", "shapes", artifacts=[made("data", "0")], age=0),
        run(
            "f",
            "retrain",
            evaluations=[evaluation("best", 0.50001)],
            artifacts=[read("data", "0"), made("best", "a", 1_300_000), made("last", "b")],
            options={"act": "relu"},
            parents=["s"],
            seconds=90.0,
            age=1,
        ),
        run(
            "p",
            "ptq",
            evaluations=[evaluation("float", 0.50001, "/w/best.pt"), evaluation("PTQ", 0.49001, "weights/ptq.pt")],
            artifacts=[read("data", "0"), read("weights", "a"), made("weights", "c", 1_400_000)],
            options={"weights": "/w/best.pt"},
            parents=["s", "f"],
            age=2,
        ),
        run(
            "q",
            "qat",
            evaluations=[evaluation("QAT", 0.49751)],
            artifacts=[read("data", "0"), read("weights", "c"), made("best", "e"), made("last", "f")],
            parents=["s", "p"],
            age=3,
        ),
        run(
            "o",
            "export",
            evaluations=[evaluation("ONNX Q/DQ", 0.49801)],
            artifacts=[read("data", "0"), read("weights", "e"), made("onnx", "9", 2_600_000)],
            parents=["s", "q"],
            age=4,
        ),
    ]
