"""YAML of strangers is read within limits; what people write is read as ever."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from engine.contracts.bounded_yaml import load_yaml
from engine.contracts.errors import YoloqatError
from engine.contracts.spec import RunSpec
from engine.data.config import load_data_config
from engine.logs.results.option_files import read_hyperparameters
from engine.models.config import load_model_config
from engine.pipelines.file import read_pipeline
from engine.train.hyp import load_hyp

BOMB = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
)
MERGES = "\n".join(["m0: &m0 {a: 1}"] + [f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 9)}]}}" for n in range(1, 9)])
DEEP = "[" * 50_000
READERS: tuple[Callable[[Path], object], ...] = (
    RunSpec.read,
    load_data_config,
    load_hyp,
    load_model_config,
    read_pipeline,
    read_hyperparameters,
)


@pytest.mark.parametrize("text", [BOMB, MERGES, DEEP], ids=["aliases", "merges", "deep"])
@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__qualname__)
def test_no_reader_is_held_up_by_a_bomb(read: Callable[[Path], object], text: str, tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(text)
    began = time.process_time()
    with pytest.raises(YoloqatError) as raised:
        read(path)
    assert time.process_time() - began < 5
    assert len(str(raised.value)) < 2000


def test_a_fifo_is_no_file_of_options(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "file.yaml")
    for read in READERS:
        with pytest.raises(YoloqatError):
            read(tmp_path / "file.yaml")


def test_aliases_and_merges_that_people_write_are_read() -> None:
    text = "base: &base {lr0: 0.01, names: &names [a, b]}\nother: {<<: *base, names: *names}\n"
    assert load_yaml(text) == yaml.safe_load(text)
