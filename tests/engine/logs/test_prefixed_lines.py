"""Whatever stands before every line is learned from the lines, and the rest is the log."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.logs.containers.open_contents import open_contents
from engine.logs.containers.prefixed_lines import find_prefix
from tests.engine.logs.test_cut_rows import ultralytics, yolov5, yolov7

LEVELS = ("INFO", "INFO", "INFO", "WARNING")


def clock(number: int, pattern: str) -> str:
    hour, minute, second = 12 + number // 3600, number // 60 % 60, number % 60
    return pattern.format(h=hour, m=minute, s=second, n=number, u=(number * 7919) % 1000)


SHAPES: dict[str, Callable[[int, random.Random], str]] = {
    "kubectl": lambda n, draw: "[pod/train-7d9f8b6c5-x2x9z/main] ",
    "kubectl with times": lambda n, draw: clock(n, "2024-05-01T{h:02}:{m:02}:{s:02}.{u:03}456789Z "),
    "compose": lambda n, draw: "trainer-1  | ",
    "journalctl": lambda n, draw: clock(n, "May 01 {h:02}:{m:02}:{s:02} gpubox python[812]: "),
    "ts": lambda n, draw: clock(n, "May 01 {h:02}:{m:02}:{s:02} "),
    "ts in seconds": lambda n, draw: clock(n, "{n}.{u:03} "),
    "logging": lambda n, draw: clock(n, "2024-05-01 {h:02}:{m:02}:{s:02},{u:03} ") + f"- {draw.choice(LEVELS)} - ",
    "logging with names": lambda n, draw: f"{draw.choice(LEVELS)}:train:",
    "loguru": lambda n, draw: clock(n, "2024-05-01 {h:02}:{m:02}:{s:02}.{u:03} | INFO     | train:main:{n} - "),
    "GitHub Actions": lambda n, draw: clock(n, "2024-05-01T{h:02}:{m:02}:{s:02}.{u:03}4567Z "),
    "two ranks": lambda n, draw: f"[rank{draw.randint(0, 1)}]: ",
    "two pods": lambda n, draw: f"[pod/train-{draw.choice(('a1b2', 'c3d4'))}/main] ",
    "quoted": lambda n, draw: "> ",
    "line numbers": lambda n, draw: f"{n + 1:4d} | ",
    "brackets": lambda n, draw: clock(n, "[{h:02}:{m:02}:{s:02}] ") + f"[{draw.choice(LEVELS)}] ",
}


def prefixed(log: str, shape: str) -> bytes:
    draw = random.Random(0)
    lines = log.removesuffix("\n").split("\n")  # redraws of a bar are one line, with one prefix
    return "".join(f"{SHAPES[shape](number, draw)}{line}\n" for number, line in enumerate(lines)).encode()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("printed", [yolov7, yolov5, ultralytics])
def test_a_log_without_its_prefix_is_the_log(tmp_path: Path, printed: Callable[[int], str], shape: str) -> None:
    log = printed(999)
    (tmp_path / "log").write_bytes(prefixed(log, shape))
    with open_contents(tmp_path / "log") as contents:
        read = contents.file.read().decode()
    assert facts(read) == facts(log)


def facts(log: str) -> list[object]:
    from engine.logs.parser import LogParser

    parser = LogParser()
    return [*parser.feed(log.encode()), *parser.finish()]


@pytest.mark.parametrize("printed", [yolov7, yolov5, ultralytics])
@pytest.mark.parametrize("width", [45, 80, 999])
def test_a_log_without_a_prefix_is_left_alone(printed: Callable[[int], str], width: int) -> None:
    assert find_prefix(printed(width).encode()) is None


def test_no_real_log_is_taken_for_a_prefixed_one(shared: Path) -> None:
    for path in sorted((shared / "logs").iterdir()):
        with path.open("rb") as file:
            assert find_prefix(file.read(1 << 18)) is None, path.name


@pytest.mark.parametrize("text", ["", "\n\n\n", "a\nb\nc\nd\ne\n", "2024-01-01 x\n" * 50, "> quote\n" * 9])
def test_any_other_text_is_left_alone(text: str) -> None:
    assert find_prefix(text.encode()) is None
