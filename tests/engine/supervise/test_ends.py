"""How a run ends, told by what is on disk afterwards."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from engine.contracts.attempt_records import ProcessRecord
from engine.contracts.errors import YoloqatError
from engine.contracts.outcome import Outcome, OutcomeKind
from engine.contracts.run_folder import Workspace
from engine.contracts.spec import RunSpec
from engine.contracts.states import RunState
from engine.runner.processes.identity import GONE, presence
from engine.supervise.launch.launch import launch, start_runner
from engine.supervise.state.process_facts import identity_of
from engine.supervise.state.status import read_state


def test_exit_0_succeeds(lab):
    run = lab.shell("echo hello; sleep 0.2; echo there >&2")
    assert run.state().state is RunState.RUNNING
    status = run.until_state(RunState.SUCCEEDED)
    assert run.log() == "hello\nthere\n"
    assert status.exit_code == 0
    assert 0.15 < status.seconds < 2
    assert status.started_at < status.ended_at
    assert status.peak_rss_bytes > 100_000


def test_exit_3_fails_with_its_code(lab):
    status = lab.shell("exit 3").until_state(RunState.FAILED)
    assert status.exit_code == 3
    assert status.reason == "exit code 3"


def test_exit_0_without_the_promised_artifact_fails(lab):
    run = lab.shell("true", artifacts={"best": "weights/best.pt", "last": "weights/last.pt"})
    status = run.until_state(RunState.FAILED)
    assert status.reason == "exit code 0, but weights/best.pt, weights/last.pt are missing"


def test_the_promised_artifact_makes_a_success(lab):
    script = 'cd "$YOLOQAT_ATTEMPT/../.." && mkdir weights && touch weights/best.pt'
    lab.shell(script, artifacts={"best": "weights/best.pt"}).until_state(RunState.SUCCEEDED)


def test_sigkill_is_killed_with_the_signal(lab):
    run = lab.shell("sleep 30")
    run.kill_stage()
    status = run.until_state(RunState.KILLED)
    assert status.signal == signal.SIGKILL
    assert status.reason == "signal 9 (SIGKILL)"


def test_cuda_out_of_memory_by_the_log(lab):
    run = lab.shell("echo 'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.'; exit 1")
    status = run.until_state(RunState.OUT_OF_MEMORY)
    assert "exit code 1" in status.reason


def test_an_out_of_memory_that_was_survived_is_no_reason(lab):
    run = lab.shell(r"echo 'CUDA out of memory, halving the batch'; printf ' 40%%|####      | 4/10\n'; exit 1")
    assert run.until_state(RunState.FAILED).exit_code == 1


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["there-is-no-such-program"], "No such file or directory"),
        (["./not-executable"], "Permission denied"),
        (["/dev/null/nowhere"], "Not a directory"),
    ],
)
def test_a_command_that_cannot_start_says_why(lab, argv, expected):
    (lab.cwd / "not-executable").write_text("#!/bin/sh\n")
    run = lab.run(argv)
    status = run.until_state(RunState.COULD_NOT_START)
    assert argv[0] in status.reason
    assert expected in status.reason
    assert status.reason in run.log()


def test_a_working_directory_that_has_gone(lab, tmp_path):
    status = lab.run(["true"], cwd=tmp_path / "gone").until_state(RunState.COULD_NOT_START)
    assert status.reason == f"the working directory '{tmp_path / 'gone'}' cannot be used: No such file or directory"


def test_processes_left_behind_are_ended_and_told(lab):
    run = lab.shell("setsid sleep 30 & sleep 30 & sleep 0.1; exit 0")
    run.until_state(RunState.SUCCEEDED, seconds=8)
    assert run.living() == []
    assert run.outcome.leftovers == 2
    assert "left 2 of its processes behind (" in run.log()
    assert "sleep 30 (pid " in run.log()


def test_zombies_of_the_stage_are_collected(lab):
    # The shell's children outlive it and become the runner's; they end while the new main process runs on.
    run = lab.shell("(sleep 0.2 &) ; exec sleep 30")
    runner = run.process.runner.pid
    children = Path(f"/proc/{runner}/task/{runner}/children")
    if not children.exists():
        pytest.skip("this kernel does not list children")
    run.until(lambda: len(children.read_text().split()) == 2)
    run.until(lambda: len(children.read_text().split()) == 1)
    assert run.state().state is RunState.RUNNING


def test_a_run_folder_deleted_under_it_ends_the_runner_in_peace(lab):
    run = lab.shell("sleep 0.4")
    runner = run.process.runner
    for path in sorted(run.folder.path.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    run.folder.path.rmdir()
    run.until(lambda: presence(identity_of(runner)) == GONE)
    assert not run.folder.path.exists()


def test_output_comes_at_once_although_nobody_asked_for_it(lab, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    run = lab.python("import time\nprint('      all  0.478'); time.sleep(30)")
    run.until_printed("all  0.478", seconds=3)


def test_the_log_is_raw_and_appended(lab):
    run = lab.shell(r"printf ' 10%%|#\r 20%%|##\r'; printf '\303'; printf '\377\000end\n'")
    run.until_state(RunState.SUCCEEDED)
    assert run.attempt.console.read_bytes() == b" 10%|#\r 20%|##\r\xc3\xff\x00end\n"


def test_a_stage_starts_with_a_clean_slate(lab):
    """No blocked or ignored signals but SIGHUP, no terminal, a session of its own."""
    code = (
        "import os, signal\n"
        "print('blocked', sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())))\n"
        "print('int', signal.getsignal(signal.SIGINT) is signal.default_int_handler)\n"
        "print('term', signal.getsignal(signal.SIGTERM).name, 'hup', signal.getsignal(signal.SIGHUP).name)\n"
        "print('leader', os.getsid(0) == os.getpid(), 'stdin', repr(os.read(0, 1)))\n"
    )
    run = lab.python(code)
    run.until_state(RunState.SUCCEEDED)
    assert run.log() == "blocked []\nint True\nterm SIG_DFL hup SIG_IGN\nleader True stdin b''\n"


def test_a_second_runner_is_refused(lab):
    run = lab.shell("sleep 30")
    with pytest.raises(YoloqatError, match="another runner has this attempt"):
        start_runner(run.attempt)
    assert run.state().state is RunState.RUNNING


def test_the_same_id_twice_is_refused(lab):
    run = lab.shell("sleep 30")
    spec = RunSpec.read(run.folder.spec)
    with pytest.raises(YoloqatError, match="exists already"):
        launch(lab.workspace, spec)
    assert run.state().state is RunState.RUNNING


def test_a_second_attempt_is_judged_by_itself(lab):
    run = lab.shell("exit 3", stage="retrain")
    run.until_state(RunState.FAILED)
    run.folder.result.write_text("{}")
    spec = RunSpec.read(run.folder.spec)
    attempt = launch(lab.workspace, spec, attempt=2, argv=["sh", "-c", "echo resumed; exit 0"])
    second = lab.adopt(spec.id, attempt.number)
    assert second.until_state(RunState.SUCCEEDED).attempt == 2
    assert not run.folder.result.exists()
    assert read_state(run.folder, run.attempt).state is RunState.FAILED


def test_a_full_disk_does_not_hide_the_end(lab, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if os.system(f"mount -t tmpfs -o size=256k none {small} 2>/dev/null") != 0:
        pytest.skip("mounting a small file system is not allowed here")
    try:
        lab.workspace = Workspace(small)
        run = lab.shell("echo started; sleep 0.2; yes 'a line of a very long log'")
        status = run.until_state(RunState.FAILED)
        assert status.exit_code == 1
        assert "the disk is full" in status.reason
        assert run.log().startswith("started\n")
        with pytest.raises(YoloqatError, match="No space left"):
            lab.shell("true")
    finally:
        lab.clean()
        assert os.system(f"umount {small}") == 0


def test_the_kernels_out_of_memory_kill_is_told(lab, launcher, memory_group):
    hungry = "x = []\nwhile True: x.append(bytearray(8 << 20))"
    run_id = "20260101-000000-hungry"
    process = launcher(run_id, [sys.executable, "-S", "-c", hungry], first=memory_group)
    assert process.stdout.readline() == b"launched\n"
    run = lab.adopt(run_id)
    status = run.until_state(RunState.OUT_OF_MEMORY, seconds=10)
    assert status.signal == signal.SIGKILL
    assert run.outcome.oom_kill
    assert "killed by the kernel" in status.reason


def test_a_worker_that_the_kernel_killed_for_memory_is_told(lab, launcher, memory_group):
    """The main process lives on and fails: with the words of a data loader, and an exit code of its own."""
    worker = "x = []\nwhile True: x.append(bytearray(8 << 20))"
    main = (
        "import os, sys\n"
        f"pid = os.fork()\nif not pid:\n exec({worker!r})\n"
        "_, status = os.waitpid(pid, 0)\n"
        "raise RuntimeError(f'DataLoader worker (pid(s) {pid}) is killed by signal: Killed. ')"
    )
    run_id = "20260101-000000-worker"
    process = launcher(run_id, [sys.executable, "-S", "-c", main], first=memory_group)
    assert process.stdout.readline() == b"launched\n"
    status = lab.adopt(run_id).until_state(RunState.OUT_OF_MEMORY, seconds=10)
    assert status.exit_code == 1
    assert status.reason == "exit code 1; the kernel killed a process for lack of memory"


def test_a_worker_that_somebody_killed_is_a_failure(lab):
    run = lab.shell("echo 'RuntimeError: DataLoader worker (pid(s) 7) is killed by signal: Killed.'; exit 1")
    assert run.until_state(RunState.FAILED).reason == "exit code 1"


@pytest.fixture
def memory_group(tmp_path):
    """Python lines that put a process into a memory cgroup of 160 MB; skips where that is not allowed."""
    name = f"yoloqat-test-{os.getpid()}"
    groups = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            groups.append((Path("/sys/fs/cgroup/memory", path.lstrip("/"), name), "memory.limit_in_bytes"))
        elif not controllers:
            groups.append((Path("/sys/fs/cgroup", path.lstrip("/"), name), "memory.max"))
    for group, limit in groups:
        try:
            group.mkdir()
            (group / limit).write_text(str(160 << 20))
        except OSError:
            if group.is_dir():
                group.rmdir()
            continue
        break
    else:
        pytest.skip("making a memory cgroup is not allowed here")
    yield f"open({str(group / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))"
    for pid in (group / "cgroup.procs").read_text().split():
        os.kill(int(pid), signal.SIGKILL)
    for _ in range(100):
        try:
            group.rmdir()
            break
        except OSError:
            time.sleep(0.05)


def test_the_records_are_what_the_contracts_say(lab):
    """Every field that the runner writes is one that the contract names, and the other way round."""
    run = lab.shell("true")
    run.until_state(RunState.SUCCEEDED)
    assert set(json.loads(run.attempt.outcome.read_bytes())) == set(Outcome.model_fields)
    assert set(json.loads(run.attempt.process.read_bytes())) == set(ProcessRecord.model_fields)
    assert run.outcome.kind is OutcomeKind.EXITED
