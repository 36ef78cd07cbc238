"""Atomic writes: whole or not at all, never through a link, with the permissions that the umask leaves."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.files.atomic import atomic_path, atomic_stream, write_bytes, write_if_absent, write_text
from engine.files.json_records import ReservedRecord, read_json, write_json

WRITERS: dict[str, Callable[[Path], None]] = {
    "bytes": lambda path: write_bytes(path, b"{}"),
    "text": lambda path: write_text(path, "{}"),
    "json": lambda path: write_json(str(path), {}),
    "stream": lambda path: _stream(path),
    "path": lambda path: _path(path),
}


def _stream(path: Path) -> None:
    with atomic_stream(path) as file:
        file.write(b"{}")


def _path(path: Path) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"{}")


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_link_at_the_target_is_replaced_and_its_file_left_alone(
    write: Callable[[Path], None], tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    target = tmp_path / "record.json"
    target.symlink_to(precious)

    write(target)

    assert precious.read_text() == "precious"
    assert not target.is_symlink()
    assert target.read_text().startswith("{")
    assert sorted(os.listdir(tmp_path)) == ["precious", "record.json"]


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_permissions_are_what_the_umask_leaves(write: Callable[[Path], None], tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(tmp_path / "record.json")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "record.json").stat().st_mode) == 0o640


def test_a_secret_is_the_users_alone(tmp_path: Path) -> None:
    write_text(tmp_path / "secret", "token", mode=0o600)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


@pytest.mark.parametrize("writer", [atomic_stream, atomic_path])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(writer: Callable[..., object], tmp_path: Path) -> None:
    target = tmp_path / "last.pt"
    target.write_text("old")
    context: object = writer(target)
    with pytest.raises(KeyboardInterrupt), context:  # type: ignore[attr-defined]
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["last.pt"]


def test_contents_reach_the_disk_before_the_name_and_the_folder_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(descriptor: int) -> None:
        calls.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def note_replace(source: str, target: str) -> None:
        calls.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    for write in WRITERS.values():
        calls.clear()
        write(tmp_path / "record.json")
        assert calls == ["file", "rename", "folder"]


def test_a_long_name_can_be_written(tmp_path: Path) -> None:
    target = tmp_path / ("n" * 255)
    write_text(target, "all of it")
    assert target.read_text() == "all of it"


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "record").mkdir()
    with pytest.raises(OSError, match="is a folder, not a regular file"):
        write_text(tmp_path / "record", "")
    assert os.listdir(tmp_path) == ["record"]


def test_what_is_there_stays_where_only_an_absent_file_is_to_be_written(tmp_path: Path) -> None:
    target = tmp_path / "outcome.json"
    write_if_absent(target, "first")
    with pytest.raises(FileExistsError):
        write_if_absent(target, "second")
    assert target.read_text() == "first"
    assert os.listdir(tmp_path) == ["outcome.json"]


def test_a_link_in_the_place_of_reserved_space_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    (tmp_path / "outcome.json.reserved").symlink_to(precious)
    ReservedRecord(str(tmp_path / "outcome.json")).commit({"kind": "exited"})
    assert precious.read_text() == "precious"
    assert (read_json(str(tmp_path / "outcome.json")) or {})["kind"] == "exited"
