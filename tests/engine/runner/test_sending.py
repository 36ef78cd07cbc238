"""Each service gets the request that its documentation asks for, and what does not arrive is reported."""

from collections.abc import Iterator
from typing import Any

import pytest

from engine.runner.sending import http
from engine.runner.sending.services import webhook_post
from engine.runner.sending.ways import deliver
from tests.engine.runner.receiver import Receiver, receiving

TEXT = "relu_qat on box failed: <b> & *4*"
MESSAGE = {
    "event": "failure",
    "run": "relu_qat",
    "host": "box",
    "text": TEXT,
    "reason": "<b> & *4*",
    "attempt": 1,
    "seconds": 3.5,
}


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setattr(http, "_PAUSE_SECONDS", 0.01)
    with receiving() as receiver:
        yield receiver


def send(settings: dict[str, Any], message: dict[str, Any] = MESSAGE) -> str:
    """Send on one way; return the error."""
    [delivery] = deliver(settings, message, "")
    return delivery.error


def test_ntfy_gets_json_at_its_root(receiver: Receiver) -> None:
    assert send({"ntfy": {"topic": f"{receiver.address}/trainings", "token": "tk_secret"}}) == ""
    [request] = receiver.requests
    assert (request.method, request.path) == ("POST", "/")
    assert request.headers["authorization"] == "Bearer tk_secret"
    assert request.headers["content-type"] == "application/json"
    assert request.body == {
        "topic": "trainings",
        "title": "relu_qat on box",
        "message": TEXT,
        "tags": ["warning"],
        "priority": 4,
    }


def test_ntfy_does_not_alarm_for_good_news(receiver: Receiver) -> None:
    send({"ntfy": {"topic": f"{receiver.address}/t"}}, {**MESSAGE, "event": "success"})
    [request] = receiver.requests
    assert "authorization" not in request.headers
    assert (request.body["tags"], request.body["priority"]) == (["white_check_mark"], 3)


def test_slack_gets_text_with_its_three_entities(receiver: Receiver) -> None:
    assert send({"slack": f"{receiver.address}/services/T0/B0/x"}) == ""
    [request] = receiver.requests
    assert request.path == "/services/T0/B0/x"
    assert request.body == {"text": "relu_qat on box failed: &lt;b&gt; &amp; *4*", "mrkdwn": False}


def test_discord_gets_content_that_mentions_nobody(receiver: Receiver) -> None:
    receiver.answers.append((204, {}, ""))
    assert send({"discord": f"{receiver.address}/api/webhooks/1/x"}) == ""
    [request] = receiver.requests
    content = r"relu\_qat on box failed: <b\> & \*4\*"
    assert request.body == {"content": content, "allowed_mentions": {"parse": []}}


def test_discord_takes_2000_characters(receiver: Receiver) -> None:
    send({"discord": receiver.address}, {**MESSAGE, "text": "x" * 3000})
    assert len(receiver.requests[0].body["content"]) == 2000


def test_telegram_gets_a_message_of_the_bot(receiver: Receiver) -> None:
    receiver.answers.append((200, {}, '{"ok": true, "result": {}}'))
    assert send({"telegram": {"token": "12:AB", "chat": -100, "server": receiver.address}}) == ""
    [request] = receiver.requests
    assert request.path == "/bot12:AB/sendMessage"
    assert request.body == {"chat_id": -100, "text": TEXT}


def test_any_other_webhook_gets_the_whole_message(receiver: Receiver) -> None:
    assert send({"webhook": f"{receiver.address}/hook"}) == ""
    assert receiver.requests[0].body == MESSAGE


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("https://hooks.slack.com/services/T0/B0/x", "text"),
        ("https://discord.com/api/webhooks/1/x", "content"),
        ("https://discordapp.com/api/webhooks/1/x", "content"),
    ],
)
def test_a_plain_webhook_of_a_chat_program_gets_what_that_expects(address: str, key: str) -> None:
    assert key in webhook_post(address, MESSAGE).body
    assert "run" not in webhook_post(address, MESSAGE).body


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_keeps_method_and_body(receiver: Receiver, status: int) -> None:
    receiver.answers.append((status, {"Location": f"{receiver.address}/moved"}, ""))
    assert send({"webhook": f"{receiver.address}/hook"}) == ""
    assert [(request.method, request.path, request.body) for request in receiver.requests] == [
        ("POST", "/hook", MESSAGE),
        ("POST", "/moved", MESSAGE),
    ]


def test_a_redirect_that_would_lose_the_message_is_a_failure(receiver: Receiver) -> None:
    receiver.answers.append((303, {"Location": f"{receiver.address}/moved"}, ""))
    assert send({"webhook": f"{receiver.address}/hook"}) == (
        "the server redirects to 127.0.0.1 (303), which would lose the message"
    )
    assert len(receiver.requests) == 1


def test_a_redirect_to_another_scheme_is_a_failure(receiver: Receiver) -> None:
    receiver.answers.append((307, {"Location": "file:///etc/passwd"}, ""))
    assert "redirect" in send({"webhook": f"{receiver.address}/hook"}).lower()


def test_a_redirect_to_another_server_gets_no_token(receiver: Receiver) -> None:
    with receiving() as other:
        receiver.answers.append((308, {"Location": f"{other.address}/"}, ""))
        assert send({"ntfy": {"topic": f"{receiver.address}/t", "token": "tk_secret"}}) == ""
        assert other.requests[0].body["topic"] == "t"
        assert "authorization" not in other.requests[0].headers


def test_a_circle_of_redirects_is_a_failure(receiver: Receiver) -> None:
    receiver.answers += [(307, {"Location": f"{receiver.address}/hook"}, "")] * 40
    assert "307" in send({"webhook": f"{receiver.address}/hook"})


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Retry-After": "0"}, ""),
        ({}, '{"retry_after": 0.01}'),
        ({}, '{"ok": false, "parameters": {"retry_after": 0.01}}'),
    ],
)
def test_a_rate_limit_is_waited_for(receiver: Receiver, headers: dict[str, str], body: str) -> None:
    receiver.answers.append((429, headers, body))
    assert send({"webhook": receiver.address}) == ""
    assert len(receiver.requests) == 2


def test_a_server_that_fails_is_tried_three_times(receiver: Receiver) -> None:
    receiver.answers += [(503, {}, "")] * 3
    assert send({"webhook": receiver.address}) == "HTTP 503: Service Unavailable"
    assert len(receiver.requests) == 3


@pytest.mark.parametrize(
    ("status", "answer", "error"),
    [
        (400, '{"ok": false, "description": "Bad Request: chat not found"}', "HTTP 400: Bad Request: chat not found"),
        (404, '{"message": "Unknown Webhook", "code": 10015}', "HTTP 404: Unknown Webhook"),
        (403, "action_prohibited", "HTTP 403: action_prohibited"),
        (404, "<html>\x1b[2J</html>", "HTTP 404: Not Found"),
    ],
)
def test_a_refusal_is_told_in_the_services_words_and_not_repeated(
    receiver: Receiver, status: int, answer: str, error: str
) -> None:
    receiver.answers.append((status, {}, answer))
    assert send({"webhook": f"{receiver.address}/secret"}) == error
    assert len(receiver.requests) == 1


def test_one_way_that_fails_keeps_no_other_from_being_used(receiver: Receiver) -> None:
    settings = {"command": "exit 3", "slack": "ftp://nowhere/", "discord": receiver.address}
    deliveries = {delivery.way: delivery.error for delivery in deliver(settings, MESSAGE, "")}
    assert deliveries == {
        "command": "exit code 3",
        "slack": "the address must begin with http:// or https://",
        "discord": "",
    }
