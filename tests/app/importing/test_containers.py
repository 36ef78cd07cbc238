"""Logs in containers are imported as their bytes are, with the original beside them; what is no log says what it is."""

import gzip
from pathlib import Path

import pytest

from app.importing.import_logs import import_logs, import_paths
from app.runs.reader import get_detail
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import Workspace
from tests.engine.logs.test_seed import SEED as SEED_FILE

SEED = SEED_FILE.read_bytes().decode()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path / "workspace")
    workspace.path.mkdir()
    return workspace


def test_a_compressed_log_is_the_same_run_and_its_original_is_kept(workspace: Workspace, tmp_path: Path) -> None:
    packed = tmp_path / "train.log.gz"
    packed.write_bytes(gzip.compress(SEED.encode()))
    (report,) = import_logs(workspace, [packed])
    assert report.dialect.endswith("(gzip)")
    attempt = workspace.run(report.run_id).attempt(1)
    assert attempt.console.read_bytes() == SEED.encode()
    assert (attempt.path / "original.gz").read_bytes() == packed.read_bytes()
    epochs = get_detail(workspace, report.run_id).epochs
    plain = tmp_path / "train.log"
    plain.write_bytes(SEED.encode())
    (again,) = import_logs(workspace, [plain])
    assert (again.run_id, again.status) == (report.run_id, "known")
    assert epochs


def test_what_can_be_read_is_imported_and_the_rest_reported(workspace: Workspace, tmp_path: Path) -> None:
    log, picture = tmp_path / "train.log", tmp_path / "plot.png"
    log.write_bytes(SEED.encode())
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    summary = import_paths(workspace, [picture, log, tmp_path / "absent.log"])
    statuses = {report.path.name: (report.status, report.reason) for report in summary.files}
    assert statuses["train.log"][0] == "new"
    assert statuses["plot.png"] == ("not read", "this is a PNG picture, which holds no log that is read")
    assert statuses["absent.log"][0] == "not read"


def test_if_nothing_was_read_the_first_reason_is_the_error(workspace: Workspace, tmp_path: Path) -> None:
    archive = tmp_path / "runs.zip"
    archive.write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(YoloqatError, match="this is a zip archive"):
        import_paths(workspace, [archive, tmp_path / "absent.log"])


def test_logs_in_a_tree_may_be_compressed_or_stand_in_markdown(workspace: Workspace, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "a.log.gz").write_bytes(gzip.compress(SEED.encode()))
    (tree / "README.md").write_text(f"# Results\n\n```\n{SEED.replace('0.478', '0.479')}```\n")
    (tree / "notes.md").write_text("# Nothing here\n")
    summary = import_paths(workspace, [tree])
    assert {report.path.name for report in summary.files if report.status == "new"} == {"a.log.gz", "README.md"}
