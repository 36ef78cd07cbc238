"""Rows that nothing has cut are read by one pattern. What they tell is what is read without it, whatever the line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.contracts.facts import ValidationRow
from engine.logs.dialects import titled_rows, whole_rows, yolov7
from engine.logs.lexer import tqdm_bars
from engine.logs.lexer.tokens import EpochBar
from tests.engine.logs.reading import FIXTURES
from tests.engine.logs.test_any_cut import Seen, seen
from tests.engine.logs.test_real_logs import FOLDER

CONSOLES = [
    path for path in sorted(FIXTURES.iterdir()) if not path.stem.startswith(("trtexec", "results_", "results."))
]
NEVER = r"(?!)()()()()()()"
COLUMNS = ("gpu_mem", "box", "obj", "labels", "img_size")
METRICS = ("P", "R", "mAP@.5", "mAP@.5:.95")
ROW = "  3/99   7.5G  0.05  nan  132  640: 100%|████| 38/38 [00:09<00:00,  3.88it/s]"


@contextmanager
def without_it() -> Iterator[None]:
    """The parsers as they are without the patterns of whole rows and whole bars."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(titled_rows, "read_whole", lambda *_: None)
        patch.setattr(yolov7, "read_whole", lambda *_: None)
        patch.setattr(tqdm_bars, "_WHOLE", tqdm_bars.re.compile(NEVER))
        yield


def both(data: bytes) -> tuple[Seen, Seen]:
    """What is read with the patterns, and without."""
    quick = seen([data])
    with without_it():
        return quick, seen([data])


@pytest.mark.parametrize("path", CONSOLES, ids=lambda path: path.name)
def test_fixtures(path: Path) -> None:
    quick, slow = both(path.read_bytes())
    assert quick == slow


@pytest.mark.parametrize("path", CONSOLES, ids=lambda path: path.name)
@settings(max_examples=40, deadline=None)
@given(
    damages=st.lists(st.tuples(st.floats(0, 1), st.text("0123456789.:|/%[]<,eGnai \r\n█-", max_size=3)), max_size=40)
)
def test_damaged_fixtures(path: Path, damages: list[tuple[float, str]]) -> None:
    data = bytearray(path.read_bytes()[:15_000])
    for place, garbage in damages:
        at = round(place * len(data))
        data[at : at + len(garbage.encode())] = garbage.encode()
    quick, slow = both(bytes(data))
    assert quick == slow


@pytest.mark.parametrize("name", ["yolov7-tiny-nohup.out", "yolov5-nohup.out", "yolov9-colab-100ep.txt"])
def test_real_logs(name: str) -> None:
    if not (FOLDER / name).exists():
        pytest.skip(f"the real log {name} is absent")
    quick, slow = both((FOLDER / name).read_bytes()[-800_000:])
    assert quick == slow


def test_what_is_a_whole_row() -> None:
    row = whole_rows.read_whole(ROW, COLUMNS, METRICS)
    assert isinstance(row, EpochBar)
    assert (row.epoch, row.last_epoch, list(row.values.values())) == (3, 99, ["7.5G", "0.05", "nan", "132", "640"])
    assert row.bar is not None
    assert (row.bar.done, row.bar.total, row.bar.elapsed_seconds, row.bar.rate) == (38, 38, 9.0, "3.88it/s")
    rated = whole_rows.read_whole("   all  128  929  0.5  0.4  0.3  2e-05 ", COLUMNS, METRICS)
    assert rated == ValidationRow("all", 128, 929, dict(zip(METRICS, ("0.5", "0.4", "0.3", "2e-05"), strict=True)))


@pytest.mark.parametrize(
    "line",
    [
        ROW.replace("nan", "na"),
        ROW.replace("132", "1.5"),
        ROW.replace("7.5G", "7.5"),
        ROW.replace("  640", ""),
        ROW.replace("640", "640  1"),
        ROW.removesuffix("]"),
        ROW + " all 1 2 0.1 0.2 0.3 0.4",
        "train: " + ROW,
        "all  128  929  0.5  0.4  0.3",
        "all  128  929  0.5  0.4  0.3  0.2  0.1",
        "cat  128  929  0.5  0.4  0.3  0.2",
        "all  128  929.5  0.5  0.4  0.3  0.2",
    ],
)
def test_what_is_none(line: str) -> None:
    assert whole_rows.read_whole(line, COLUMNS, METRICS) is None
    assert whole_rows.read_whole(ROW, None, METRICS) is None


def test_titles_that_are_repeated_count_each_time(tmp_path: Path) -> None:
    """The same titles above a traceback, within it and behind it: only those within it belong to it."""
    titles = b"     Epoch   gpu_mem       box       obj       cls     total    labels  img_size\n"
    facts, lines, not_understood, _ = seen([titles * 3 + b"Traceback (most recent call last):\n" + titles + b"E: x\n"])
    assert (lines, not_understood) == (6, 0)
    assert facts[-1].traceback.splitlines()[1] == titles.decode().rstrip()  # type: ignore[union-attr]
