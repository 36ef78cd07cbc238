"""`retrain`, run as its own process: what it prints, writes and gives back."""

import re
from pathlib import Path

import pytest
import torch
import yaml

from app.cli.main import build_parser
from engine.contracts.facts import CheckpointStripped, CocoLine, TrainingCompleted, TrainingStarted, ValidationRow
from engine.contracts.options.arguments import from_namespace, to_argv
from engine.contracts.options.retrain import RetrainOptions
from engine.contracts.result import Artifact
from engine.models.checkpoint import load_checkpoint, model_from_checkpoint
from engine.train.hyp import load_hyp
from tests.engine.stages.toy import EPOCHS, HYP, SIZE, VAL_IMAGES, Done, arguments, epochs_of, refusal, run_stage

ORIGINAL = """
--epochs 30 --workers 4 --device 0 --batch-size 12 --data data/coco.yaml --img 640 640
--cfg cfg/training/yolov7.yaml --weights yolov7.pt --hyp data/hyp.relu-tune.yaml
"""
"""A command line of the original's `train.py`; its `--name` is the run manager's."""


def test_the_lines_of_yolov7_are_printed(trained: Done) -> None:
    log = trained.log.replace("\r", "\n")
    assert log.count("     Epoch   gpu_mem       box       obj       cls     total    labels  img_size\n") == EPOCHS
    last = rf"     11/11        0G( +[\d.e-]+){{4}} +\d+ +{SIZE}: 100%\|██████████\| 12/12 \[.*it.*\]\n"
    assert re.search(last, log)
    # A slow machine redraws a full bar before it ends the line.
    titles = r" {15}Class      Images      Labels           P           R      mAP@\.5  mAP@\.5:\.95: 100%"
    assert len(re.findall(titles + r"\|[^\r\n]*\n", trained.log)) == EPOCHS + 2
    assert (
        len(re.findall(rf"^                 all          {VAL_IMAGES}          \d\d( +[\d.e-]+){{4}}$", log, re.M))
        == EPOCHS + 2
    )
    assert f"Starting training for {EPOCHS} epochs...\n" in log
    assert re.search(rf"^{EPOCHS} epochs completed in 0\.\d{{3}} hours\.$", log, re.M)
    for name in ("last.pt", "best.pt"):
        assert re.search(rf"^Optimizer stripped from {trained.folder}/weights/{name}, \d+\.\dMB$", log, re.M)


def test_the_run_manager_reads_its_log(trained: Done) -> None:
    facts = trained.facts
    epochs = epochs_of(facts)
    assert [(row.epoch, row.last_epoch) for row, _ in epochs] == [(n, EPOCHS - 1) for n in range(EPOCHS)]
    assert all(set(row.values) >= {"box", "obj", "cls", "total", "labels", "img_size"} for row, _ in epochs)
    assert TrainingStarted(EPOCHS) in facts
    assert [fact.epochs for fact in facts if isinstance(fact, TrainingCompleted)] == [EPOCHS]
    assert len([fact for fact in facts if isinstance(fact, CheckpointStripped)]) == 2
    finals = [fact for fact in facts if isinstance(fact, ValidationRow) and fact.epoch is None]
    assert [fact.weights for fact in finals if fact.class_name == "all"] == ["weights/last.pt", "weights/best.pt"]
    assert len([fact for fact in facts if isinstance(fact, CocoLine)]) == 2 * 12


def test_results_txt_has_a_row_per_epoch(trained: Done) -> None:
    rows = [line.split() for line in (trained.folder / "results.txt").read_text().splitlines()]
    for row, (trained_row, validated) in zip(rows, epochs_of(trained.facts), strict=True):
        assert len(row) == 8 + 7
        assert row[0] == f"{trained_row.epoch}/{EPOCHS - 1}"
        assert row[2:6] == [trained_row.values[name] for name in ("box", "obj", "cls", "total")]
        assert float(row[10]) == pytest.approx(float(validated.values["mAP@.5"]), rel=0.01, abs=1e-4)


@pytest.mark.parametrize("name", ["last", "best"])
def test_checkpoints_are_data_and_ready_to_use(name: str, trained: Done) -> None:
    path = trained.folder / "weights" / f"{name}.pt"
    data = torch.load(path, weights_only=True)
    assert data["optimizer"] is None
    assert "random" not in data["meta"]
    checkpoint = load_checkpoint(path)
    assert (checkpoint.epoch, checkpoint.act, checkpoint.meta["stage"]) == (-1, "relu", "retrain")
    assert not any(isinstance(module, torch.nn.SiLU) for module in model_from_checkpoint(checkpoint).modules())


def test_the_result_has_the_numbers_of_the_log(trained: Done, toy_data: Path) -> None:
    result = trained.result
    assert (result.stage, [a.role for a in result.artifacts]) == ("retrain", ["best", "last"])
    for artifact in result.artifacts:
        assert artifact == Artifact.of(artifact.role, trained.folder / artifact.path, trained.folder)
    assert [(a.role, a.path) for a in result.inputs] == [("data", str(toy_data))]
    last, best = result.evaluations
    assert (last.weights, best.weights, best.label, best.backend) == (
        "weights/last.pt", "weights/best.pt", "float", "pytorch",
    )  # fmt: skip
    assert best.settings.images == VAL_IMAGES
    printed = [f for f in trained.facts if isinstance(f, ValidationRow) and f.weights == "weights/best.pt"]
    for row in printed:
        numbers = best.metrics if row.class_name == "all" else best.per_class[row.class_name]
        for key, text in row.values.items():
            assert numbers[key] == pytest.approx(float(text), rel=0.01, abs=1e-4)
    assert len(printed) == 1 + len(best.per_class)
    # pycocotools interpolates and matches otherwise, but it is the same model on the same images.
    assert best.metrics["AP50"] == pytest.approx(best.metrics["mAP@.5"], abs=0.05)
    assert best.metrics["mAP@.5"] > 0.02
    epochs = trained.events("epoch")
    assert result.details["best_epoch"] == max(range(EPOCHS), key=lambda n: _fitness(epochs[n]))


def test_a_command_line_of_the_original_is_taken_as_it_is() -> None:
    parsed = build_parser().parse_args(["retrain", *ORIGINAL.split(), "--name", "yolov7"])
    options = from_namespace(RetrainOptions, parsed)
    assert parsed.name == "yolov7"
    assert " ".join(to_argv(options)) == (
        "--weights yolov7.pt --cfg cfg/training/yolov7.yaml --data data/coco.yaml --hyp data/hyp.relu-tune.yaml "
        "--epochs 30 --batch-size 12 --device 0 --workers 4"
    )


def test_a_command_line_of_the_original_falls_back_to_our_files(toy_data: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    drawn = yaml.safe_load(toy_data.read_text())
    (tmp_path / "data" / "coco.yaml").write_text(yaml.safe_dump({**drawn, "path": str(toy_data.parent)}))
    smaller = {"--width": 0.0625, "--epochs": 1, "--img": SIZE, "--workers": 0, "--device": "cpu", "--weights": ""}
    done = run_stage("retrain", tmp_path / "run", *ORIGINAL.split(), *arguments(smaller))
    assert done.code == 0, done.log
    assert "cfg/training/yolov7.yaml is not here: using our configs/models/yolov7.yaml" in done.log
    assert "data/hyp.relu-tune.yaml is not here: using our configs/hyp/hyp.relu-tune.yaml" in done.log
    assert "Overriding model.yaml nc=80 with nc=4" in done.log
    assert done.log.count("RepConv.fuse_repvgg_block") == 2 * 3
    (row, _), *more = epochs_of(done.facts)
    assert (row.epoch, row.last_epoch, more) == (0, 0, [])


def test_a_gpu_that_is_not_there_is_told(tmp_path: Path) -> None:
    message = refusal("retrain", tmp_path / "run", *ORIGINAL.split())
    assert message == (
        "--device 0: this machine has no CUDA device\n"
        "  Use --device cpu, or leave --device out to use what is available."
    )


def test_a_loss_that_is_not_finite_ends_with_exit_code_1(training: dict[str, object], tmp_path: Path) -> None:
    hyp = tmp_path / "wild.yaml"
    hyp.write_text(yaml.safe_dump({**load_hyp("hyp.shapes.yaml"), **HYP, "lr0": 1e30}))
    done = run_stage("retrain", tmp_path / "run", *arguments({**training, "--hyp": hyp}))
    assert done.code == 1
    message = r"^the loss is (nan|inf) in epoch \d, batch \d; checkpoints of earlier epochs are kept$"
    assert re.search(message, done.log, re.M)
    assert "Traceback" not in done.log


def _fitness(epoch: dict[str, object]) -> float:
    metrics = epoch["metrics"]
    assert isinstance(metrics, dict)
    return float(0.1 * metrics["mAP@.5"] + 0.9 * metrics["mAP@.5:.95"])
