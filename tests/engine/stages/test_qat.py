"""`qat`, run as its own process on real files."""

import re
from pathlib import Path

import pytest
import torch

from engine.contracts.facts import CheckpointStripped, CocoLine, ValidationRow
from engine.data.config import load_data_config
from engine.data.loader import val_loader
from engine.evaluate.predictors import TorchPredictor
from engine.evaluate.validate import validate
from engine.models.checkpoint import load_checkpoint
from engine.quant.finetuning.finetune import make_trainable
from engine.quant.state import QuantSpec, load_quantized
from tests.conftest import REPOSITORY
from tests.engine.stages.toy import SIZE, Done, epochs_of, refusal, run_stage


def test_each_epoch_is_evaluated(tuned: Done) -> None:
    epochs = epochs_of(tuned.facts)
    assert [(row.epoch, row.last_epoch) for row, _ in epochs] == [(0, 1), (1, 1)]
    assert [set(event["metrics"]) >= {"P", "R", "mAP@.5", "mAP@.5:.95"} for event in tuned.events("epoch")] == [
        True
    ] * 2  # type: ignore[call-overload]
    assert "2 epochs completed in" in tuned.log
    assert len([fact for fact in tuned.facts if isinstance(fact, CheckpointStripped)]) == 2


def test_ptq_and_the_kept_model_are_evaluated_alike(tuned: Done, calibrated: Done) -> None:
    ptq, qat = tuned.result.evaluations
    assert (ptq.label, qat.label, qat.weights) == ("PTQ", "QAT", "weights/best.pt")
    assert ptq.settings == qat.settings == calibrated.result.evaluations[-1].settings
    assert abs(ptq.metrics["mAP@.5"] - calibrated.result.evaluations[-1].metrics["mAP@.5"]) < 1e-6
    finals = [fact for fact in tuned.facts if isinstance(fact, ValidationRow) and fact.epoch is None]
    assert [(f.label, f.weights) for f in finals if f.class_name == "all"][-1] == ("QAT", "weights/best.pt")
    assert len([fact for fact in tuned.facts if isinstance(fact, CocoLine)]) == 12


def test_the_best_of_ptq_and_qat_is_kept(tuned: Done) -> None:
    details = tuned.result.details
    fitness = {-1: details["ptq_fitness"]} | {n: fitness_of(event) for n, event in enumerate(tuned.events("epoch"))}
    best = max(fitness, key=lambda n: fitness[n])  # type: ignore[arg-type,return-value]
    assert details["best_epoch"] == best
    assert details["kept"] == ("PTQ" if best < 0 else "QAT")
    assert f"Keeping the {details['kept']} weights" in tuned.log


def test_the_checkpoints_are_quantized_and_fine_tuned(tuned: Done, toy_ptq: Path) -> None:
    before = load_checkpoint(toy_ptq)
    for name in ("last", "best"):
        path = tuned.folder / "weights" / f"{name}.pt"
        torch.load(path, weights_only=True)
        after = load_checkpoint(path)
        assert after.optimizer is None
        assert after.quant is not None
        assert QuantSpec.from_plain(after.quant) == QuantSpec.from_plain(before.quant or {})
        load_quantized(after)
    last = load_checkpoint(tuned.folder / "weights" / "last.pt")
    changed = [key for key, value in before.state.items() if not torch.equal(value, last.state[key])]
    assert len([key for key in changed if key.endswith("weight")]) > 40


@pytest.mark.slow
def test_worse_epochs_are_not_kept_and_the_log_says_so(tuning: list[object], toy_ptq: Path, tmp_path: Path) -> None:
    done = run_stage("qat", tmp_path / "run", *tuning, "--lr0", 0.05)
    assert done.code == 0, done.log
    fitness = done.result.details["ptq_fitness"]
    assert all(fitness_of(event) < fitness for event in done.events("epoch"))  # type: ignore[operator]
    assert f"Keeping the PTQ weights: no epoch of fine-tuning is better than their fitness {fitness:.4f}." in done.log
    assert (done.result.details["kept"], done.result.details["best_epoch"]) == ("PTQ", -1)
    kept, ptq = (load_checkpoint(path).state for path in (tmp_path / "run/weights/best.pt", toy_ptq))
    assert all(torch.equal(kept[name], value) for name, value in ptq.items())
    before, after = done.result.evaluations
    assert before.metrics["mAP@.5:.95"] == after.metrics["mAP@.5:.95"]


@pytest.mark.slow
def test_better_epochs_are_kept_and_ranges_learn_where_asked(
    calibration: list[object], tuning: list[object], tmp_path: Path
) -> None:
    low = run_stage("ptq", tmp_path / "ptq", *calibration, "--bits", 4, "--weight-bits", 4, "--notest")
    assert low.code == 0, low.log
    weights = tmp_path / "ptq/weights/ptq.pt"
    hyp = tmp_path / "hyp.yaml"  # a rate at which so small a training gets better on any CPU
    lowbit = (REPOSITORY / "configs" / "hyp" / "hyp.qat-lowbit.yaml").read_text()
    hyp.write_text(re.sub("^lr0: [0-9.]+", "lr0: 0.01", lowbit, flags=re.MULTILINE))
    options = [*tuning, "--weights", weights, "--hyp", hyp, "--batch-size", 8, "--lsq", "--ema", 0.8, "--epochs", 8]
    done = run_stage("qat", tmp_path / "run", *options)
    assert done.code == 0, done.log
    ptq, qat = (evaluation.metrics["mAP@.5"] for evaluation in done.result.evaluations)
    assert qat > ptq
    assert done.result.details["kept"] == "QAT"
    best = done.result.details["best_epoch"]
    assert f"Keeping the QAT weights of epoch {best}: fitness {done.result.details['best_fitness']:.4f}" in done.log
    before, kept = (load_checkpoint(path) for path in (weights, tmp_path / "run/weights/best.pt"))
    ranges = [name for name in kept.state if name.endswith("_amax")]
    assert sum(not torch.equal(kept.state[name], before.state[name]) for name in ranges) > 0.9 * len(ranges)
    assert before.state.keys() == kept.state.keys()
    load_quantized(kept)


@pytest.mark.slow
def test_nvidias_schedule_needs_no_labels_and_has_its_rates(tuning: list[object], tmp_path: Path) -> None:
    done = run_stage("qat", tmp_path / "run", *tuning, "--preset", "nvidia", "--epochs", 3, "--max-batches", 1)
    assert done.code == 0, done.log
    rates = [rate for event in done.events("epoch") for rate in event["lr"]]  # type: ignore[attr-defined]
    assert rates == pytest.approx([1e-6] * 3 + [1e-5] * 6)
    rows = [row for row, _ in epochs_of(done.facts)]
    assert [float(row.values[name]) for row in rows for name in ("box", "obj", "cls")] == [0.0] * 9
    assert all(float(row.values["total"]) > 0 for row in rows)
    assert done.result.details["preset"] == "nvidia"
    message = refusal("qat", tmp_path / "other", *tuning, "--preset", "nvidia", "--lsq")
    assert message.startswith("--preset nvidia takes neither --lsq nor --ema")


def test_an_evaluation_leaves_every_bit_and_the_training_mode(toy_ptq: Path, toy_data: Path) -> None:
    model = load_quantized(load_checkpoint(toy_ptq))
    make_trainable(model)
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    data = load_data_config(toy_data)
    loader = val_loader(data, "val", SIZE, 8, letterbox="square", workers=0)
    first, second = (validate(TorchPredictor(model), loader, data, printer=lambda line: None) for _ in range(2))
    assert first.map > 0
    assert first.metrics() == second.metrics()
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(value.dtype == before[name].dtype and torch.equal(value, before[name]) for name, value in after.items())
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.slow
def test_averaged_weights_are_what_is_evaluated_and_kept(tuning: list[object], toy_ptq: Path, tmp_path: Path) -> None:
    done = run_stage("qat", tmp_path / "run", *tuning, "--ema", 0.9, "--lr0", 1e-4)
    assert done.code == 0, done.log
    assert "ema_decay=0.9, ema_ramp=10" in done.log
    ptq, last = (load_checkpoint(path).state for path in (toy_ptq, tmp_path / "run/weights/last.pt"))
    for name, value in ptq.items():
        if name.endswith("_amax"):
            assert torch.equal(value, last[name]), f"{name} is frozen, and an average of it is itself"
    assert not torch.equal(ptq["model.5.conv.weight"], last["model.5.conv.weight"])


def test_float_weights_are_refused(toy_float: Path, toy_data: Path, tmp_path: Path) -> None:
    message = refusal("qat", tmp_path / "run", "--weights", toy_float, "--data", toy_data, "--img-size", SIZE)
    assert message == f"{toy_float}: this checkpoint holds a float model\n  Run `ptq` on it and give its ptq.pt."


def fitness_of(event: dict[str, object]) -> float:
    metrics = event["metrics"]
    assert isinstance(metrics, dict)
    return float(0.1 * metrics["mAP@.5"] + 0.9 * metrics["mAP@.5:.95"])
