"""All ways to tell somebody that the settings name, each tried whatever becomes of the others."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from engine.runner.sending.http import post
from engine.runner.sending.local import ring_terminal, run_command
from engine.runner.sending.services import Post, discord_post, ntfy_post, slack_post, telegram_post, webhook_post

_SERVICES: Mapping[str, Callable[[Any, Mapping[str, Any]], Post]] = {
    "webhook": webhook_post,
    "ntfy": ntfy_post,
    "slack": slack_post,
    "discord": discord_post,
    "telegram": telegram_post,
}
WAYS = ("terminal", "command", *_SERVICES)
"""The keys of the settings that name somebody to tell."""


class Delivery(NamedTuple):
    """What became of a message on one way."""

    way: str
    error: str
    """Why it did not arrive; empty when it did."""


def deliver(settings: Mapping[str, Any], message: Mapping[str, Any], terminal: str) -> Iterator[Delivery]:
    """Send a message on every way of the settings.

    Args:
        terminal: the one that launched the run; empty for none.
    """
    for way, send in _ways(settings, message, terminal):
        try:
            send()
        except Exception as error:  # the other ways are still to come
            yield Delivery(way, str(error) or type(error).__name__)
        else:
            yield Delivery(way, "")


def _ways(
    settings: Mapping[str, Any], message: Mapping[str, Any], terminal: str
) -> Iterator[tuple[str, Callable[[], None]]]:
    if settings.get("terminal"):
        yield "terminal", partial(ring_terminal, terminal, message)
    if settings.get("command"):
        yield "command", partial(run_command, str(settings["command"]), message)
    for service, make in _SERVICES.items():
        if settings.get(service):
            yield service, partial(_send, make, settings[service], message)


def _send(make: Callable[[Any, Mapping[str, Any]], Post], settings: Any, message: Mapping[str, Any]) -> None:
    request = make(settings, message)
    post(request.address, request.body, request.headers)
