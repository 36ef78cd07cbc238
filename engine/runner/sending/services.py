"""What each service expects: address, headers and JSON body of a message.

Written after the services' own documentation: ntfy (publish as JSON), Slack (incoming webhooks), Discord (execute
webhook), Telegram (sendMessage of the Bot API).
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

GOOD_EVENTS = ("success", "best", "test")
_DISCORD_CHARACTERS, _TELEGRAM_CHARACTERS = 2000, 4096
_MARKDOWN = re.compile(r"([\\*_~`|>\[\]])")
_NTFY_HIGH, _NTFY_DEFAULT = 4, 3
_SLACK_ENTITIES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"))
"""The only characters that Slack wants escaped; the ampersand goes first."""


class Post(NamedTuple):
    """One HTTP request."""

    address: str
    body: dict[str, Any]
    headers: dict[str, str]


def ntfy_post(settings: Mapping[str, Any], message: Mapping[str, Any]) -> Post:
    """Post to ntfy: JSON to the root of the server, naming the topic, because headers take no Unicode.

    Args:
        settings: `topic`, the address of the topic, and a `token` for a protected one.
    """
    server, _, topic = str(settings["topic"]).rstrip("/").rpartition("/")
    is_good = message["event"] in GOOD_EVENTS
    body = {
        "topic": topic,
        "title": f"{message['run']} on {message['host']}",
        "message": message["text"],
        "tags": ["white_check_mark" if is_good else "warning"],
        "priority": _NTFY_DEFAULT if is_good else _NTFY_HIGH,
    }
    token = settings.get("token")
    return Post(f"{server}/", body, {"Authorization": f"Bearer {token}"} if token else {})


def slack_post(address: str, message: Mapping[str, Any]) -> Post:
    """Post to Slack, as plain text: underscores in a name must not turn it italic."""
    text = str(message["text"])
    for character, entity in _SLACK_ENTITIES:
        text = text.replace(character, entity)
    return Post(address, {"text": text, "mrkdwn": False}, {})


def discord_post(address: str, message: Mapping[str, Any]) -> Post:
    """Post to Discord, without mentions: a run called `@everyone` must wake nobody."""
    text = _MARKDOWN.sub(r"\\\1", str(message["text"]))
    return Post(address, {"content": text[:_DISCORD_CHARACTERS], "allowed_mentions": {"parse": []}}, {})


def telegram_post(settings: Mapping[str, Any], message: Mapping[str, Any]) -> Post:
    """Post to Telegram, as plain text: no `parse_mode` is given.

    Args:
        settings: the bot's `token`, the `chat`, and the `server` where it is not Telegram's own.
    """
    server = str(settings.get("server") or "https://api.telegram.org").rstrip("/")
    body = {"chat_id": settings["chat"], "text": str(message["text"])[:_TELEGRAM_CHARACTERS]}
    return Post(f"{server}/bot{settings['token']}/sendMessage", body, {})


def webhook_post(address: str, message: Mapping[str, Any]) -> Post:
    """Return the whole message; a chat program whose host tells which one it is gets what it expects."""
    host = urlsplit(address).hostname or ""
    if host == "hooks.slack.com":
        return slack_post(address, message)
    if host in ("discord.com", "discordapp.com"):
        return discord_post(address, message)
    return Post(address, dict(message), {})
