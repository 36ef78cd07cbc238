"""`run --from-file`: a run for each line, or none at all."""

import subprocess

import pytest

from app.launching.stop import run_status
from engine.contracts.spec import RunSpec
from engine.contracts.states import RunState
from tests.app.cli.conftest import Cli

FILE = """\
# what is to be tried tonight

sh -c 'echo one > "first file"'   # quotes as in a shell
touch second\\ file
  touch $HOME
"""


def launched(cli: Cli) -> list[RunSpec]:
    """The specifications of all runs, in the order of the launch."""
    return [RunSpec.read(folder.spec) for folder in sorted(cli.workspace.run_folders(), key=lambda folder: folder.id)]


def test_each_line_becomes_a_run_in_the_order_of_the_file(cli: Cli) -> None:
    (cli.directory / "commands.txt").write_text(FILE)
    answer = cli("run", "--from-file", "commands.txt", "--retry", "2", "--name", "night")
    assert answer.code == 0, answer.err
    assert [line.split()[1] for line in answer.out.splitlines()] == ["night", "night2", "night3"]
    assert "3 runs launched" in answer.err
    specs = launched(cli)
    assert [spec.command for spec in specs] == [
        ["sh", "-c", 'echo one > "first file"'],
        ["touch", "second file"],
        ["touch", "$HOME"],
    ]
    assert {spec.retry for spec in specs} == {2}
    for spec in specs:
        cli.wait(spec.id)
        assert run_status(cli.workspace, spec.id).state is RunState.SUCCEEDED
    assert (cli.directory / "first file").read_text() == "one\n"
    assert (cli.directory / "$HOME").exists(), "nothing is expanded"


def test_lines_that_need_the_same_thing_run_one_after_the_other(cli: Cli) -> None:
    (cli.directory / "commands.txt").write_text("sh -c 'sleep 0.3; echo a >> order'\nsh -c 'echo b >> order'\n")
    answer = cli("run", "--cpu-lane", "--from-file", "commands.txt")
    assert answer.code == 0, answer.err
    for line in answer.out.splitlines():
        cli.wait(line.split()[0])
    assert (cli.directory / "order").read_text() == "a\nb\n"


def test_a_bad_line_is_named_and_nothing_is_queued(cli: Cli) -> None:
    (cli.directory / "commands.txt").write_text("true\n\necho 'no end\n")
    answer = cli("run", "--from-file", "commands.txt")
    assert answer.code == 2
    assert "yoloqat: commands.txt:3: no closing quotation" in answer.err
    assert "Nothing was launched." in answer.err
    assert not cli.workspace.run_folders()


def test_a_line_that_cannot_run_under_torchrun_is_named(cli: Cli) -> None:
    (cli.directory / "commands.txt").write_text("python train.py\ntrue\n")
    answer = cli("run", "--torchrun", "2", "--from-file", "commands.txt")
    assert answer.code == 2
    assert "commands.txt:2: " in answer.err
    assert not cli.workspace.run_folders()


def test_all_bad_lines_are_named(cli: Cli) -> None:
    (cli.directory / "commands.txt").write_text("pyhton train.py\ntrue\n'\n")
    answer = cli("run", "--from-file", "commands.txt")
    assert "commands.txt:1: there is no program 'pyhton' that can be executed" in answer.err
    assert "commands.txt:3: no closing quotation" in answer.err
    assert not cli.workspace.run_folders()


@pytest.mark.parametrize(
    ("text", "said"),
    [("# nothing\n", "there is no command in the file"), (None, "commands.txt: cannot read the commands")],
)
def test_a_file_without_commands_is_refused(cli: Cli, text: str | None, said: str) -> None:
    if text is not None:
        (cli.directory / "commands.txt").write_text(text)
    answer = cli("run", "--from-file", "commands.txt")
    assert answer.code == 2
    assert said in answer.err


def test_commands_come_from_stdin(cli: Cli) -> None:
    command = cli.command("run", "--from-file", "-")
    printed = subprocess.check_output(command, input=b"true\n", cwd=cli.directory, env=cli.environment)
    assert len(printed.splitlines()) == 1


def test_a_file_excludes_a_command_and_following(cli: Cli) -> None:
    for rest in (["--", "true"], ["-f"]):
        answer = cli("run", "--from-file", "commands.txt", *rest)
        assert (answer.code, "--from-file: " in answer.err) == (2, True)
