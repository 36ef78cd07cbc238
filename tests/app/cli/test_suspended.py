"""A stopped process in front of its user: `suspended`, without speed and time left, and a stop ends it all the same."""

import os
import signal
from typing import Any

from app.widgets.base.state import short_state
from engine.contracts.attempt_records import ProcessRecord
from engine.contracts.states import RunState
from tests.app.cli.conftest import Cli, until


def listed(cli: Cli) -> dict[str, Any]:
    (run,) = cli("ls", "--json").json()["runs"]
    return dict(run)


def test_a_suspended_run_has_no_speed_and_can_be_stopped(cli: Cli) -> None:
    run_id = cli.train(200, 0.4)
    until(lambda: listed(cli)["progress"] is not None and listed(cli)["progress"]["rate"] != "")
    process = ProcessRecord.read(cli.workspace.run(run_id).attempt(1).process)
    assert process is not None
    assert process.stage is not None
    os.kill(process.stage.pid, signal.SIGSTOP)
    until(lambda: listed(cli)["suspended"])
    run = listed(cli)
    assert (run["state"], run["stalled"], run["eta_seconds"]) == ("running", False, None)
    assert (run["progress"]["rate"], run["progress"]["remaining_seconds"]) == ("", None)
    assert "running, suspended" in cli("ls").out
    shown = cli("show", run_id).out
    assert "suspended" in shown
    assert f"`kill -CONT {process.stage.pid}` continues it" in shown
    ((view),) = [view for view in _views(cli) if view.id == run_id]
    assert "suspended" in short_state(view)[0][0]
    assert cli("stop", run_id).code == 0
    cli.wait(run_id)
    assert listed(cli)["state"] == RunState.STOPPED


def _views(cli: Cli) -> Any:
    from app.runs.reader import list_runs

    return list_runs(cli.workspace)
