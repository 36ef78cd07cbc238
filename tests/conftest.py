"""Fixtures and hooks that every test folder shares."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent

# Set before torch is imported: tests compute on tiny tensors, where synchronizing the threads of several processes on
# few cores takes longer than computing.
os.environ.setdefault("OMP_NUM_THREADS", "1")

if sys.dont_write_bytecode:
    # Every process of a test would compile everything anew, a third of the CPU of the whole. Outside of the tree, which
    # PYTHONDONTWRITEBYTECODE is meant to keep clean.
    sys.dont_write_bytecode = False
    sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = str(REPOSITORY / ".pytest_cache" / "bytecode")
    del os.environ["PYTHONDONTWRITEBYTECODE"]

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
"""Files in those folders that are slow: they resample, start processes, or read long logs, or logs in many pieces."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests as `quick`, by folder, if they need neither torch nor other processes."""
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
    """Restore default signal handlers: under nohup or a shell's `&`, children would inherit ignored signals."""
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
    """Set a separate lease folder per xdist worker, so that tests wait for nobody else's runs."""
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
    """Return the folder of reference numbers computed by the original YOLOv7."""
    return REPOSITORY / "tests" / "golden"


@pytest.fixture
def shared() -> Path:
    """Return the folder of real logs and images that cannot be distributed; skip the test if it is absent."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip("the folder ../shared with real logs and data is absent")
    return folder


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option `--update-pictures`."""
    parser.addoption(
        "--update-pictures", action="store_true", help="overwrite the pictures of tests/pictures and docs/pictures"
    )


@pytest.fixture
def update_pictures(request: pytest.FixtureRequest) -> bool:
    """Return whether to overwrite the stored pictures instead of comparing them."""
    return bool(request.config.getoption("--update-pictures"))
