"""Files that are whole or absent."""

import json
import os

import pytest

from engine.files.json_records import RESERVED_BYTES, ReservedRecord, read_json, write_json


def test_a_record_is_read_back(tmp_path):
    path = str(tmp_path / "a.json")
    write_json(path, {"reason": "größer", "list": [1, None]})
    assert read_json(path) == {"schema_version": 1, "reason": "größer", "list": [1, None]}
    assert os.listdir(tmp_path) == ["a.json"]


@pytest.mark.parametrize("contents", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_record_is_none(tmp_path, contents):
    (tmp_path / "a.json").write_bytes(contents)
    assert read_json(str(tmp_path / "a.json")) is None
    assert read_json(str(tmp_path / "gone.json")) is None


def test_a_failed_write_leaves_the_old_record(tmp_path):
    path = str(tmp_path / "a.json")
    write_json(path, {"number": 1})
    with pytest.raises(TypeError):
        write_json(path, {"number": object()})
    assert read_json(path)["number"] == 1


def test_the_space_is_taken_at_once_and_the_name_at_the_end(tmp_path):
    path = tmp_path / "outcome.json"
    reserved = ReservedRecord(str(path))
    assert not path.exists()
    [placeholder] = tmp_path.iterdir()
    assert placeholder.stat().st_blocks * 512 >= RESERVED_BYTES
    inode = placeholder.stat().st_ino
    reserved.commit({"kind": "exited"})
    assert json.loads(path.read_bytes()) == {"schema_version": 1, "kind": "exited"}
    assert path.stat().st_ino == inode
    assert [item.name for item in tmp_path.iterdir()] == ["outcome.json"]


def test_a_reason_that_is_too_long_is_cut(tmp_path):
    reserved = ReservedRecord(str(tmp_path / "outcome.json"))
    reserved.commit({"kind": "could not start", "reason": "x" * 100_000})
    record = read_json(str(tmp_path / "outcome.json"))
    assert record["kind"] == "could not start"
    assert 100 < len(record["reason"]) < RESERVED_BYTES
