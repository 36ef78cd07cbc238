"""The command itself: quick, quiet about its insides, and clear about mistakes."""

import fcntl
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from app.cli.commands import GROUPS
from app.cli.main import build_parser
from app.cli.version import version
from app.indexing.lock import lock_file
from engine.contracts.stages import STAGES
from tests.app.cli.conftest import Cli, until
from tests.app.indexing.index_fixtures import indexer_is_at_work
from tests.conftest import REPOSITORY

HEAVY = ("torch", "cv2", "onnx", "onnxruntime", "numpy", "textual", "pytorch_quantization", "pycocotools")
STORE = ("sqlmodel", "sqlalchemy", "alembic")
COMMANDS = [command.name for commands in GROUPS.values() for command in commands]


def imported_by(cli: Cli, *arguments: str) -> set[str]:
    """Top-level modules that a command has imported when it ends."""
    code = (
        "import sys; from app.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print('MODULES', *{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments],
        cwd=cli.directory,
        env=cli.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.rpartition("MODULES ")[2].split())


@pytest.mark.parametrize(
    "arguments", [["--help"], ["retrain", "--help"], ["run", "--", "true"], ["stop", "true"], ["log", "true"]]
)
def test_commands_that_need_no_database_do_not_load_one(cli: Cli, arguments: list[str]) -> None:
    if arguments[0] in ("stop", "log"):
        cli("run", "--", "true")
    assert not imported_by(cli, *arguments) & {*HEAVY, *STORE}


@pytest.mark.parametrize("arguments", [["ls"], ["show", "true"], ["compare", "true"], ["reindex"], ["pipelines"]])
def test_no_command_imports_what_computes(cli: Cli, arguments: list[str]) -> None:
    cli("run", "--", "true")
    assert not imported_by(cli, *arguments) & set(HEAVY)


@pytest.mark.parametrize("arguments", [["ls"], ["show", "true"], ["compare", "true"], ["log", "true"], ["queue"]])
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_what_only_reads_loads_no_library_that_writes(cli: Cli, arguments: list[str], form: list[str]) -> None:
    cli("run", "--", "true")
    assert not imported_by(cli, *arguments, *form) & set(STORE)


def test_a_list_of_runs_that_have_ended_needs_neither_specifications_nor_an_indexer(cli: Cli) -> None:
    cli("run", "-f", "--", "true")
    assert "true" in cli("ls").out
    until(lambda: not indexer_is_at_work(cli.workspace))
    assert not imported_by(cli, "ls") & {*STORE, "pydantic", "yaml", "psutil"}
    assert not indexer_is_at_work(cli.workspace)


@pytest.mark.parametrize(
    "arguments",
    [
        ["tag", "quick", "x"],
        ["note", "quick", "x"],
        ["archive", "quick"],
        ["rename", "quick", "x"],
        ["delete", "quick"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_what_is_said_of_an_ended_run_is_only_written_into_its_folder(cli: Cli, arguments: list[str]) -> None:
    cli("run", "-f", "--name", "quick", "--", "true")
    until(lambda: not indexer_is_at_work(cli.workspace))
    assert not imported_by(cli, *arguments) & {*STORE, "pydantic", "yaml"}
    assert not indexer_is_at_work(cli.workspace)


def test_the_help_names_every_command_and_stage_in_its_group_on_one_line(cli: Cli) -> None:
    answer = cli("--help")
    assert answer.code == 0
    listed = [line for line in answer.out.splitlines() if line.startswith("  ")]
    for name in (*COMMANDS, *STAGES):
        assert sum(line.startswith(f"  {name} ") for line in listed) == 1, name
    titles = [line.rstrip(":") for line in answer.out.splitlines() if line.endswith(":")]
    assert titles == ["options", *GROUPS]
    assert answer.out.index("\nQueue:") < answer.out.index("\n  hold ") < answer.out.index("\nOrganize:")
    assert max(map(len, answer.out.splitlines())) <= 80


def test_the_version_is_that_of_the_tree_that_runs(cli: Cli) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    answer = cli("--version")
    assert (answer.code, answer.out, answer.err) == (0, f"yoloqat {project['version']}\n", "")


def test_without_a_tree_the_version_is_that_of_the_installed_distribution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata = tmp_path / "yoloqat-9.8.7.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: yoloqat\nVersion: 9.8.7\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert version(tmp_path) == "9.8.7"


@pytest.mark.parametrize("name", [*COMMANDS, *STAGES])
def test_every_command_has_its_own_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        build_parser().parse_args([name, "--help"])
    assert caught.value.code == 0
    assert f"yoloqat {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "absent"], "there is no run 'absent'"),
        (["stop", "absent"], "there is no run 'absent'"),
        (["log", "absent"], "there is no run 'absent'"),
        (["compare", "absent"], "there is no run 'absent'"),
        (["run", "--name", "x"], "there is no command to run"),
        (["run", "--", "no-such-program"], "there is no program 'no-such-program'"),
        (["run", "--cwd", "absent", "--", "true"], "the working directory does not exist"),
        (["run", "--name", "a/b", "--", "true"], "'a/b' is not a valid run name"),
        (["ls", "--", "true"], "only `yoloqat run` takes a command"),
        (["pipeline", "absent"], "there is no pipeline 'absent'"),
        (["pipeline", "absent.yaml"], "absent.yaml"),
        (["pipeline", "relu-int8"], "inputs are missing: `weights`"),
        (["pipeline", "demo", "--set", "epochs"], "'epochs' has no `=`"),
        (["pipeline", "demo", "--set", "epoch=3"], "there is no input `epoch`; did you mean `epochs`?"),
        (["ptq", "--weights", "x.pt"], "--data is required"),
        (["ptq", "--weights", "x.pt", "--data", "d.yaml", "--batch-size", "0"], "--batch-size"),
        (["retrain", "--no-such-option"], "unrecognized arguments: --no-such-option"),
        (["import", "absent.log"], "absent.log"),
        ([], "the following arguments are required: COMMAND"),
        (["lss"], "invalid choice: 'lss'"),
    ],
)
def test_mistakes_end_in_one_message_and_exit_code_2(cli: Cli, arguments: list[str], words: str) -> None:
    answer = cli(*arguments)
    assert answer.code == 2
    assert words in answer.err
    assert answer.out == ""


def test_a_workspace_that_cannot_be_used_is_said_so(cli: Cli) -> None:
    (cli.directory / "file").touch()
    answer = cli("--workspace", "file", "ls")
    assert answer.code == 2
    assert "the workspace is a file, not a folder" in answer.err
    assert "from --workspace" in answer.err


def test_where_the_workspace_comes_from(cli: Cli) -> None:
    assert f"workspace: {cli.directory}/mine (from --workspace)" in cli("ls", "--workspace", "mine").err
    assert f"workspace: {cli.directory}/mine (from --workspace)" in cli("--workspace", "mine", "ls").err
    assert "(from YOLOQAT_WORKSPACE)" in cli("ls").err
    assert "/data/yoloqat (the default)" in cli("ls", YOLOQAT_WORKSPACE="").err
    settings = cli.directory.parent / "config" / "yoloqat" / "settings.yaml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f"workspace: {cli.directory}/chosen\n")
    assert f"workspace: {cli.directory}/chosen (from {settings})" in cli("ls", YOLOQAT_WORKSPACE="").err
    settings.write_text("workspaec: x\n")
    answer = cli("ls", YOLOQAT_WORKSPACE="")
    assert (answer.code, "`workspaec`" in answer.err) == (2, True)


def test_a_reader_that_has_gone_ends_a_command_quietly(cli: Cli) -> None:
    cli("run", "-f", "--name", "talk", "--", "seq", "100000")
    command = " ".join(f"'{word}'" for word in cli.command("log", "-n", "100000", "talk"))
    done = subprocess.run(
        ["bash", "-c", f"{command} | head -1; exit ${{PIPESTATUS[0]}}"],
        env=cli.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (141, "1\n")
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.slow
def test_an_index_that_does_not_become_current_in_time_is_said_to_be_behind(cli: Cli) -> None:
    """Another process holds the indexer's lock, and does nothing."""
    cli("run", "-f", "--", "true")
    until(lambda: not indexer_is_at_work(cli.workspace))
    with lock_file(cli.workspace) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (folder,) = cli.workspace.run_folders()
        folder.user.write_text('{"name": "renamed"}')
        answer = cli("ls", YOLOQAT_INDEX_WAIT="")
    assert "index is " in answer.err
    assert "behind: 1 run is not read yet" in answer.err
    assert (answer.code, "true" in answer.out) == (0, True)
