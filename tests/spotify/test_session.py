"""The one way out: what each answer means, and how long and how large it may be."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.utils import timezone

from simulator import Fault, Simulator
from tests.helpers import TOKEN, TOP, wait_until
from tracks.models import SpotifyPause
from tracks.spotify import session as module
from tracks.spotify.errors import (
    AccessTokenRefused,
    BadCredentials,
    NotAllowed,
    RateLimited,
    RequestRefused,
    SignInNeeded,
    SpotifyError,
    Unavailable,
)
from tracks.spotify.session import BoundedSession

pytestmark = pytest.mark.django_db

UNREADABLE = "Spotify sent an answer that cannot be read; the last chart stays. Try again later."
UNREACHABLE = "Spotify could not be reached; the last chart stays. Try again later."
TOO_LONG = "Spotify took too long to answer; the last chart stays. Try again later."
TOO_LARGE = "Spotify's answer was too large to be real; the last chart stays."
NO_PERMISSION = "The sign-in did not include the permission to read top songs; the host must sign in again."


def address(simulator: Simulator, path: str = TOP) -> str:
    return simulator.accounts_url + path if path == TOKEN else simulator.api_url.removesuffix("/v1") + path


def ask(simulator: Simulator, fault: Fault, path: str = TOP, *, seconds: float = 10) -> requests.Response:
    simulator.fault(path, fault)
    return BoundedSession(seconds=seconds).get(address(simulator, path))


def error(status: int, **details: Any) -> Fault:
    return Fault.json(status, {"error": {"status": status, **details}})


def failed_with(status: int) -> str:
    return f"Spotify answered with status {status}; the last chart stays. Try again later."


def refused_with(status: int) -> str:
    return f"Spotify refused the request with status {status}; the last chart stays. Please report this."


# What an answer means


@pytest.mark.parametrize("status", [200, 201, 299])
def test_an_object_of_json_is_the_answer(simulator: Simulator, status: int) -> None:
    response = ask(simulator, Fault.json(status, {"error": "invalid_grant", "a": "ñ"}))
    assert (response.status_code, response.json()) == (status, {"error": "invalid_grant", "a": "ñ"})


@pytest.mark.parametrize(("sent", "read"), [("text/html", "text/html"), (None, "application/json")])
def test_an_answer_without_a_type_is_json(simulator: Simulator, sent: str | None, read: str) -> None:
    # The simulator always names a type; what comes without one is built here.
    response = requests.Response()
    response.status_code, response._content, response.url = 200, b"{}", address(simulator)
    if sent:
        response.headers["Content-Type"] = sent
    module._raise_for_status(response)
    assert response.headers["Content-Type"] == read


@pytest.mark.parametrize(
    ("fault", "kind", "message"),
    [
        (Fault.json(200, []), Unavailable, UNREADABLE),
        (Fault.json(200, None), Unavailable, UNREADABLE),
        (Fault.html(200), Unavailable, UNREADABLE),
        (Fault(status=200, body=b"\xff\xfe{}"), Unavailable, UNREADABLE),
        (Fault(status=200, body=b"[" * 100_000), Unavailable, UNREADABLE),
        (Fault(status=204, body=""), Unavailable, UNREADABLE),
        (Fault.json(300, {}), Unavailable, failed_with(300)),
        (Fault(status=302, body="{}", headers={"Location": "http://127.0.0.1:1/"}), Unavailable, failed_with(302)),
        (Fault.json(399, {}), Unavailable, failed_with(399)),
        (Fault.json(400, {}), RequestRefused, refused_with(400)),
        (Fault.json(400, []), RequestRefused, refused_with(400)),
        (Fault(status=400, body="no JSON"), RequestRefused, refused_with(400)),
        (Fault.json(400, {"error": "invalid_request"}), RequestRefused, refused_with(400)),
        (error(400, reason="invalid_grant"), RequestRefused, refused_with(400)),
        (Fault.json(400, {"error": "invalid_grant"}), SignInNeeded, None),
        (Fault.json(401, {"error": "invalid_grant"}), SignInNeeded, None),
        (Fault.json(400, {"error": "invalid_client"}), BadCredentials, None),
        (Fault.json(401, {"error": "invalid_client"}), BadCredentials, None),
        (Fault.json(400, {"error": "unauthorized_client"}), BadCredentials, None),
        (Fault.json(402, {"error": "invalid_grant"}), RequestRefused, refused_with(402)),
        (error(401, message="The access token expired"), AccessTokenRefused, None),
        (Fault.html(401), AccessTokenRefused, None),
        (error(403, message="Insufficient client scope"), SignInNeeded, NO_PERMISSION),
        (error(403, message="Insufficient client SCOPE"), SignInNeeded, NO_PERMISSION),
        (error(401, message="Insufficient client scope"), AccessTokenRefused, None),
        (error(403, message="User not registered"), NotAllowed, None),
        (error(403, message=["x"]), NotAllowed, None),
        (error(403), NotAllowed, None),
        (Fault.json(403, []), NotAllowed, None),
        (Fault.not_registered(), NotAllowed, None),
        (Fault.json(404, {}), RequestRefused, refused_with(404)),
        (Fault.json(408, {}), Unavailable, UNREACHABLE),
        (Fault.json(425, {}), Unavailable, UNREACHABLE),
        (Fault.json(499, {}), RequestRefused, refused_with(499)),
        (Fault.json(500, {}), Unavailable, failed_with(500)),
        (Fault.html(502), Unavailable, failed_with(502)),
        (Fault.json(599, {}), Unavailable, failed_with(599)),
        (Fault(drop=True), Unavailable, UNREACHABLE),
        (Fault(truncate=True), Unavailable, UNREACHABLE),
        (Fault(reset=True), Unavailable, UNREACHABLE),
    ],
    ids=lambda value: str(value)[:30].replace("\\", "") if isinstance(value, Fault) else None,
)
def test_what_an_answer_means(
    simulator: Simulator, fault: Fault, kind: type[SpotifyError], message: str | None
) -> None:
    with pytest.raises(kind) as raised:
        ask(simulator, fault)
    assert type(raised.value) is kind
    assert str(raised.value) == str(message or kind.message)
    assert len(simulator.calls) == 1  # never tried again
    assert not SpotifyPause.objects.exists()


@pytest.mark.parametrize(("path", "service"), [(TOP, "api"), (TOKEN, "accounts")])
@pytest.mark.parametrize(("quota", "seconds"), [(False, 60), (True, 3600)])
def test_a_429_is_remembered_for_the_service_that_sent_it(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, path: str, service: str, quota: bool, seconds: int
) -> None:
    now = timezone.now()
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)
    with pytest.raises(RateLimited) as raised:
        ask(simulator, Fault.rate_limited(None, quota=quota), path)
    assert raised.value.until == now + timedelta(seconds=seconds)
    pause = SpotifyPause.objects.get()
    assert (pause.service, pause.until) == (service, raised.value.until)


@pytest.mark.parametrize("body", ["[]", "Too many", '{"error": "QUOTA_EXCEEDED"}', '{"error": {"reason": "OTHER"}}'])
def test_a_429_that_does_not_speak_of_the_quota_is_of_the_window(simulator: Simulator, body: str) -> None:
    with pytest.raises(RateLimited) as raised:
        ask(simulator, Fault(status=429, body=body))
    assert timedelta(seconds=50) < raised.value.until - timezone.now() <= timedelta(seconds=60)


# Pauses keep us from calling


def pause(service: str) -> None:
    SpotifyPause.objects.create(service=service, until=timezone.now() + timedelta(hours=1))


def test_while_the_api_has_a_pause_no_session_begins(simulator: Simulator) -> None:
    pause("api")
    with pytest.raises(RateLimited):
        BoundedSession(seconds=10)


def test_while_the_accounts_service_has_a_pause_only_the_api_is_asked(simulator: Simulator) -> None:
    pause("accounts")
    session = BoundedSession(seconds=10)
    with pytest.raises(RateLimited):
        session.post(address(simulator, TOKEN))
    assert not simulator.calls
    simulator.fault(TOP, Fault.json(200, {}))
    assert session.get(address(simulator)).ok


# What is sent


def test_the_callers_headers_are_sent_and_no_netrc_replaces_them(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "netrc").write_text("default login joe password hunter2\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    simulator.fault(TOP, Fault.json(200, {}))
    BoundedSession(seconds=10).get(address(simulator), headers={"Authorization": "Bearer x"}, params={"limit": 3})
    (call,) = simulator.calls
    assert (call.headers["authorization"], call.query) == ("Bearer x", {"limit": "3"})


@pytest.mark.parametrize("options", [{}, {"timeout": 0.001, "allow_redirects": True, "stream": False}])
def test_no_caller_changes_the_bounds(simulator: Simulator, options: dict[str, Any]) -> None:
    simulator.fault(TOP, Fault(status=302, delay=0.1, headers={"Location": address(simulator, TOKEN)}))
    with pytest.raises(Unavailable) as raised:
        BoundedSession(seconds=10).get(address(simulator), **options)
    assert str(raised.value) == failed_with(302)
    assert [call.path for call in simulator.calls] == [TOP]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_both_schemes_are_bounded_and_never_tried_again(simulator: Simulator, scheme: str) -> None:
    adapter: Any = BoundedSession(seconds=10).get_adapter(f"{scheme}://example.org/")
    assert adapter.max_retries.total == 0 and hasattr(adapter, "hang_up")


# How large


@pytest.mark.parametrize(("length", "accepted"), [(5_000_000, True), (5_000_001, False)])
def test_an_answer_has_at_most_5_million_bytes(simulator: Simulator, length: int, accepted: bool) -> None:
    body = json.dumps({"a": "x" * (length - len('{"a": ""}'))})
    if accepted:
        assert len(ask(simulator, Fault(status=200, body=body)).content) == length
        return
    with pytest.raises(Unavailable) as raised:
        ask(simulator, Fault(status=200, body=body))
    assert str(raised.value) == TOO_LARGE


@pytest.mark.parametrize("fault", [Fault(endless=True), Fault(size=6_000_000, gzip=True)])
def test_what_is_too_large_is_not_read_to_its_end(simulator: Simulator, fault: Fault) -> None:
    with pytest.raises(Unavailable) as raised:
        ask(simulator, fault)
    assert str(raised.value) == TOO_LARGE


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def answer_once(server: socket.socket, *parts: bytes) -> list[bytes]:
    """Answers the next request with these parts, and waits for the caller to hang up; returns what was asked."""
    asked: list[bytes] = []

    def serve() -> None:
        connection, _ = server.accept()
        with connection, contextlib.suppress(OSError):
            asked.append(connection.recv(65536))
            for part in parts:
                connection.sendall(part)
            connection.recv(1)

    threading.Thread(target=serve, daemon=True).start()
    return asked


def test_what_is_too_large_is_refused_before_the_rest_arrives(server: socket.socket) -> None:
    answer_once(server, b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n", b" " * 5_100_000)
    with pytest.raises(Unavailable) as raised:
        BoundedSession(seconds=5).get(f"http://127.0.0.1:{server.getsockname()[1]}/")
    assert str(raised.value) == TOO_LARGE


def test_a_proxy_that_the_environment_names_is_used(server: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.getsockname()[1]}")
    asked = answer_once(server, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    assert BoundedSession(seconds=5).get("http://spotify.example/v1/me").json() == {}
    assert asked[0].startswith(b"GET http://spotify.example/v1/me HTTP/1.1\r\n")


# How long


def calls_at_work() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if isinstance(thread, module._Call)]


def test_a_call_that_hangs_does_not_keep_the_process_from_ending() -> None:
    assert module._Call(requests.Response).daemon is True


@pytest.mark.parametrize(
    "fault",
    [Fault(drip_headers=0.05), Fault(drip_body=0.05), Fault(delay=5), Fault.hang(5)],
    ids=["headers", "body", "delay", "hang"],
)
def test_whatever_drips_or_says_nothing_ends_in_time_and_is_hung_up_on(simulator: Simulator, fault: Fault) -> None:
    started = time.monotonic()
    with pytest.raises(Unavailable) as raised:
        ask(simulator, fault, seconds=0.4)
    assert str(raised.value) == TOO_LONG
    assert 0.35 < time.monotonic() - started < 3
    wait_until(lambda: not calls_at_work(), seconds=3)


def test_the_time_is_one_for_all_calls_of_a_session(simulator: Simulator) -> None:
    simulator.fault(TOP, Fault(status=200, delay=0.3))
    session = BoundedSession(seconds=0.5)
    assert session.get(address(simulator)).ok
    with pytest.raises(Unavailable) as raised:
        session.get(address(simulator))
    assert str(raised.value) == TOO_LONG


def test_once_the_time_is_up_nobody_is_called(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    session = BoundedSession(seconds=10)
    now = session.deadline
    called: list[threading.Thread] = []
    monkeypatch.setattr("tracks.spotify.session.time.monotonic", lambda: now)
    monkeypatch.setattr(module._Call, "start", called.append)
    with pytest.raises(Unavailable) as raised:
        session.get(address(simulator))
    assert str(raised.value) == TOO_LONG
    assert not called


def test_a_session_begins_with_all_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracks.spotify.session.time.monotonic", lambda: 1000.0)
    assert BoundedSession(seconds=10).deadline == 1010


def test_a_connection_is_used_for_several_calls(simulator: Simulator) -> None:
    session = BoundedSession(seconds=10)
    for _ in range(2):
        with pytest.raises(AccessTokenRefused):
            session.get(address(simulator))
    adapter: Any = session.get_adapter(simulator.api_url)
    assert len(adapter.connections) == 1


def test_a_call_that_fails_leaves_nothing_of_the_address_in_the_log(
    simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="tracks.spotify.session")
    with pytest.raises(Unavailable):
        BoundedSession(seconds=10).get("http://127.0.0.1:1/secret")
    assert "Call to Spotify failed: ConnectionError" in caplog.text and "secret" not in caplog.text
