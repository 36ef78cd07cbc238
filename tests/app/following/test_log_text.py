"""What a log prints never commands the terminal, wherever the reads cut it."""

from pathlib import Path

import pytest

from app.following.log_tail import tail, tail_bytes
from app.following.log_text import LogText, last_frame

HOSTILE = (
    "\x1b[31mred\x1b[0m \x1b]0;title\x07bell\x07 \x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\ "
    "\x1bPq#0\x1b\\six \x9b2Jc1 \x1b[?1049halt \x1b7save \x1b(0line \u202eright\u202c\x00\x08é\n"
)
PLAIN = "red bell link six c1 alt save line righté\n"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7])
def test_the_same_text_comes_out_wherever_the_bytes_are_cut(size: int) -> None:
    data = HOSTILE.encode()
    log = LogText()
    text = "".join(log.feed(data[at : at + size]) for at in range(0, len(data), size)) + log.end()
    assert text == PLAIN


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    log = LogText()
    assert log.feed(b"a\xffb\xe2\x82") == "a\ufffdb"
    assert log.end() == "\ufffd"


def test_an_escape_that_never_ends_does_not_hold_the_log_back() -> None:
    log = LogText()
    shown = log.feed(b"\x1b]0;" + b"x" * 10000)
    shown += log.feed(b"\nnext\n")
    assert shown.endswith("\nnext\n")


@pytest.mark.parametrize(
    ("line", "shown"),
    [("  0%|\r 50%|\r100%|", "100%|"), ("windows\r", "windows"), ("\r\r", ""), ("plain", "plain"), ("a\r  ", "a")],
)
def test_redraws_collapse_to_the_last_one(line: str, shown: str) -> None:
    assert last_frame(line) == shown


def test_the_tail_reads_the_end_of_the_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # a sparse terabyte: reading it would never end
        file.seek(0, 2)
        file.write(b"\n" + b"".join(b"line %d\r\n" % i for i in range(1000)) + b"unfinished")
    assert tail(path, 3) == ["line 998", "line 999", "unfinished"]


def test_the_tail_of_short_empty_and_absent_logs(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    assert tail(path, 5) == []
    path.write_bytes(b"")
    assert tail(path, 5) == []
    path.write_bytes(b"one\ntwo\n")
    assert tail(path, 5) == ["one", "two"]
    assert tail(path, 1) == ["two"]
    assert tail(path, 0) == []
    assert tail_bytes(path, 1) == (b"two\n", 8)


def test_a_line_of_redraws_that_is_longer_than_a_block(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    path.write_bytes(b"before\n" + b"\r".join(b"%7d/100000" % i for i in range(100000)) + b"\nafter\n")
    assert tail(path, 3) == ["before", "  99999/100000", "after"]
