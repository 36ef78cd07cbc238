"""Fixtures and hooks that every test folder shares."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent

# Before torch is imported: tests compute on tiny tensors, and threads of several processes on one core wait for one
# another for longer than they compute.
os.environ.setdefault("OMP_NUM_THREADS", "1")

_QUICK = ("app/comparing", "app/doctor", "app/following", "app/widgets", "configs", "db", "engine/console")
_QUICK_ENGINE = ("engine/contracts", "engine/files", "engine/logs", "engine/pipelines")
_NOT_QUICK = (
    "test_noise.py",
    "test_real_logs.py",
    "test_every_real_log.py",
    "test_dialects.py",
    "test_any_cut.py",
    "test_whole_rows.py",
    "test_prefixes.py",
    "test_hostile.py",
)
"""Files of those folders that resample, start processes, read long logs, or read every log in many pieces."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as `quick` what needs neither torch nor other processes, by its folder."""
    tests = REPOSITORY / "tests"
    folders = tuple(f"{folder}/" for folder in (*_QUICK, *_QUICK_ENGINE))
    for item in items:
        if item.get_closest_marker("slow") or item.get_closest_marker("bench"):
            continue
        name = item.path.relative_to(tests).as_posix() if item.path.is_relative_to(tests) else ""
        if name == "test_house.py" or (name.startswith(folders) and item.path.name not in _NOT_QUICK):
            item.add_marker(pytest.mark.quick)


@pytest.fixture(autouse=True, scope="session")
def signals() -> None:
    """Signals as in a terminal: under nohup, or behind a shell's `&`, children would inherit that these are ignored."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True, scope="session")
def state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state folder of their own: tests neither see nor leave start records of the user's."""
    folder = tmp_path_factory.mktemp("state")
    with mock.patch.dict(os.environ, {"XDG_STATE_HOME": str(folder)}):
        yield folder


@pytest.fixture(autouse=True, scope="session")
def leases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Leases of their own, per worker of xdist: tests wait for no run of the user's, nor of another worker's."""
    folder = tmp_path_factory.mktemp("leases")
    before = os.environ.get("YOLOQAT_LEASES")
    os.environ["YOLOQAT_LEASES"] = str(folder)
    yield folder
    if before is None:
        del os.environ["YOLOQAT_LEASES"]
    else:
        os.environ["YOLOQAT_LEASES"] = before


@pytest.fixture
def golden() -> Path:
    """Numbers computed by the original YOLOv7, copied into the repository."""
    return REPOSITORY / "tests" / "golden"


@pytest.fixture
def shared() -> Path:
    """Real logs and images that are not ours to ship; a test that needs them skips where they are absent."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip("the folder ../shared with real logs and data is absent")
    return folder


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update-pictures`"""
    parser.addoption(
        "--update-pictures", action="store_true", help="store the pictures of tests/pictures and docs/pictures anew"
    )


@pytest.fixture
def update_pictures(request: pytest.FixtureRequest) -> bool:
    """Whether the stored pictures are to be replaced instead of compared."""
    return bool(request.config.getoption("--update-pictures"))
