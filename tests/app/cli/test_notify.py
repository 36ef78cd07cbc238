"""`yoloqat notify --test`, and the settings that it tries out."""

from pathlib import Path

import pytest

from tests.app.cli.conftest import Cli
from tests.engine.runner.receiver import receiving


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
