"""`sensitivity`: rank convolutions by what quantizing them costs, and plan which to leave float under a budget."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from engine.console.say import say
from engine.contracts.errors import YoloqatError
from engine.contracts.events import emit
from engine.contracts.options.sensitivity import SensitivityOptions
from engine.contracts.result import StageResult
from engine.data.config import DataConfig, load_data_config
from engine.data.loader import val_loader
from engine.data.network_input import to_network
from engine.evaluate.predictors import TorchPredictor
from engine.evaluate.validate import validate
from engine.models.checkpoint import load_checkpoint
from engine.models.yolo import YoloModel
from engine.quant.head_error import HeadError
from engine.quant.quantizer import set_quantization
from engine.quant.sensitivity import Plan, Sensitivity, measure_by_score, measure_sensitivity, multiply_adds, plan_float
from engine.quant.state import QuantSpec, load_quantized
from engine.stages.session import Session

ROWS_PRINTED = 20
ROWS_IN_EVENT = 200


def run(options: SensitivityOptions, session: Session) -> StageResult:
    """Rank the convolutions of `weights`, and write `policy.txt` for `ptq --keep-float @policy.txt`."""
    device = session.device(options.device)
    checkpoint = load_checkpoint(options.weights)
    if checkpoint.quant is None:
        raise YoloqatError("these weights are float", where=options.weights, hint="Give a checkpoint of `ptq`.")
    session.add_input("weights", options.weights)
    data = load_data_config(options.data)
    session.add_input("data", data.path)
    spec = QuantSpec.from_plain(checkpoint.quant)
    model = load_quantized(checkpoint).requires_grad_(False).to(device)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    batches = _training_images(options, data, model, device)
    error = HeadError(model, batches)
    scorer = _Scorer(options, data, model)
    rows = (
        measure_sensitivity(model, error, batches[0][:1])
        if options.method == "output"
        else measure_by_score(model, scorer, batches[0][:1])
    )
    _report_rows(options.method, rows)
    emit("sensitivity", method=options.method, rows=[asdict(row) for row in rows[:ROWS_IN_EVENT]])
    steps = plan_float(
        model,
        spec.classes,
        rows,
        error,
        accept=_acceptance(options, error(model), scorer),
        least_int8=options.min_int8,
        total=sum(multiply_adds(model, batches[0][:1]).values()),
    )
    plan = steps[-1]
    path = session.run_dir / "policy.txt"
    _write_policy(path, [*spec.patterns], plan, options.weights)
    _report_plan(steps, path)
    emit("plan", floating=list(plan.floating), error=plan.error, int8_share=plan.int8_share)
    return session.finish(
        {"policy": path},
        details={
            "method": options.method,
            "sensitivity": [asdict(row) for row in rows],
            "plan": [asdict(step) for step in steps],
        },
    )


@dataclass
class _Scorer:
    """Measures mAP@.5:.95 of the model in points, with its quantizers as currently enabled."""

    options: SensitivityOptions
    data: DataConfig
    model: YoloModel

    def __call__(self) -> float:
        o = self.options
        loader = val_loader(
            self.data, "val", o.img_size, o.batch_size, letterbox=o.letterbox, workers=o.workers,
            stride=int(self.model.stride.max()),
        )  # fmt: skip
        validation = validate(
            TorchPredictor(self.model),
            loader,
            self.data,
            conf_thres=o.conf_thres,
            iou_thres=o.iou_thres,
            printer=lambda line: None,
        )
        return 100 * validation.map

    def in_float(self) -> float:
        """Measure with every quantizer disabled."""
        set_quantization(self.model, False)
        try:
            return self()
        finally:
            set_quantization(self.model, True)


def _training_images(
    options: SensitivityOptions, data: DataConfig, model: YoloModel, device: torch.device
) -> list[Tensor]:
    loader = val_loader(
        data,
        "train",
        options.img_size,
        options.batch_size,
        letterbox=options.letterbox,
        workers=options.workers,
        stride=int(model.stride.max()),
        limit=options.images,
    )
    return [to_network(batch[0], device) for batch in loader]


def _acceptance(options: SensitivityOptions, start: float, scorer: _Scorer) -> Callable[[float], bool]:
    """Return the test that ends the search: by mAP with `--max-drop`, else by the head's error."""
    if not options.max_drop:
        return lambda error: error <= start * options.error_share
    least_map = scorer.in_float() - options.max_drop
    return lambda _: scorer() >= least_map


def _write_policy(path: Path, patterns: Sequence[str], plan: Plan, weights: str) -> None:
    lines = [f"# Left float by `yoloqat sensitivity --weights {weights}`", *patterns]
    lines += ["^" + name.replace(".", r"\.") + "$" for name in plan.floating]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _report_rows(method: str, rows: Sequence[Sensitivity]) -> None:
    unit = "the head's error, alone in int8" if method == "output" else "points won back, alone in float"
    say(f"Sensitivity of {len(rows)} convolutions ({unit}):")
    for row in rows[:ROWS_PRINTED]:
        say(f"  {row.name:<28} {row.error:10.4g} {row.multiply_adds / 1e6:10.2f} M multiply-adds")


def _report_plan(steps: Sequence[Plan], path: Path) -> None:
    first, last = steps[0], steps[-1]
    say(
        f"Plan: {len(last.floating)} convolutions float, {last.int8_share:.1%} of the multiply-adds in int8; "
        f"the head's error {first.error:.4g} -> {last.error:.4g}\n"
        f"Written to {path}: yoloqat ptq --keep-float @{path} …"
    )
