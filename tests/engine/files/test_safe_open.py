"""Opening what anyone may have put into a folder: nothing waits, nothing is followed, nothing has no end."""

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.contracts.errors import YoloqatError
from engine.contracts.outcome import Outcome
from engine.contracts.spec import RunSpec
from engine.files.json_records import read_json
from engine.files.safe_open import (
    FileTooLargeError,
    NotRegularFileError,
    open_append,
    open_descriptor,
    open_lock,
    open_regular,
    read_regular,
)

OPENERS: dict[str, Callable[[Path], object]] = {
    "regular": open_regular,
    "read": read_regular,
    "append": open_append,
    "lock": open_lock,
    "descriptor": open_descriptor,
}


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _link(path: Path) -> None:
    path.with_name("precious").write_text("precious")
    path.symlink_to(path.with_name("precious"))


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


ODD: dict[str, Callable[[Path], object]] = {
    "a FIFO": _fifo,
    "a link": _link,
    "a socket": _socket,
    "a folder": Path.mkdir,
}


def _within_a_second(call: Callable[[], object]) -> BaseException | None:
    """What the call raises; fails where it waits."""
    raised: list[BaseException | None] = []

    def run() -> None:
        try:
            call()
        except OSError as error:
            raised.append(error)
        else:
            raised.append(None)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(10)
    assert raised, "it hangs"
    return raised[0]


@pytest.mark.parametrize("opener", OPENERS.values(), ids=OPENERS)
@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_regular_file_is_named_and_never_waited_for(
    kind: str, opener: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "record"
    ODD[kind](path)
    error = _within_a_second(lambda: opener(path))
    assert isinstance(error, NotRegularFileError)
    assert error.strerror == f"is {kind}, not a regular file"
    assert error.filename == str(path)


@pytest.mark.parametrize("opener", [open_regular, read_regular])
def test_a_device_is_refused(opener: Callable[..., object]) -> None:
    for path in ("/dev/zero", "/dev/null"):
        with pytest.raises(NotRegularFileError, match="is a device"):
            opener(path)


def test_a_link_to_nowhere_is_not_made_a_file(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotRegularFileError):
        open_lock(tmp_path / "lock")
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_that_the_user_names_may_be_a_link(tmp_path: Path) -> None:
    _link(tmp_path / "log")
    assert read_regular(tmp_path / "log", follow=True) == b"precious"


def test_a_sparse_giant_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    with path.open("wb") as file:
        file.truncate(10 << 30)
    with pytest.raises(FileTooLargeError, match="is larger than 34 MB"):
        read_regular(path)
    with pytest.raises(YoloqatError, match="is larger than 1 MB"):
        RunSpec.read(path)


def test_a_file_as_large_as_the_limit_is_read_and_one_byte_more_is_not(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_regular(tmp_path / "file", limit=5) == b"12345"
    with pytest.raises(FileTooLargeError):
        read_regular(tmp_path / "file", limit=4)


def test_a_file_that_lies_about_its_size_is_read_to_the_limit_alone() -> None:
    assert os.stat("/proc/self/status").st_size == 0
    with pytest.raises(FileTooLargeError):
        read_regular("/proc/self/status", limit=10)


def test_a_lock_file_keeps_what_stands_in_it(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("4711")
    os.close(open_lock(tmp_path / "lock"))
    assert (tmp_path / "lock").read_text() == "4711"


def test_what_children_inherit_blocks_as_usual(tmp_path: Path) -> None:
    descriptor = open_append(tmp_path / "console.log")
    assert os.get_blocking(descriptor)
    os.close(descriptor)


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "none")


def test_odd_records_are_records_that_cannot_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "outcome.json")
    assert Outcome.read(tmp_path / "outcome.json") is None
    assert read_json(str(tmp_path / "outcome.json")) is None
