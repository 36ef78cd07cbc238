"""Where the settings file lies; apart from `settings`, which takes a while to load and is not needed without it."""

from pathlib import Path


def settings_path() -> Path:
    """`settings.yaml` in the platform's configuration folder."""
    from platformdirs import user_config_path

    return user_config_path("yoloqat") / "settings.yaml"
