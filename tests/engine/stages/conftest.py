"""The data set and the models that the tests of the stages share."""

from pathlib import Path

import pytest
import yaml

from engine.train.hyp import load_hyp
from tests.engine.stages.toy import (
    CALIBRATION_IMAGES,
    HYP,
    SIZE,
    TRAIN_IMAGES,
    TRAINING,
    VAL_IMAGES,
    Done,
    arguments,
    run_stage,
)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """A small drawn data set."""
    folder = tmp_path_factory.mktemp("toy") / "shapes"
    sizes = ("--train-images", TRAIN_IMAGES, "--val-images", VAL_IMAGES, "--image-size", SIZE)
    done = run_stage("shapes", folder, *sizes)
    assert done.code == 0, done.log
    return done


@pytest.fixture(scope="session")
def toy_data(drawn: Done) -> Path:
    """Its YAML."""
    return drawn.folder / "data" / "shapes.yaml"


@pytest.fixture(scope="session")
def training(toy_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The options of a short training on it."""
    hyp = tmp_path_factory.mktemp("hyp") / "hyp.yaml"
    hyp.write_text(yaml.safe_dump({**load_hyp("hyp.shapes.yaml"), **HYP}))
    return {**TRAINING, "--data": toy_data, "--hyp": hyp}


@pytest.fixture(scope="session")
def trained(training: dict[str, object], tmp_path_factory: pytest.TempPathFactory) -> Done:
    """A float model, trained without a disturbance."""
    folder = tmp_path_factory.mktemp("float") / "run"
    done = run_stage("retrain", folder, *arguments(training))
    assert done.code == 0, done.log
    return done


@pytest.fixture(scope="session")
def toy_float(trained: Done) -> Path:
    return trained.folder / "weights" / "best.pt"


@pytest.fixture(scope="session")
def calibration(toy_data: Path, toy_float: Path) -> list[object]:
    """The options of a calibration."""
    images = ("--calib-images", CALIBRATION_IMAGES)
    return ["--weights", toy_float, "--data", toy_data, "--img-size", SIZE, *images, "--workers", 0]


@pytest.fixture(scope="session")
def calibrated(calibration: list[object], tmp_path_factory: pytest.TempPathFactory) -> Done:
    """That model quantized by `mse`, the default."""
    folder = tmp_path_factory.mktemp("ptq") / "run"
    done = run_stage("ptq", folder, *calibration)
    assert done.code == 0, done.log
    return done


@pytest.fixture(scope="session")
def toy_ptq(calibrated: Done) -> Path:
    return calibrated.folder / "weights" / "ptq.pt"


@pytest.fixture(scope="session")
def exported(toy_ptq: Path, toy_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The quantized model as ONNX."""
    folder = tmp_path_factory.mktemp("export") / "run"
    done = run_stage("export", folder, "--weights", toy_ptq, "--data", toy_data, "--img-size", SIZE, "--workers", 0)
    assert done.code == 0, done.log
    return done


@pytest.fixture(scope="session")
def tuning(toy_ptq: Path, toy_data: Path) -> list[object]:
    """The options of a fine-tuning of two epochs."""
    return ["--weights", toy_ptq, "--data", toy_data, "--img-size", SIZE, "--epochs", 2, "--workers", 0]


@pytest.fixture(scope="session")
def tuned(tuning: list[object], tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The quantized model, fine-tuned."""
    done = run_stage("qat", tmp_path_factory.mktemp("qat") / "run", *tuning)
    assert done.code == 0, done.log
    return done
