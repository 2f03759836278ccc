"""How far this machine's clock is from Spotify's."""

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Self

import pytest

from tracks.spotify import clock
from tracks.spotify.errors import Unavailable

NOW = datetime(2026, 11, 23, 7, 0, 0, 999_999, tzinfo=UTC)


class Here(datetime):
    @classmethod
    def now(cls, tz: Any = None) -> Self:
        return cls.fromtimestamp(NOW.timestamp(), tz)


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracks.spotify.clock.datetime", Here)


@pytest.fixture
def spotify(settings: Any) -> Iterator[dict[str, str]]:
    """A server that answers HEAD with a redirect and these headers."""
    headers: dict[str, str] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response_only(302)
            for name, value in {"Location": "http://127.0.0.1:1/", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    settings.SPOTIFY_ACCOUNTS_URL = f"http://127.0.0.1:{server.server_port}"
    yield headers
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=-8))])
@pytest.mark.parametrize("seconds", [0, 90, -90])
def test_the_difference_is_in_whole_seconds_ahead_of_spotify(
    spotify: dict[str, str], seconds: int, zone: timezone
) -> None:
    spotify["Date"] = format_datetime((NOW - timedelta(seconds=seconds)).astimezone(zone))
    assert clock.clock_ahead() == timedelta(seconds=seconds)


def test_a_date_without_a_zone_is_of_utc(spotify: dict[str, str]) -> None:
    spotify["Date"] = "Mon, 23 Nov 2026 06:59:00 -0000"
    assert clock.clock_ahead() == timedelta(seconds=60)


@pytest.mark.parametrize("headers", [{}, {"Date": "yesterday"}])
def test_an_answer_without_a_date_means_later(spotify: dict[str, str], headers: dict[str, str]) -> None:
    spotify.update(headers)
    with pytest.raises(Unavailable):
        clock.clock_ahead()


def test_no_answer_means_later(settings: Any) -> None:
    settings.SPOTIFY_ACCOUNTS_URL = "http://127.0.0.1:1"
    with pytest.raises(Unavailable):
        clock.clock_ahead()


def test_a_server_that_says_nothing_means_later(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracks.spotify.clock.SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.SPOTIFY_ACCOUNTS_URL = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Unavailable):
            clock.clock_ahead()
