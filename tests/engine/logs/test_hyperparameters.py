"""The options that trainers leave in a run's folder: plain values, whatever the file would like to be."""

import itertools
import time
from pathlib import Path

import pytest

from engine.contracts.errors import YoloqatError
from engine.logs.results.option_files import MOST_BYTES, parse_hyperparameters, read_hyperparameters

OPT = """\
weights: yolov7.pt
cfg: cfg/training/yolov7.yaml
data: data/coco.yaml
epochs: 30
img_size:
- 640
- 640
resume: false
name: exp
save_dir: !!python/object/apply:pathlib.PosixPath
- runs
- train
- exp
device: '0'
local_rank: -1
"""
HYP = "lr0: 0.01\nlrf: 0.1\nmomentum: 0.937\nweight_decay: 0.0005\nanchor_t: 4.0\n"
ARGS = """\
task: detect
mode: train
model: yolov8n.pt
data: coco8.yaml
epochs: 100
time: null
lr0: 0.01
momentum: 0.937
weight_decay: 0.0005
tracker: botsort.yaml
save_dir: runs/detect/train
"""
NEST = "abcdefghi"


@pytest.mark.parametrize(
    ("text", "kind", "key", "value"),
    [
        (OPT, "opt.yaml", "img_size", [640, 640]),
        (OPT, "opt.yaml", "device", "0"),
        (OPT, "opt.yaml", "save_dir", "runs/train/exp"),
        (HYP, "hyp.yaml", "weight_decay", 0.0005),
        (ARGS, "args.yaml", "time", None),
        ("data_path: coco.yaml\nconf_file: configs/yolov6n.py\nepochs: 400\n", "args.yaml", "epochs", 400),
    ],
)
def test_what_it_is_and_what_it_says(tmp_path: Path, text: str, kind: str, key: str, value: object) -> None:
    path = tmp_path / "any name.yaml"
    path.write_text(text)
    found = read_hyperparameters(path)
    assert found.kind == kind
    assert found.values[key] == value


@pytest.mark.parametrize(
    "call",
    ["object/apply:os.system", "object/new:os.system", "object/apply:builtins.exec", "object/apply:subprocess.run"],
)
def test_nothing_in_it_is_run(tmp_path: Path, call: str) -> None:
    mark = tmp_path / "ran"
    found = parse_hyperparameters(f"{HYP}bad: !!python/{call} ['touch {mark}']\n".encode(), "hyp.yaml")
    assert found.values["bad"] == [f"touch {mark}"]
    assert not mark.exists()


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (".nan", "nan"),
        ("-.inf", "-inf"),
        ("2026-11-23", "2026-11-23"),
        ("2026-99-99", "2026-99-99"),
        ("!!python/name:os.system ''", ""),
        ("!!binary aGVsbG8=", "aGVsbG8="),
        ("!odd {a: 1}", {"a": 1}),
        ("!!set {a, b}", ["a", "b"]),
        ("!!python/tuple [1, 2]", [1, 2]),
        ('"\\e[31mred\\a"', "red"),
        ('"a\\nb"', "a b"),
        ('"\\ud800"', "?"),
        ("99999999999999999999", "0x56bc75e2d630fffff"),
    ],
)
def test_values_that_a_database_and_a_terminal_can_hold(written: str, value: object) -> None:
    assert parse_hyperparameters(f"{HYP}odd: {written}\n".encode(), "hyp.yaml").values["odd"] == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- 1\n",
        "names: [cat, dog]\nnc: 2\ntrain: images\n",
        "a: [",
        "a: !!int x",
        "a: &a [*a]",
        "[" * 5000,
        "\x00",
        "x: " + "1" * 5000,
        HYP + "a: " + "x" * MOST_BYTES,
        HYP
        + "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"{two}: &{two} [{', '.join([f'*{one}'] * 10)}]\n" for one, two in itertools.pairwise(NEST)),
        HYP + "a: &a {x: 1, y: 2}\n" + "l: [" + "*a, " * 5000 + "]\n",
        HYP + f"l: &l {'x' * 100_000}\nm: [" + "*l, " * 9000 + "]\n",
    ],
    ids=lambda text: text[-12:],
)
def test_what_is_no_such_file_is_refused_at_once(text: str) -> None:
    began = time.process_time()
    with pytest.raises(YoloqatError) as caught:
        parse_hyperparameters(text.encode(), "opt.yaml")
    assert str(caught.value).startswith("opt.yaml")
    assert time.process_time() - began < 10


def test_merges_are_no_more_than_a_key() -> None:
    merged = "".join(f"{two}: &{two} {{<<: [*{one}, *{one}]}}\n" for one, two in itertools.pairwise(NEST))
    found = parse_hyperparameters(f"{HYP}a: &a {{x: 1}}\n{merged}".encode(), "hyp.yaml")
    assert found.values["b"] == {"<<": [{"x": 1}, {"x": 1}]}


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(YoloqatError, match="No such file"):
        read_hyperparameters(tmp_path / "opt.yaml")
