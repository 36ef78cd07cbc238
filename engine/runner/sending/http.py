"""POST of JSON that arrives whole, or is reported as failed: retries, rate limits and redirects."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import Message
from typing import IO, Any
from urllib.parse import urlsplit

_SECONDS = 10.0
_TRIES = 3
_PAUSE_SECONDS = 2.0
_LONGEST_PAUSE_SECONDS = 60.0
"""A service that asks for more is given up on."""
_TOO_MANY = 429
_SAME_METHOD = (301, 302, 307, 308)
"""Redirects that are followed with method and body. 303 asks for a GET, which would lose the message."""
_ANSWER_BYTES = 4096
_SHOWN = 200


class SendError(Exception):
    """The message did not arrive; the reason names no secret part of the address."""


class _KeepPost(urllib.request.HTTPRedirectHandler):
    """Follows a redirect with the same method and body. urllib itself would send a GET without the message."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request:
        """Return the request for the new address.

        Raises:
            SendError: the redirect cannot be followed without losing the message or its secrecy.
        """
        old, new = urlsplit(req.full_url), urlsplit(newurl)
        if code not in _SAME_METHOD:
            raise SendError(f"the server redirects to {new.hostname} ({code}), which would lose the message")
        if new.scheme not in ("http", "https") or (old.scheme == "https" and new.scheme == "http"):
            raise SendError(f"the server redirects to {new.hostname} by {new.scheme}, which is not followed")
        is_same_host = (old.hostname, old.port) == (new.hostname, new.port)
        repeated = {name: value for name, value in req.header_items() if is_same_host or name != "Authorization"}
        return urllib.request.Request(newurl, req.data, repeated, method=req.get_method())


def post(address: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
    """Post a body as JSON. Try again if the network or the server fails, and after a rate limit.

    Raises:
        SendError: the address is not one, or the message did not arrive.
    """
    if not address.startswith(("http://", "https://")):
        raise SendError("the address must begin with http:// or https://")
    content = {"Content-Type": "application/json", "User-Agent": "yoloqat", **headers}
    opener = urllib.request.build_opener(_KeepPost)
    for left in reversed(range(_TRIES)):
        request = urllib.request.Request(address, json.dumps(body).encode(), content, method="POST")
        try:
            opener.open(request, timeout=_SECONDS).close()
            return
        except urllib.error.HTTPError as error:
            answer = error.read(_ANSWER_BYTES)
            pause = _pause_after(error, answer)
            if not left or pause is None:
                raise SendError(_describe(error, answer)) from error
            time.sleep(pause)
        except (OSError, ValueError) as error:
            if not left or isinstance(error, ValueError):
                raise SendError(_plain(str(getattr(error, "reason", error)))) from error
            time.sleep(_PAUSE_SECONDS)


def _pause_after(error: urllib.error.HTTPError, answer: bytes) -> float | None:
    """Return seconds until the next try; None where another one would be refused, too."""
    if error.code != _TOO_MANY:
        return _PAUSE_SECONDS if error.code >= 500 else None
    # Discord and Telegram say it in the body, everybody in the header.
    said = _of_answer(answer)
    asked = said.get("retry_after") or (said.get("parameters") or {}).get("retry_after") or error.headers["Retry-After"]
    try:
        pause = float(asked)
    except (TypeError, ValueError):
        return _PAUSE_SECONDS
    return max(pause, 0.0) if pause <= _LONGEST_PAUSE_SECONDS else None


def _describe(error: urllib.error.HTTPError, answer: bytes) -> str:
    """Return `HTTP 400: chat not found`, with the service's own words."""
    said = _of_answer(answer)
    texts = (said.get(key) for key in ("description", "message", "error"))
    text = next((text for text in texts if isinstance(text, str)), "") or answer.decode(errors="replace")
    shown = _plain(text) if "<" not in text else ""  # a page for a browser
    return f"HTTP {error.code}: {shown or error.reason}"


def _of_answer(answer: bytes) -> dict[str, Any]:
    try:
        said = json.loads(answer)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _plain(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)[:_SHOWN].strip()
