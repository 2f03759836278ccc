"""Spotify says wait: to one of its services, which is not the other. And a bound on what visitors may spend."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from simulator import Fault, Simulator
from tests.conftest import Browser
from tests.helpers import at_once
from tracks.etl.service import refresh
from tracks.models import CodeExchanges, Listener, SpotifyPause
from tracks.spotify import exchanges
from tracks.spotify.errors import TooManySignIns

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
    assert CodeExchanges.objects.get().count == 1  # the host's own, before
    assert refresh(listener=listener, trigger="cron", force=True).outcome == "rate_limited"
    assert junk_is_refused_without_a_call(simulator)


def test_two_pauses_end_each_in_its_time(listener: Listener, simulator: Simulator) -> None:
    SpotifyPause.objects.create(service="accounts", until=timezone.now() + timedelta(hours=1))
    SpotifyPause.objects.create(service="api", until=timezone.now() + timedelta(hours=2))
    answer = Browser().press("/accounts/spotify/login/")
    assert int(answer["Retry-After"]) > 7190  # a sign-in needs both
    SpotifyPause.objects.filter(service="api").update(until=timezone.now())
    assert refresh(listener=listener, trigger="cron", force=True).ok


# The site's own bound


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
