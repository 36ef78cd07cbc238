"""Whatever a log is in, its bytes are the same."""

import bz2
import contextlib
import gzip
import json
import lzma
import random
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from engine.contracts.errors import YoloqatError
from engine.logs.containers.file_kinds import kind_of
from engine.logs.containers.open_contents import open_contents

LOG = "".join(f"   {epoch}/9   1.2G   0.0{epoch}\rline {epoch} ✓\n" for epoch in range(10))


def notebook(text: str) -> bytes:
    output = {"output_type": "stream", "name": "stdout", "text": text.splitlines(keepends=True)}
    error = {"output_type": "error", "ename": "E", "evalue": "", "traceback": []}
    cells = [{"cell_type": "markdown", "source": ["x"]}, {"cell_type": "code", "outputs": [output, error]}]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}, indent=1).encode()


def cast(text: str) -> bytes:
    events = [[at / 10, "o", text[at : at + 7]] for at in range(0, len(text), 7)]
    events.insert(3, [0.2, "i", "typed"])
    return b"\n".join(json.dumps(line).encode() for line in [{"version": 2, "width": 80, "height": 24}, *events])


def docker(text: str) -> bytes:
    lines = [
        {"log": line, "stream": "stderr", "time": "2024-01-02T03:04:05Z"} for line in text.splitlines(keepends=True)
    ]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


FORMS: dict[str, Callable[[str], bytes]] = {
    "gzip": lambda text: gzip.compress(text.encode()),
    "xz": lambda text: lzma.compress(text.encode()),
    "bzip2": lambda text: bz2.compress(text.encode()),
    "utf-16-le": lambda text: b"\xff\xfe" + text.encode("utf-16-le"),
    "utf-16-be": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "utf-8-sig": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "asciinema": cast,
    "docker json": docker,
}


def contents(path: Path) -> tuple[bytes, list[str], bool]:
    with open_contents(path) as opened:
        return opened.file.read(), opened.containers, opened.is_cut


@pytest.mark.parametrize("name", FORMS)
def test_a_log_in_a_container_is_the_log(tmp_path: Path, name: str) -> None:
    path = tmp_path / "log"
    path.write_bytes(FORMS[name](LOG))
    assert contents(path) == (LOG.encode(), [name], False)


def test_utf_16_without_a_mark_is_seen_by_its_zeros(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes("plain ascii text\n".encode("utf-16-le"))
    assert contents(tmp_path / "log") == (b"plain ascii text\n", ["utf-16-le"], False)


def test_the_streams_of_a_notebook_are_its_log(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(notebook(LOG))
    text, containers, _ = contents(tmp_path / "log")
    assert text.strip() == LOG.encode().strip()
    assert containers == ["notebook"]


def test_containers_in_containers(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(gzip.compress(FORMS["utf-16-le"](LOG)))
    assert contents(tmp_path / "log") == (LOG.encode(), ["gzip", "utf-16-le"], False)


def test_a_plain_log_is_read_as_it_is(tmp_path: Path) -> None:
    for data in (LOG.encode(), b"", b"{not json", b'{"a": 1}\n', bytes(range(256))):
        (tmp_path / "log").write_bytes(data)
        assert contents(tmp_path / "log") == (data, [], False)


@pytest.mark.parametrize("name", ["gzip", "xz", "bzip2"])
def test_of_a_container_that_is_cut_off_the_beginning_is_read(tmp_path: Path, name: str) -> None:
    text = "".join(f"{random.Random(n).random()}\n" for n in range(200_000))
    whole = FORMS[name](text)
    (tmp_path / "log").write_bytes(whole[: len(whole) // 2])
    read, containers, is_cut = contents(tmp_path / "log")
    assert 0 < len(read) < len(text)
    assert text.encode().startswith(read)
    assert (containers, is_cut) == ([name], True)


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(gzip.compress(bytes(300 << 20), 9))
    with pytest.raises(YoloqatError, match="expands to more than 256 MB"):
        contents(tmp_path / "log")


def test_zstd_names_its_package(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"\x28\xb5\x2f\xfd" + b"\0" * 20)
    with mock.patch.dict(sys.modules, {"zstandard": None}), pytest.raises(YoloqatError, match="zstd") as raised:
        contents(tmp_path / "log")
    assert "pip install zstandard" in (raised.value.hint or "")


@pytest.mark.parametrize("seed", range(30))
def test_no_damage_raises_anything_else(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    data = bytearray(draw.choice(list(FORMS.values()))(LOG))
    for _ in range(draw.randint(1, 20)):
        data[draw.randrange(len(data))] = draw.randrange(256)
    (tmp_path / "log").write_bytes(data[: draw.randint(1, len(data))])
    with contextlib.suppress(YoloqatError):
        contents(tmp_path / "log")


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"PK\x03\x04" + bytes(26) + b"model.txt", "a zip archive"),
        (b"PK\x03\x04" + bytes(26) + b"archive/data.pkl", "a PyTorch checkpoint"),
        (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
        (b"SQLite format 3\x00", "an SQLite database"),
        (bytes(257) + b"ustar", "a tar archive"),
        (b"text", ""),
        (b"", ""),
    ],
)
def test_what_holds_no_log_says_what_it_is(head: bytes, kind: str) -> None:
    assert kind_of(head) == kind
