"""Options in a line of a log, as the trainers print them: every one of them, as a plain value."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.contracts.facts import Note
from engine.logs.printed_options import KINDS, told_options
from tests.engine.logs.printed import only, read
from tests.engine.logs.test_real_logs import FOLDER

NAMESPACE = (
    "Namespace(weights='yolov7.pt', img_size=[640, 640], device='0,1', evolve=False, name='it\\'s, a=b', local_rank=-1,"
    " freeze=[0], resume=None, save_dir=PosixPath('runs/train/exp'), lr=1e-05, project='c:\\\\data')"
)
VALUES = {
    "weights": "yolov7.pt",
    "img_size": [640, 640],
    "device": "0,1",
    "evolve": False,
    "name": "it's, a=b",
    "local_rank": -1,
    "freeze": [0],
    "resume": None,
    "save_dir": "runs/train/exp",
    "lr": 1e-05,
    "project": "c:\\data",
}


@pytest.mark.parametrize("begin", ["", "training args are: "])
def test_a_namespace(begin: str) -> None:
    assert told_options(begin + NAMESPACE) == VALUES
    assert [type(value) for value in told_options(NAMESPACE).values()] == [type(value) for value in VALUES.values()]


def test_a_namespace_that_is_cut_lacks_its_last_option() -> None:
    cut = told_options(NAMESPACE[: NAMESPACE.index("evolve") + 9])
    assert cut == {name: VALUES[name] for name in ("weights", "img_size", "device")}


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("train: weights=, cfg=a b.yaml, epochs=3", {"weights": "", "cfg": "a b.yaml", "epochs": 3}),
        (
            "engine/trainer: task=detect, save_dir=d:\\runs\\a, lr0=0.01",
            {"task": "detect", "save_dir": "d:\\runs\\a", "lr0": 0.01},
        ),
        ("engine\\trainer: amp=True, classes=None", {"amp": True, "classes": None}),
        ("val: weights=['a.pt', 'b.pt'], half=True", {"weights": ["a.pt", "b.pt"], "half": True}),
        (
            "hyperparameters: lr0=0.01, momentum=.9, x=nan, y=1e999",
            {"lr0": 0.01, "momentum": 0.9, "x": "nan", "y": "1e999"},
        ),
        ("train: seed=123456789012345678901", {"seed": "123456789012345678901"}),
    ],
)
def test_other_lines(line: str, values: dict[str, object]) -> None:
    assert told_options(line) == values


@pytest.mark.parametrize("line", ["", "Epoch gpu_mem", "train: Scanning labels... a=b", "lr0=0.01, x=1", "Namespace()"])
def test_lines_that_tell_none(line: str) -> None:
    assert told_options(line) == {}


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300), st.sampled_from(["Namespace(", "train: a=", "hyperparameters: b=[", "Namespace(a='"]))
def test_any_text(text: str, begin: str) -> None:
    assert len(told_options(begin + text)) <= 500
    assert len(told_options((begin + text) * 50)) <= 500


def test_every_real_log() -> None:
    """A log's line of options has as many of them as equals signs."""
    if not FOLDER.is_dir():
        pytest.skip("the folder of real logs is absent")
    counts = 0
    for path in FOLDER.glob("[uy]*.[tlo]*"):
        for note in only(Note, read(path.read_bytes())):
            if note.kind in KINDS:
                assert len(told_options(note.text)) == note.text.count("="), path.name
                counts += 1
    assert counts == 26
