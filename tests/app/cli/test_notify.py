"""`yoloqat notify --test`, and the settings that it tries out."""

from pathlib import Path

import pytest

from tests.app.cli.conftest import Cli, until
from tests.engine.runner.receiver import receiving
from tests.engine.supervise.alerts.printed import epoch


def write_settings(cli: Cli, text: str) -> None:
    path = Path(cli.environment["XDG_CONFIG_HOME"]) / "yoloqat" / "settings.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_every_way_is_tried_and_what_fails_is_told(cli: Cli) -> None:
    with receiving() as receiver:
        receiver.answers += [(200, {}, ""), (401, {}, '{"ok": false, "description": "Unauthorized"}')]
        write_settings(
            cli,
            f"""\
notify:
  ntfy: {receiver.address}/trainings
  telegram: {{token: "12:AB", chat: 7, server: "{receiver.address}"}}
  command: 'printf "%s" "$YOLOQAT_TEXT" > told'
  on: [failure]
""",
        )
        answer = cli("notify", "--test")
        assert answer.out == "command: sent\nntfy: sent\n"
        assert answer.err == "telegram: failed: HTTP 401: Unauthorized\n"
        assert answer.code == 1
        assert receiver.requests[0].body["topic"] == "trainings"
    assert (cli.directory / "told").read_text().endswith("sends a test message")


def test_an_alert_of_a_run_reaches_the_service_that_the_settings_name(cli: Cli, tmp_path: Path) -> None:
    (cli.directory / "log").write_text(epoch(0) + epoch(1, float("nan")))
    with receiving() as receiver:
        write_settings(cli, f"notify: {{ntfy: {receiver.address}/trainings, on: [nan]}}")
        answer = cli("run", "--name", "relu", "--", "cat", "log")
        assert answer.code == 0, answer.err
        until(lambda: bool(receiver.requests))
        [request] = receiver.requests
    assert request.body["topic"] == "trainings"
    assert request.body["message"].endswith("has a loss that is not finite: box nan, total nan in epoch 1")


def test_nobody_to_notify_is_said(cli: Cli) -> None:
    answer = cli("notify", "--test")
    assert answer.code == 2
    assert "settings.yaml: the settings name nobody to notify" in answer.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("notify: {ntfy: ntfy.sh/mine}", "`notify.ntfy.topic`"),
        ("notify: {slack: hooks.slack.com}", "`notify.slack`"),
        ("notify: {telegram: {token: x}}", "`notify.telegram.chat`"),
        ("notify: {on: [sucess]}", "`notify.on.0`"),
    ],
)
def test_a_mistake_in_the_settings_is_named(cli: Cli, text: str, said: str) -> None:
    write_settings(cli, text)
    answer = cli("notify", "--test")
    assert answer.code == 2
    assert said in answer.err
