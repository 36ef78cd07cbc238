"""Any command can be launched, followed, left alone and stopped."""

import os
import pty
import select
import signal
import subprocess
import sys
import time

from app.launching.stop import run_status
from engine.contracts.states import RunState
from tests.app.cli.conftest import Cli, until
from tests.waiting import patience


def test_a_launch_returns_at_once_and_the_run_goes_on(cli: Cli) -> None:
    answer = cli("run", "--name", "relu", "--", sys.executable, "-c", "import time; time.sleep(30)")
    run_id, name = answer.out.split()
    assert (answer.code, name) == (0, "relu")
    assert f"workspace: {cli.workspace.path} (from YOLOQAT_WORKSPACE)" in answer.err
    assert "yoloqat log -f relu" in answer.err
    assert run_status(cli.workspace, run_id).state.is_live


def test_a_taken_name_is_counted_up_and_one_is_made_from_the_script(cli: Cli) -> None:
    script = [sys.executable, "train.py", "1", "0"]
    names = [cli("run", *given, "--", *script).out.split()[1] for given in ([], [], ["--name", "train"])]
    assert names == ["train", "train2", "train3"]


def test_following_shows_the_output_and_ends_as_the_command_did(cli: Cli) -> None:
    answer = cli("run", "-f", "--name", "short", "--", sys.executable, "train.py", "2", "0.1")
    assert answer.code == 0
    assert answer.out.startswith("Starting training for 2 epochs...\n")
    assert answer.out.count("100%|#####| 2/2") == 2
    assert " 50%|" not in answer.out  # a redraw that was overwritten
    assert answer.out.endswith("2 epochs completed in 0.001 hours.\n\n")
    assert "short: succeeded in " in answer.err


def test_the_exit_code_of_a_followed_run_is_its_own(cli: Cli) -> None:
    failed = cli("run", "-f", "--", "sh", "-c", "echo said; exit 7")
    killed = cli("run", "-f", "--", "sh", "-c", "kill -9 $$")
    assert (failed.code, failed.out) == (7, "said\n")
    assert "failed (exit code 7)" in failed.err
    assert killed.code == 128 + signal.SIGKILL


def test_the_command_gets_its_own_double_dash_and_directory(cli: Cli) -> None:
    (cli.directory / "below").mkdir()
    show = [sys.executable, "-c", "import os, sys; print(os.getcwd(), sys.argv[1:])"]
    answer = cli("run", "-f", "--cwd", "below", "--", *show, "a", "--", "--workspace", "b")
    assert answer.out == f"{cli.directory}/below ['a', '--', '--workspace', 'b']\n"


def test_control_c_detaches_and_says_how_to_go_on(cli: Cli) -> None:
    process = subprocess.Popen(
        cli.command("run", "-f", "--name", "long", "--", sys.executable, "train.py", "1000", "0.1"),
        cwd=cli.directory,
        env=cli.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=patience(20))
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "detached: long keeps running; `yoloqat log -f long` follows it, `yoloqat stop long` stops it" in err
    (folder,) = cli.workspace.run_folders()
    assert run_status(cli.workspace, folder.id).state is RunState.RUNNING


def test_in_a_terminal_a_bar_is_redrawn_in_one_line(cli: Cli) -> None:
    parent, child = pty.openpty()
    process = subprocess.Popen(
        cli.command("run", "-f", "--", sys.executable, "train.py", "1", "3"),
        cwd=cli.directory,
        env={**cli.environment, "COLUMNS": "60", "TERM": "xterm"},
        stdout=child,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    os.close(child)
    shown = b""
    deadline = time.monotonic() + patience(30)
    while time.monotonic() < deadline and select.select([parent], [], [], patience(10))[0]:
        try:
            data = os.read(parent, 65536)
        except OSError:
            break
        shown += data
    os.close(parent)
    assert process.wait(timeout=patience(10)) == 0
    redraws = [part for part in shown.decode().split("\r\x1b[K") if " 50%" in part]
    assert redraws, shown
    assert all(len(part) < 60 and "\n" not in part for part in redraws)


def test_a_stop_ends_the_run_and_says_so(cli: Cli) -> None:
    run_id = cli.train(1000, 0.1, name="long")
    until(lambda: run_status(cli.workspace, run_id).state is RunState.RUNNING)
    (answer,) = cli("stop", "long", "--json").json()["runs"]
    assert (answer["id"], answer["name"], answer["asked"]) == (run_id, "long", True)
    cli.wait(run_id)
    assert run_status(cli.workspace, run_id).state is RunState.STOPPED
    assert cli("stop", run_id).out == "long: nothing to stop (stopped)\n"
    assert "KeyboardInterrupt" in cli("log", "long").out


def test_the_log_can_be_read_cut_raw_and_followed(cli: Cli) -> None:
    run_id = cli.train(2)
    cli.wait(run_id)
    assert cli("log", "train", "-n", "2").out.startswith("2 epochs completed")
    raw = subprocess.run(
        cli.command("log", "train", "--raw", "-n", "1000"), env=cli.environment, capture_output=True, check=True
    )
    assert raw.stdout == cli.workspace.run(run_id).attempt(1).console.read_bytes()
    document = cli("log", "train", "--json", "-n", "3").json()
    assert (document["schema"], document["id"], document["name"], document["attempt"]) == (1, run_id, "train", 1)
    assert len(document["lines"]) == 3
    followed = cli("log", "-f", "-n", "1000", "train")
    assert followed.code == 0
    assert followed.out == cli("log", "-n", "1000", "train").out


def test_what_a_log_prints_does_not_command_the_terminal(cli: Cli) -> None:
    answer = cli("run", "-f", "--name", "odd", "--", "printf", r"\033]0;title\007\033[2Jred \033[31mtext\033[0m\n")
    assert answer.out == "red text\n"
    assert cli("log", "odd").out == "red text\n"


def test_events_for_the_database_are_not_shown_to_people(cli: Cli) -> None:
    text = r'before\n::yoloqat {"event": "stage"}\nafter\n'
    assert cli("run", "-f", "--name", "talk", "--", "printf", text).out == "before\nafter\n"
    assert cli("log", "talk").out == "before\nafter\n"
    assert "::yoloqat" in cli("log", "talk", "--raw").out


def test_the_list_tells_reason_and_the_end_of_the_log(cli: Cli) -> None:
    code = (
        "import sys\nprint('\\n'.join(f'line {n}' for n in range(2000)))\n"
        "sys.stderr.write('\\r 50%|##  | 1/2\\r100%|####| 2/2\\n\\x1b[31m\\n')\n"
        "sys.exit('no labels in train')"
    )
    run_id = cli("run", "--name", "relu", "--", sys.executable, "-u", "-c", code).out.split()[0]
    cli.wait(run_id)
    [listed] = cli("ls", "--json").json()["runs"]
    assert (listed["state"], listed["reason"]) == ("failed", "exit code 1")
    assert listed["log_tail"] == ["line 1997", "line 1998", "line 1999", "100%|####| 2/2", "no labels in train"]
    assert cli("show", "relu", "--json").json()["log_tail"] == listed["log_tail"]
    origin = cli("show", "relu", "--json").json()["provenance"]
    assert origin["interpreter"] == sys.executable
    assert f"torch {origin['packages']['torch']}" in cli("show", "relu", COLUMNS="400").out
    wide, narrow = cli("ls", COLUMNS="120").out.splitlines(), cli("ls", COLUMNS="80").out.splitlines()
    assert wide[0].endswith("REASON")
    assert wide[1].endswith("exit code 1")
    assert max(map(len, narrow)) <= 80


def test_work_that_was_handed_to_a_server_stands_beside_the_state(cli: Cli) -> None:
    folder = cli.directory / "bin"
    folder.mkdir()
    client = folder / "docker"
    client.write_text(f"#!/bin/sh\necho 3f1c2a9b7d10{'0' * 52}\n")
    client.chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    followed = cli("run", "-f", "--name", "handed", "--", "sh", "-c", "docker run -d image", PATH=path)
    assert followed.code != 0
    assert "handed: ended (handed to docker 3f1c2a9b7d10" in followed.err
    assert "ended, handed to docker 3f1c2a9b7d10" in cli("ls").out
    assert "ended (handed to docker 3f1c2a9b7d10; its end is not seen)" in cli("show", "handed").out
    [listed] = cli("ls", "--json").json()["runs"]
    assert (listed["state"], listed["handed_to"]) == ("ended", "docker 3f1c2a9b7d10")
    assert cli("show", "handed", "--json").json()["run"]["handed_to"] == "docker 3f1c2a9b7d10"
