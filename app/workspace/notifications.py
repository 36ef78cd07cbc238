"""Write the notification settings for runners."""

import json
from pathlib import Path

from app.workspace.settings import Notify, load_settings
from engine.contracts.errors import YoloqatError
from engine.files.atomic import write_text


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
