"""Build the chain of runs: float → PTQ → QAT → ONNX Q/DQ, linked by the hashes of their files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from app.comparing.evaluation_settings import MAIN_METRIC, disagreement, final_evaluation, points
from app.comparing.latency import Speed, speeds
from app.formatting import ABSENT
from app.formatting import points as points_text
from db.views import ArtifactView, EvaluationView, Number, RunDetail
from engine.contracts.paired_bootstrap import Interval
from engine.contracts.states import RunState

NOISE = "~"
"""The mark of a difference that is noise."""
_NO_MODEL = ("data", "cfg", "hyp")
"""Roles of inputs that do not make a run the child of another."""
_MODEL_ROLES = ("onnx", "best", "weights", "last")
"""Roles of outputs; the first one that exists is the step's file."""
_LABELS = {
    "retrain": "float",
    "ptq": "PTQ",
    "qat": "QAT",
    "export": "ONNX",
    "int8": "ONNX INT8",
    "evaluate": "evaluation",
}

_CHANGING = ("ptq", "qat", "export", "int8")


@dataclass(frozen=True)
class Measured:
    """The evaluation that a number comes from."""

    run_id: str
    label: str
    weights: str


def measured_by(run_id: str, evaluation: EvaluationView | None) -> Measured | None:
    """Identify an evaluation of a run by its label and weights."""
    return None if evaluation is None else Measured(run_id, evaluation.label, evaluation.weights or "")


@dataclass(frozen=True)
class ChainStep:
    """One model of the chain, with its metrics, size and time."""

    label: str
    """`float ReLU`, `PTQ`, `QAT`, `ONNX Q/DQ`, …"""
    run_id: str
    run_name: str
    state: RunState
    depth: int
    """0 for a root; a child is one deeper than its parent and follows it."""
    parent: str | None = None
    """The label of the parent step."""
    tied_by: str = ""
    """`content` (equal SHA-256), or `specification` if hashes are missing."""
    metrics: Mapping[str, Number] = field(default_factory=dict)
    parent_metrics: Mapping[str, Number] = field(default_factory=dict)
    """The parent's metrics under the same settings; empty if not measured."""
    float_metrics: Mapping[str, Number] = field(default_factory=dict)
    """The metrics of the nearest float ancestor."""
    not_comparable: str = ""
    """Why the parent is not comparable; shown as `≠eval`."""
    not_comparable_to_float: str = ""
    settings: Mapping[str, Any] | None = None
    backend: str = ""
    size_bytes: int | None = None
    """Size of the model's file."""
    sha256: str = ""
    """Hash of the model's file; empty if it is missing."""
    seconds: float | None = None
    """Wall time of the run."""
    speed: Speed | None = None
    """Speed of the model's file, if a run has timed it."""
    measured: Measured | None = None
    """The evaluation of `metrics`; likewise for parent and float model."""
    parent_measured: Measured | None = None
    float_measured: Measured | None = None
    noise_parent: Interval | None = None
    """The interval of `delta_parent`, if both evaluations recorded their matches per image."""
    noise_float: Interval | None = None

    @property
    def delta_parent(self) -> float | None:
        """The difference of mAP@.5:.95 to the parent, in points."""
        return points(self.metrics.get(MAIN_METRIC), self.parent_metrics.get(MAIN_METRIC))

    @property
    def delta_float(self) -> float | None:
        """The difference of mAP@.5:.95 to the float model, in points."""
        return points(self.metrics.get(MAIN_METRIC), self.float_metrics.get(MAIN_METRIC))

    @property
    def has_noise(self) -> bool:
        """Whether any difference is noise."""
        return any(noise is not None and noise.is_noise for noise in (self.noise_parent, self.noise_float))

    def delta_parent_text(self, metric: str = MAIN_METRIC) -> str:
        """`−0.40`, `≠eval`, or `–`."""
        return self._delta_text(metric, self.parent_metrics, self.not_comparable) + _noise_sign(
            metric, self.noise_parent
        )

    def delta_float_text(self, metric: str = MAIN_METRIC) -> str:
        """`−0.40`, `≠eval`, or `–`."""
        return self._delta_text(metric, self.float_metrics, self.not_comparable_to_float) + _noise_sign(
            metric, self.noise_float
        )

    def _delta_text(self, metric: str, reference: Mapping[str, Number], why_not: str) -> str:
        if why_not:
            return "≠eval"
        return points_text(self.metrics.get(metric), reference.get(metric)) or ABSENT


def _noise_sign(metric: str, interval: Interval | None) -> str:
    return NOISE if metric == MAIN_METRIC and interval is not None and interval.is_noise else ""


@dataclass
class _Node:
    """A run during the construction of the chain."""

    detail: RunDetail
    parent: "_Node | None" = None
    tied_by: str = ""
    children: list["_Node"] = field(default_factory=list)

    @property
    def own(self) -> EvaluationView | None:
        """The evaluation of this node's own model; a step that changes its input evaluates its own model last."""
        run = self.detail.run
        if run.stage in _CHANGING and run.state is not RunState.SUCCEEDED:
            return None
        return final_evaluation(self.detail)

    @property
    def is_float(self) -> bool:
        return self.detail.run.stage == "retrain"

    def input_evaluation(self) -> EvaluationView | None:
        """Return this run's evaluation of its input model."""
        return next(
            (e for e in self.detail.evaluations if e is not self.own and e.values and _is_of_input(self, e)), None
        )

    def evaluations(self) -> Iterator["_Measurement"]:
        """Yield all evaluations of this node's model: its own, and those by its children before they changed it."""
        if self.own is not None:
            yield self.own, measured_by(self.detail.run.id, self.own)
        for child in self.children:
            input_evaluation = child.input_evaluation()
            if input_evaluation is not None:
                yield input_evaluation, measured_by(child.detail.run.id, input_evaluation)

    def ancestors(self) -> Iterator["_Node"]:
        node = self.parent
        while node is not None:
            yield node
            node = node.parent


_Measurement = tuple[EvaluationView, Measured | None]
_Reference = tuple[Mapping[str, Number], str, Measured | None]
"""Reference metrics, why there are none, and their evaluation."""


def lineage(details: Sequence[RunDetail]) -> list[ChainStep]:
    """Return the chain (or tree) of the runs, parents before children; empty if no two runs are linked.

    Benchmarks are no steps of it: what they timed stands with the step that made the file.
    """
    timed = speeds(details)
    models = [detail for detail in details if detail.run.stage != "benchmark"]
    nodes = {detail.run.id: _Node(detail) for detail in sorted(models, key=_age)}
    for node in nodes.values():
        _tie(node, nodes)
    steps: list[ChainStep] = []
    for node in nodes.values():
        if node.parent is None and (node.children or node.input_evaluation() is not None):
            steps += _steps(node)
    return [replace(step, speed=timed.get(step.sha256)) for step in steps]


def _tie(node: _Node, nodes: Mapping[str, _Node]) -> None:
    parent, tied_by = _parent_by_content(node, nodes), "content"
    if parent is None:
        parent, tied_by = _parent_by_specification(node, nodes), "specification"
    if parent is not None and node not in (parent, *parent.ancestors()):
        node.parent, node.tied_by = parent, tied_by
        parent.children.append(node)


def _parent_by_content(node: _Node, nodes: Mapping[str, _Node]) -> _Node | None:
    input_hashes = {artifact.sha256 for artifact in _inputs(node)}
    producers = [
        other
        for other in nodes.values()
        if other is not node and input_hashes & {artifact.sha256 for artifact in _outputs(other)}
    ]
    # Several runs may have written the same content: prefer the specified parent, then the latest.
    specified = [other for other in producers if other.detail.run.id in node.detail.run.parents]
    return (specified or producers)[-1] if producers else None


def _parent_by_specification(node: _Node, nodes: Mapping[str, _Node]) -> _Node | None:
    """Fall back to the parent in `spec.yaml` when file hashes are missing."""
    parents = [nodes[run_id] for run_id in node.detail.run.parents if run_id in nodes]
    parents = [other for other in parents if other.detail.run.stage != "shapes"]
    weights = str(node.detail.options.get("weights", ""))
    weights_parents = [other for other in parents if f"/{other.detail.run.id}/" in weights]
    for other in weights_parents or parents[-1:]:
        if not (list(_inputs(node)) and list(_outputs(other))):
            return other
    return None


def _inputs(node: _Node) -> Iterator[ArtifactView]:
    return (artifact for artifact in node.detail.artifacts if artifact.is_input and artifact.role not in _NO_MODEL)


def _outputs(node: _Node) -> Iterator[ArtifactView]:
    return (artifact for artifact in node.detail.artifacts if not artifact.is_input and artifact.role not in _NO_MODEL)


def _is_of_input(node: _Node, evaluation: EvaluationView) -> bool:
    weights = node.detail.options.get("weights")
    return bool(weights) and evaluation.weights == weights


def _steps(root: _Node) -> Iterator[ChainStep]:
    input_evaluation = root.input_evaluation()
    if input_evaluation is not None:
        yield _input_step(root, input_evaluation)
    yield from _below(root, 0 if input_evaluation is None else 1)


def _below(node: _Node, depth: int) -> Iterator[ChainStep]:
    yield _step(node, depth)
    for child in sorted(node.children, key=lambda child: _age(child.detail)):
        yield from _below(child, depth + 1)


def _input_step(root: _Node, evaluation: EvaluationView) -> ChainStep:
    """Return the step of an external input model, as the first run evaluated it."""
    run = root.detail.run
    return ChainStep(
        label=_input_label(evaluation),
        run_id=run.id,
        run_name=run.name,
        state=run.state,
        depth=0,
        metrics=evaluation.values,
        settings=evaluation.settings,
        backend=evaluation.backend or "",
        size_bytes=next((artifact.size_bytes for artifact in _inputs(root)), None),
        sha256=next((artifact.sha256 for artifact in _inputs(root)), ""),
        measured=measured_by(run.id, evaluation),
    )


def _step(node: _Node, depth: int) -> ChainStep:
    run, own, file = node.detail.run, node.own, _file(node)
    to_parent, why_not, parent_measured = _measured(node, node.parent)
    reference = next((ancestor for ancestor in node.ancestors() if ancestor.is_float), None)
    root = list(node.ancestors())[-1] if node.parent else node
    if reference is None and not node.is_float:
        to_float, why_not_float, float_measured = _measured_on_input(own, root)
    else:
        to_float, why_not_float, float_measured = _measured(node, reference)
    if node.parent is None:
        to_parent, why_not, parent_measured = _measured_on_input(own, node)
    return ChainStep(
        label=_label(node),
        run_id=run.id,
        run_name=run.name,
        state=run.state,
        depth=depth,
        parent=_parent_label(node),
        tied_by=node.tied_by,
        metrics=own.values if own else {},
        parent_metrics=to_parent,
        float_metrics=to_float,
        not_comparable=why_not,
        not_comparable_to_float=why_not_float,
        settings=own.settings if own else None,
        backend=(own.backend or "") if own else "",
        size_bytes=file.size_bytes if file else None,
        sha256=file.sha256 if file else "",
        seconds=run.seconds,
        measured=measured_by(run.id, own),
        parent_measured=parent_measured,
        float_measured=float_measured,
    )


def _measured(node: _Node, reference: _Node | None) -> _Reference:
    """Return the reference's metrics under this node's settings, or why there are none."""
    if node.own is None or reference is None:
        return {}, "", None
    reasons = []
    for evaluation, where in reference.evaluations():
        reason = disagreement(node.own, evaluation)
        if not reason:
            return evaluation.values, "", where
        reasons.append(reason)
    return {}, reasons[0] if reasons else "", None


def _measured_on_input(own: EvaluationView | None, root: _Node) -> _Reference:
    input_evaluation = root.input_evaluation()
    if own is None or input_evaluation is None:
        return {}, "", None
    reason = disagreement(own, input_evaluation)
    if reason:
        return {}, reason, None
    return input_evaluation.values, "", measured_by(root.detail.run.id, input_evaluation)


def _label(node: _Node) -> str:
    """Return the label of a step; that of a float model includes its activation."""
    stage = node.detail.run.stage
    if node.is_float:
        act = str(node.detail.options.get("act", "model"))
        names = {"relu": "ReLU", "silu": "SiLU", "relu6": "ReLU6", "leaky": "LeakyReLU"}
        return f"float {names[act]}" if act in names else "float"
    if node.own is not None and node.own.label:
        return node.own.label
    return _LABELS.get(stage, node.detail.run.name)


def _parent_label(node: _Node) -> str | None:
    if node.parent is not None:
        return _label(node.parent)
    input_evaluation = node.input_evaluation()
    return None if input_evaluation is None else _input_label(input_evaluation)


def _input_label(evaluation: EvaluationView) -> str:
    return f"{evaluation.label or 'float'} (given)"


def _file(node: _Node) -> ArtifactView | None:
    outputs = {artifact.role: artifact for artifact in _outputs(node)}
    return next((outputs[role] for role in _MODEL_ROLES if role in outputs), None)


def _age(detail: RunDetail) -> tuple[float, str]:
    return detail.run.created_at.timestamp(), detail.run.id
