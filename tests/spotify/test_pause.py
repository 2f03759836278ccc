"""Spotify says wait: to one of its services, which is not the other. And a bound on what visitors may spend."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from django.utils import timezone

from simulator import Fault, Simulator
from tests.conftest import Browser
from tests.helpers import at_once
from tracks.etl.service import refresh
from tracks.models import CodeExchanges, Listener, SpotifyPause
from tracks.spotify import exchanges, pause
from tracks.spotify.errors import RateLimited, TooManySignIns

pytestmark = [pytest.mark.django_db, pytest.mark.database]

CALLBACK = "/accounts/spotify/login/callback/"
TOKEN, TOP = "/api/token", "/v1/me/top/tracks"


def junk(simulator: Simulator) -> Any:
    """A visitor's answer who comes back with a made-up code, and a state of ours."""
    browser = Browser()
    state = browser.start_sign_in().split("state=")[1].split("&")[0]
    simulator.calls.clear()
    return browser.get(f"{CALLBACK}?code=junk&state={state}")


def test_wait_for_a_junk_code_stops_no_refresh(listener: Listener, simulator: Simulator) -> None:
    simulator.fault(TOKEN, Fault.rate_limited(3600))
    answer = junk(simulator)
    assert answer.status_code == 503 and int(answer["Retry-After"]) > 3590
    assert SpotifyPause.objects.get().service == "accounts"
    simulator.calls.clear()
    assert refresh(listener=listener, trigger="cron", force=True).ok
    assert {call.path for call in simulator.calls} == {TOP}


def test_while_the_accounts_service_has_a_pause_nobody_asks_it(listener: Listener, simulator: Simulator) -> None:
    simulator.fault(TOKEN, Fault.rate_limited(3600))
    junk(simulator)
    simulator.clear_faults()
    assert junk_is_refused_without_a_call(simulator)
    simulator.expire_access_tokens()
    result = refresh(listener=listener, trigger="cron", force=True)
    assert result.outcome == "rate_limited"
    assert TOKEN not in {call.path for call in simulator.calls}


def junk_is_refused_without_a_call(simulator: Simulator) -> bool:
    simulator.calls.clear()
    return Browser().press("/accounts/spotify/login/").status_code == 503 and not simulator.calls


def test_a_pause_of_the_api_spends_no_code_and_asks_nobody(host: Browser, simulator: Simulator) -> None:
    waiting = Browser()
    address = waiting.start_sign_in()
    listener = Listener.objects.get()
    simulator.fault(TOP, Fault.rate_limited(3600))
    assert refresh(listener=listener, trigger="cron", force=True).outcome == "rate_limited"
    assert SpotifyPause.objects.get().service == "api"
    simulator.clear_faults()
    simulator.calls.clear()
    answer = waiting.come_back(address)
    assert answer.status_code == 503 and b"asked this app to wait" in answer.content
    assert {call.path for call in simulator.calls} <= {"/authorize"}
    assert not CodeExchanges.objects.exists()
    assert refresh(listener=listener, trigger="cron", force=True).outcome == "rate_limited"
    assert junk_is_refused_without_a_call(simulator)


def test_two_pauses_end_each_in_its_time(listener: Listener, simulator: Simulator) -> None:
    SpotifyPause.objects.create(service="accounts", until=timezone.now() + timedelta(hours=1))
    SpotifyPause.objects.create(service="api", until=timezone.now() + timedelta(hours=2))
    answer = Browser().press("/accounts/spotify/login/")
    assert int(answer["Retry-After"]) > 7190  # a sign-in needs both
    SpotifyPause.objects.filter(service="api").update(until=timezone.now())
    assert refresh(listener=listener, trigger="cron", force=True).ok


# How long


NOW = datetime(2026, 11, 23, 7, tzinfo=UTC)
MONTH = 30 * 86_400


@pytest.mark.parametrize(
    ("header", "quota", "seconds"),
    [
        ("30", False, 30), (" 30 ", False, 30), ("1", False, 1), ("86400", True, 86_400), ("2592000", False, MONTH),
        ("2592001", False, MONTH), ("9" * 30, False, MONTH), ("999999999", False, MONTH),
        (None, False, 60), (None, True, 3600), ("", False, 60), ("0", False, 60), ("0", True, 3600),
        ("-5", False, 60), ("1.5", False, 60), ("soon", False, 60), ("\u0663\u0660", False, 60), ("\u00b2", False, 60),
        ("Mon, 23 Nov 2026 07:00:30 GMT", False, 30), ("Mon, 23 Nov 2026 07:00:30", False, 30),
        ("Mon, 23 Nov 2026 08:00:30 +0100", False, 30), ("Mon, 23 Nov 2026 07:00:00 GMT", False, 60),
        ("Mon, 23 Nov 2026 06:59:59 GMT", True, 3600), ("Wed, 21 Oct 2099 07:28:00 GMT", False, MONTH),
        ("Mon, 01 Jan 0001 00:00:00 +2300", False, 60),
    ],
)  # fmt: skip
def test_how_long_a_429_asks_to_wait(
    monkeypatch: pytest.MonkeyPatch, header: str | None, quota: bool, seconds: int
) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)
    response = requests.Response()
    if header is not None:
        response.headers["Retry-After"] = header
    assert pause.asked_for(response, quota=quota) == timedelta(seconds=seconds)


def test_an_earlier_moment_never_shortens_a_pause_and_a_later_one_lengthens_it() -> None:
    for seconds, until in ((10, 10), (5, 10), (15, 15)):
        pause.remember_pause(pause.Service.API, NOW + timedelta(seconds=seconds))
        pause.remember_pause(pause.Service.ACCOUNTS, NOW)
        assert SpotifyPause.objects.get(service="api").until == NOW + timedelta(seconds=until)
    assert SpotifyPause.objects.get(service="accounts").until == NOW


@pytest.mark.parametrize(
    ("services", "seconds"), [(("api",), 20), (("accounts",), 30), (("accounts", "api"), 30), ((), None)]
)
def test_of_several_services_the_longest_pause_counts(
    monkeypatch: pytest.MonkeyPatch, services: tuple[Any, ...], seconds: int | None
) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)
    for service, left in (("api", 20), ("accounts", 30)):
        SpotifyPause.objects.create(service=service, until=NOW + timedelta(seconds=left))
    if seconds is None:
        pause.raise_if_paused(*services)
        return
    with pytest.raises(RateLimited) as raised:
        pause.raise_if_paused(*services)
    assert raised.value.until == NOW + timedelta(seconds=seconds)


def test_a_pause_has_ended_at_its_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)
    SpotifyPause.objects.create(service="api", until=NOW)
    pause.raise_if_paused(pause.Service.API)


@pytest.mark.parametrize(
    ("url", "service"),
    [
        ("https://accounts.spotify.com/api/token", "accounts"),
        ("https://accounts.spotify.com/api/token?x=1", "accounts"),
        ("https://api.spotify.com/v1/me", "api"),
        ("https://accounts.spotify.com/", "api"),
        ("https://evil.example/?https://accounts.spotify.com/api/token", "api"),
    ],
)
def test_which_service_is_at_an_address(settings: Any, url: str, service: str) -> None:
    settings.SPOTIFY_ACCOUNTS_URL = "https://accounts.spotify.com"
    assert pause.service_of(url) == service


# The site's own bound


@pytest.mark.parametrize(
    ("ago", "count", "counted"),
    [
        (0, 0, 1), (59, 29, 30), (59, 30, None), (60, 30, 1), (61, 30, 1), (-1, 29, 30), (-1, 30, None),
        (-60, 30, None), (-61, 30, 1),
    ],
)  # fmt: skip
def test_a_minute_has_30_exchanges_from_its_first_one_on(
    monkeypatch: pytest.MonkeyPatch, ago: int, count: int, counted: int | None
) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)
    since = NOW - timedelta(seconds=ago)
    CodeExchanges.objects.create(pk=1, since=since, count=count)
    if counted is None:
        with pytest.raises(TooManySignIns):
            exchanges.count_exchange()
    else:
        exchanges.count_exchange()
    row = CodeExchanges.objects.get()
    assert row.count == (counted or count)
    assert row.since == (NOW if counted == 1 and count else since)


def test_the_first_exchange_of_all_begins_the_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)
    CodeExchanges.objects.create(pk=1, since=NOW, count=7).delete()  # as after a restored backup
    exchanges.count_exchange()
    row = CodeExchanges.objects.get()
    assert (row.pk, row.since, row.count) == (1, NOW, 1)


def test_the_31st_code_of_a_minute_is_not_sent_to_spotify(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchanges, "A_MINUTE", 3)
    for _ in range(3):
        assert junk(simulator).status_code == 400
        assert [call.path for call in simulator.calls] == [TOKEN]
    answer = junk(simulator)
    assert (answer.status_code, answer["Retry-After"]) == (503, "60")
    assert b"Try again in a minute" in answer.content and not simulator.calls
    CodeExchanges.objects.update(since=timezone.now() - timedelta(seconds=61))
    assert Browser().sign_in().status_code == 302
    assert CodeExchanges.objects.get().count == 1


def test_half_a_sign_in_each_second_is_always_possible() -> None:
    assert exchanges.A_MINUTE >= 30


@pytest.mark.parametrize("query", ["code=x&state=made-up", "code=x", "error=access_denied"])
def test_what_never_reaches_spotify_is_not_counted(simulator: Simulator, query: str) -> None:
    Browser().get(f"{CALLBACK}?{query}")
    assert not CodeExchanges.objects.exists() and not simulator.calls


def test_a_clock_that_was_set_back_locks_nobody_out(simulator: Simulator) -> None:
    CodeExchanges.objects.create(pk=1, since=timezone.now() + timedelta(days=1), count=exchanges.A_MINUTE)
    assert Browser().sign_in().status_code == 302


@pytest.mark.django_db(transaction=True)
@pytest.mark.processes
def test_of_many_at_once_exactly_so_many_are_let_through() -> None:
    def take() -> bool:
        try:
            exchanges.count_exchange()
        except TooManySignIns:
            return False
        return True

    def take_ten() -> list[bool]:
        return [take() for _ in range(10)]

    results = [passed for ten in at_once(*[take_ten] * 4) for passed in ten]
    assert results.count(True) == exchanges.A_MINUTE and results.count(False) == 10
