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
    stage_once,
)
from tests.made_once import made_once


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """A small drawn data set."""
    sizes = ("--train-images", TRAIN_IMAGES, "--val-images", VAL_IMAGES, "--image-size", SIZE)
    return stage_once(tmp_path_factory, "shapes", "shapes", *sizes)


@pytest.fixture(scope="session")
def toy_data(drawn: Done) -> Path:
    """Its YAML."""
    return drawn.folder / "data" / "shapes.yaml"


@pytest.fixture(scope="session")
def training(toy_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The options of a short training on it."""

    def write(folder: Path) -> Path:
        hyp = folder / "hyp.yaml"
        hyp.write_text(yaml.safe_dump({**load_hyp("hyp.shapes.yaml"), **HYP}))
        return hyp

    return {**TRAINING, "--data": toy_data, "--hyp": made_once(tmp_path_factory, "hyp", write)}


@pytest.fixture(scope="session")
def trained(training: dict[str, object], tmp_path_factory: pytest.TempPathFactory) -> Done:
    """A float model, trained without a disturbance."""
    return stage_once(tmp_path_factory, "float", "retrain", *arguments(training))


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
    return stage_once(tmp_path_factory, "ptq", "ptq", *calibration)


@pytest.fixture(scope="session")
def toy_ptq(calibrated: Done) -> Path:
    return calibrated.folder / "weights" / "ptq.pt"


@pytest.fixture(scope="session")
def exported(toy_ptq: Path, toy_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The quantized model as ONNX."""
    given = ("--weights", toy_ptq, "--data", toy_data, "--img-size", SIZE, "--workers", 0)
    return stage_once(tmp_path_factory, "export", "export", *given)


@pytest.fixture(scope="session")
def tuning(toy_ptq: Path, toy_data: Path) -> list[object]:
    """The options of a fine-tuning of two epochs."""
    return ["--weights", toy_ptq, "--data", toy_data, "--img-size", SIZE, "--epochs", 2, "--workers", 0]


@pytest.fixture(scope="session")
def tuned(tuning: list[object], tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The quantized model, fine-tuned."""
    return stage_once(tmp_path_factory, "qat", "qat", *tuning)
