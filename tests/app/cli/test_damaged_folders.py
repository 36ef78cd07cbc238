"""One bad run folder never costs the others: nothing in a workspace is waited for, followed or overwritten."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.app.cli.conftest import Cli, until

SECONDS = 30
"""The limit for a command that would hang for ever."""


@pytest.fixture
def two(cli: Cli) -> tuple[str, str]:
    """A run that will be damaged, and one that must not suffer."""
    ids = cli.train(2, name="bad"), cli.train(2, name="good")
    for run_id in ids:
        cli.wait(run_id)
    assert cli("ls").code == 0
    return ids


def fifo(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def giant(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(10 << 30)


def device(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def garbage(path: Path) -> None:
    path.write_bytes(b"\x00\xff{{[" * 100)


def nested(path: Path) -> None:
    path.write_text("[" * 100_000)


def aliases(path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    path.write_text("\n".join(lines))


def long_name(path: Path) -> None:
    path.write_text(json.dumps({"name": "x" * 3_000_000}))


FILES = ("spec.yaml", "user.json", "result.json", "attempts/1/console.log", "attempts/1/outcome.json",
         "attempts/1/process.json", "attempts/1/launch.json", "attempts/1/system.jsonl")  # fmt: skip
KINDS = (fifo, giant, device, folder, garbage, nested, aliases, long_name)


def some_of_each() -> list[tuple[Callable[[Path], None], tuple[str, ...]]]:
    """Each kind in two places, and each place with two kinds: all of both is `slow`."""
    return [(kind, (FILES[number], FILES[(number + 3) % len(FILES)])) for number, kind in enumerate(KINDS)]


@pytest.mark.parametrize(
    ("kind", "names"),
    [*some_of_each(), *(pytest.param(kind, FILES, marks=pytest.mark.slow) for kind in KINDS)],
)
def test_no_odd_file_hangs_a_command_or_hides_the_other_run(
    cli: Cli, two: tuple[str, str], kind: Callable[[Path], None], names: tuple[str, ...]
) -> None:
    bad, good = two
    for name in names:
        path = cli.workspace.run(bad).path / name
        kept = path.read_bytes() if path.is_file() else None
        kind(path)
        began = time.monotonic()
        listed = {run["id"]: run for run in cli("ls", "--json").json()["runs"]}
        assert listed[good]["state"] == "succeeded", (kind, name)
        assert listed[good]["epochs_done"] == 2
        assert bad in listed, (kind, name)
        for command in (("show", bad), ("log", bad)):
            assert cli(*command).code in (0, 2), (command, name)
        assert time.monotonic() - began < SECONDS
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
        if kept is not None:
            path.write_bytes(kept)


@pytest.mark.parametrize("kind", [fifo, device, folder, garbage])
def test_the_doctor_names_an_odd_record(cli: Cli, two: tuple[str, str], kind: Callable[[Path], None]) -> None:
    kind(cli.workspace.run(two[0]).attempt(1).outcome)
    report = cli("doctor").out
    expected = "is no JSON object" if kind is garbage else "not a regular file"
    assert kind is folder or f"runs/{two[0]}: attempts/1/outcome.json" in report
    assert kind is folder or expected in report


@pytest.mark.parametrize("kind", [fifo, device, folder])
def test_an_odd_database_is_an_error_with_a_way_out(
    cli: Cli, two: tuple[str, str], kind: Callable[[Path], None]
) -> None:
    for suffix in ("", "-wal", "-shm"):
        cli.workspace.database.with_name(cli.workspace.database.name + suffix).unlink(missing_ok=True)
    kind(cli.workspace.database)
    done = subprocess.run(
        cli.command("ls"), env=cli.environment, cwd=cli.directory, capture_output=True, text=True, timeout=SECONDS
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == 2
    assert str(cli.workspace.database) in done.stderr


def test_a_copied_run_folder_is_a_run_of_its_own(cli: Cli) -> None:
    run_id = cli.train(30, 0.2, name="live")
    until(lambda: cli("ls", "--json").json()["runs"][0]["epochs_done"] > 1)
    copy = f"{run_id}.bak"
    shutil.copytree(cli.workspace.run(run_id).path, cli.workspace.run(copy).path)
    runs = {run["id"]: run for run in cli("ls", "--json").json()["runs"]}
    assert (runs[run_id]["state"], runs[run_id]["name"]) == ("running", "live")
    assert runs[copy]["state"] in ("ended", "lost"), "not live, and no success"
    assert runs[copy]["name"] == "live-copy"
    assert runs[copy]["reason"].startswith(f"copy of {run_id}; ")
    assert f"runs/{copy}: is a copy of {run_id}" in cli("doctor").out
    assert cli("stop", copy).code == 2, "the original is not stopped through its copy"
    epochs = runs[run_id]["epochs_done"]
    until(lambda: {run["id"]: run for run in cli("ls", "--json").json()["runs"]}[run_id]["epochs_done"] > epochs)
    assert cli("stop", "live").code == 0
    cli.wait(run_id)
    assert cli("delete", "live-copy").code == 0
    assert [run["state"] for run in cli("ls", "--json").json()["runs"]] == ["stopped"]


def test_a_damaged_specification_costs_what_it_alone_tells(cli: Cli, two: tuple[str, str]) -> None:
    bad, _ = two
    spec = cli.workspace.run(bad).spec
    text = spec.read_text()
    spec.write_text("{{{")
    run = {run["id"]: run for run in cli("ls", "--json").json()["runs"]}[bad]
    assert (run["stage"], run["state"], run["epochs_done"]) == ("damaged", "succeeded", 2)
    assert run["reason"].startswith("spec.yaml is damaged: ")
    assert "spec.yaml is damaged" in cli("show", bad).out.replace("\n", " ") or cli("show", bad, "--json").code == 0
    assert f"runs/{bad}: cannot read the run's specification" in cli("doctor").out
    spec.write_text(text)
    run = {run["id"]: run for run in cli("ls", "--json").json()["runs"]}[bad]
    assert (run["stage"], run["name"], run["reason"]) == ("command", "bad", "")


@pytest.mark.parametrize("contents", ['{"tags": ["old"],}', "[1]", "\udcff"])
@pytest.mark.parametrize("command", [("tag", "bad", "new"), ("note", "bad", "text"), ("rename", "bad", "other")])
def test_a_user_file_that_cannot_be_read_is_kept(
    cli: Cli, two: tuple[str, str], contents: str, command: tuple[str, ...]
) -> None:
    user = cli.workspace.run(two[0]).user
    user.write_text(contents, errors="surrogateescape")
    assert "user.json" in {run["id"]: run for run in cli("ls", "--json").json()["runs"]}[two[0]]["reason"]
    answer = cli(*command)
    aside = user.with_name("user.json.unreadable")
    assert (answer.code, str(aside) in answer.err) == (0, True)
    assert aside.read_text(errors="surrogateescape") == contents
    assert isinstance(json.loads(user.read_text()), dict)
    user.write_text(contents, errors="surrogateescape")
    assert cli("tag", two[0], "again").code == 0
    assert aside.with_name("user.json.unreadable1").exists(), "the first one is not overwritten either"
    assert "user.json.unreadable was kept" in cli("doctor").out


def test_a_link_in_the_place_of_a_lock_or_record_is_not_written_through(cli: Cli, two: tuple[str, str]) -> None:
    victim = cli.directory / "precious.txt"
    victim.write_text("precious")
    run = cli.workspace.run(two[0])
    for link in (cli.workspace.indexer_lock, cli.workspace.path / "launch.lock", run.user):
        link.unlink(missing_ok=True)
        link.symlink_to(victim)
    for command in (("ls",), ("tag", two[0], "x"), ("rename", two[0], "y"), ("run", "--", sys.executable, "-c", "0")):
        cli(*command)
        assert victim.read_text() == "precious", command
