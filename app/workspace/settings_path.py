"""The path of the settings file; apart from `settings`, whose import takes 0.1 s."""

from pathlib import Path


def settings_path() -> Path:
    """Return the path of `settings.yaml` in the platform's configuration folder."""
    from platformdirs import user_config_path

    return user_config_path("yoloqat") / "settings.yaml"
