"""`manage.py doctor` and `manage.py rotate_token_key`: what an operator runs by hand."""

import time
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from allauth.socialaccount.models import SocialToken
from django.conf import settings as project
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db.migrations.recorder import MigrationRecorder
from django.test import override_settings
from django.utils import timezone

from simulator import Fault, Simulator
from tests.conftest import Browser, Manage
from tracks.etl.service import refresh
from tracks.models import Listener, SpotifyPause
from tracks.spotify.tokens import decrypt

pytestmark = pytest.mark.django_db


PRODUCTION = {
    "ALLOWED_HOSTS": ["top.example.com", "127.0.0.1"],
    "BEHIND_PROXY": True,
    "SECURE_SSL_REDIRECT": True,
    "SESSION_COOKIE_SECURE": True,
    "CSRF_COOKIE_SECURE": True,
    "SECURE_HSTS_SECONDS": 3600,
    "SILENCED_SYSTEM_CHECKS": [*project.SILENCED_SYSTEM_CHECKS, "security.W005", "security.W021"],
}


def doctor(**changes: Any) -> tuple[int, str]:
    """Exit code and output under production settings, with changes."""
    out = StringIO()
    with override_settings(**PRODUCTION | changes):
        try:
            call_command("doctor", stdout=out, no_color=True)
        except CommandError as error:
            return error.returncode, out.getvalue()
    return 0, out.getvalue()


def test_a_site_in_order_gets_only_ok(listener: Listener) -> None:
    code, out = doctor()
    assert (code, out.count("FAIL")) == (0, 0), out
    assert out.count("ok  ") == 8
    assert "https://top.example.com/accounts/spotify/login/callback/" in out


def test_before_the_first_sign_in_it_says_where_to_go(db: None, simulator: Simulator) -> None:
    code, out = doctor()
    assert code == 1 and "Open /login" in out


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state": "needs_sign_in"}, "The host opens /login"),
        ({"authorized_at": timezone.now() - timedelta(days=160)}, "it lapses on"),
        ({"refreshed_at": timezone.now() - timedelta(hours=30)}, "Does cron run"),
        ({"refreshed_at": None}, "none has worked yet"),
    ],
)
def test_each_trouble_with_the_sign_in_has_its_cure(listener: Listener, changes: dict[str, Any], words: str) -> None:
    Listener.objects.update(**changes)
    code, out = doctor()
    assert code == 1 and out.count("FAIL") == 1 and words in out


def test_tokens_that_the_key_does_not_read_are_told(listener: Listener) -> None:
    code, out = doctor(SECRET_KEY="another " * 10)
    assert code == 1 and "FAIL Sign-in: its tokens cannot be read with this SECRET_KEY." in out


def test_settings_that_lack_something_are_named(listener: Listener) -> None:
    assert "SPOTIPY_CLIENT_ID is not set" in doctor(SPOTIPY_CLIENT_ID="")[1]
    assert "plain http" in doctor(BEHIND_PROXY=False)[1]


@pytest.mark.parametrize("minutes", [10, -10])
def test_a_clock_that_is_off_is_told(
    listener: Listener, monkeypatch: pytest.MonkeyPatch, simulator: Simulator, minutes: int
) -> None:
    class Off(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return super().now(tz) + timedelta(minutes=minutes)

    monkeypatch.setattr("tracks.spotify.clock.datetime", Off)
    code, out = doctor()
    assert code == 1 and ("600 s ahead" if minutes > 0 else "600 s behind") in out


def test_a_clock_that_is_off_does_not_stop_refreshes(
    listener: Listener, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now
    for minutes in (10, -10):
        monkeypatch.setattr(timezone, "now", lambda by=timedelta(minutes=minutes): now() + by)
        assert refresh(listener=Listener.objects.get(), trigger="cron", force=True).ok


def test_a_spotify_that_cannot_be_reached_and_a_pause_are_told(listener: Listener, simulator: Simulator) -> None:
    assert "Spotify: no answer" in doctor(SPOTIFY_ACCOUNTS_URL="http://127.0.0.1:1")[1]
    SpotifyPause.objects.create(service="api", until=timezone.now() + timedelta(hours=1))
    simulator.calls.clear()
    assert "asked this app to wait" in doctor()[1]
    assert simulator.calls == []


def test_it_asks_what_the_sign_in_asks(listener: Listener, simulator: Simulator) -> None:
    simulator.calls.clear()
    doctor()
    asked = [(call.method, call.path, call.body) for call in simulator.calls if call.method != "HEAD"]
    assert asked == [("POST", "/api/token", {"grant_type": "client_credentials"}), ("GET", "/v1/me", {})]


def test_credentials_that_spotify_refuses_are_told(listener: Listener) -> None:
    code, out = doctor(SPOTIPY_CLIENT_SECRET="hunter2")
    assert code == 1 and out.count("FAIL") == 1 and "FAIL Credentials: Spotify does not accept them." in out
    assert "hunter2" not in out


def test_addresses_that_are_not_spotifys_are_told(listener: Listener, simulator: Simulator) -> None:
    code, out = doctor(SPOTIFY_API_URL=simulator.url)
    assert code == 1 and out.count("FAIL") == 1
    assert f"SPOTIFY_API_URL lacks the /v1 at its end: {simulator.url}/v1" in out
    code, out = doctor(SPOTIFY_API_URL=f"{simulator.url}/v2/v1")
    assert code == 1 and out.count("FAIL") == 1 and f"there is none at {simulator.url}/v2/v1" in out
    code, out = doctor(SPOTIFY_ACCOUNTS_URL=f"{simulator.url}/v1")
    assert code == 1 and out.count("FAIL") == 1 and "is not Spotify's accounts service" in out


@pytest.mark.parametrize(
    ("path", "fault", "words"),
    [
        ("/api/token", Fault(status=503), "Credentials: Spotify answered with status 503"),
        ("/api/token", Fault.json(200, {"hello": "there"}), "Credentials: Spotify sent a token that cannot be read"),
        ("/v1/me", Fault.html(502), "Web API: Spotify answered with status 502"),
        ("/v1/me", Fault.html(404), "Web API: there is none at"),
        ("/v1/me", Fault.json(200, {"hello": "there"}), "Web API: there is none at"),
    ],
)
def test_what_answers_badly_is_told(
    listener: Listener, simulator: Simulator, path: str, fault: Fault, words: str
) -> None:
    simulator.fault(path, fault)
    code, out = doctor()
    assert code == 1 and out.count("FAIL") == 1 and words in out


def test_an_answer_that_drips_does_not_hold_it_up(
    listener: Listener, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracks.management.commands.doctor.SPOTIFY_SECONDS", 0.5)
    simulator.fault("/v1/me", Fault(drip_body=0.1))
    started = time.monotonic()
    assert "Web API: Spotify took too long to answer" in doctor()[1]
    assert time.monotonic() - started < 12


def test_a_wait_that_spotify_asks_of_it_is_told_and_kept(listener: Listener, simulator: Simulator) -> None:
    simulator.fault("/api/token", Fault.rate_limited(600))
    simulator.calls.clear()
    code, out = doctor()
    assert code == 1 and out.count("FAIL") == 1 and "asked this app to wait" in out
    assert [call.path for call in simulator.calls if call.method != "HEAD"] == ["/api/token"]
    assert SpotifyPause.objects.get().until > timezone.now() + timedelta(seconds=590)


def test_it_names_the_port_that_the_site_has(manage: Manage, db: None, simulator: Simulator) -> None:
    out = manage("doctor", DEBUG="on", PORT="8090").stdout
    assert "http://127.0.0.1:8090/accounts/spotify/login/callback/" in out and "8000" not in out


@pytest.mark.database
def test_pending_migrations_are_told(listener: Listener) -> None:
    MigrationRecorder.Migration.objects.filter(app="tracks").latest("id").delete()
    assert "1 migrations are pending" in doctor()[1]


def test_an_unreachable_database_is_told_without_a_secret(db: None, simulator: Simulator, manage: Manage) -> None:
    result = manage("doctor", DATABASE_URL="postgres://joe:hunter2@127.0.0.1:1/nothing")
    assert result.returncode == 1 and "Check DATABASE_URL" in result.stdout
    assert "hunter2" not in result.stdout + result.stderr and "Traceback" not in result.stderr


# Keys


def test_rotating_the_key_lets_the_old_one_go(host: Browser, settings: Any, simulator: Simulator) -> None:
    old, settings.SECRET_KEY = settings.SECRET_KEY, "a new key"
    settings.SECRET_KEY_FALLBACKS = [old]
    out = StringIO()
    call_command("rotate_token_key", stdout=out)
    assert "1 sign-in encrypted" in out.getvalue()
    settings.SECRET_KEY_FALLBACKS = []
    assert decrypt(SocialToken.objects.get().token_secret) in simulator.refresh_tokens
    assert refresh(listener=Listener.objects.get(), trigger="cron", force=True).ok


def test_a_token_that_no_key_reads_is_told_and_kept(host: Browser, settings: Any) -> None:
    stored = SocialToken.objects.get().token
    settings.SECRET_KEY = "a new key"
    with pytest.raises(CommandError, match="SECRET_KEY_FALLBACKS"):
        call_command("rotate_token_key", stdout=StringIO())
    assert SocialToken.objects.get().token == stored
