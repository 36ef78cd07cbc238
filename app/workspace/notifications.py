"""Write the notification settings for runners, and try them out."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

from app.workspace.settings import Notify, load_settings
from app.workspace.settings_path import settings_path
from engine.contracts.errors import YoloqatError
from engine.files.atomic import write_text
from engine.runner.sending.ways import WAYS, Delivery, deliver


def write_notify_file() -> str:
    """Write the `notify` settings as JSON for runners, and return the path; empty when no notification is set.

    A runner does not read YAML. Only the user may read the file: a webhook's address is a secret.

    Raises:
        YoloqatError: the settings are invalid, or the file cannot be written.
    """
    notify_settings = load_settings().notify
    if notify_settings == Notify():
        return ""
    from platformdirs import user_state_path

    path: Path = user_state_path("yoloqat") / "notify.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(notify_settings.model_dump()), mode=0o600)
    except OSError as error:
        raise YoloqatError(f"cannot write the notification settings: {error.strerror}", where=str(path)) from error
    return str(path)


def send_test(terminal: str) -> Iterator[Delivery]:
    """Send a test message on every way of the settings, one after the other.

    Args:
        terminal: the terminal of this process; empty for none.

    Raises:
        YoloqatError: the settings cannot be used, or name no way.
    """
    settings = load_settings().notify.model_dump()
    if not any(settings[way] for way in WAYS):
        raise YoloqatError(
            "the settings name nobody to notify",
            where=str(settings_path()),
            hint="Add `notify:` with ntfy, slack, discord, telegram, webhook, command or terminal.",
        )
    host = os.uname().nodename
    message = {
        "event": "test",
        "run": "yoloqat",
        "id": "",
        "stage": "",
        "attempt": 0,
        "reason": "",
        "seconds": None,
        "host": host,
        "folder": "",
        "text": f"yoloqat on {host} sends a test message",
    }
    return deliver(settings, message, terminal)
