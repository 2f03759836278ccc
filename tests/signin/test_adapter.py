"""What the site answers where allauth would show pages of its own."""

import re
from datetime import timedelta
from typing import Any

import pytest
from allauth.socialaccount.models import SocialToken
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.test import RequestFactory
from django.utils import timezone

from simulator import Fault, Simulator
from tests.conftest import Browser
from tests.factories import an_hour_passes
from tests.helpers import TOP
from tracks.models import RefreshRun
from tracks.signin import access
from tracks.signin.adapter import AccountAdapter, SocialAccountAdapter

pytestmark = pytest.mark.django_db


def test_nobody_signs_up_with_a_password_though_there_were_a_page_for_it() -> None:
    assert AccountAdapter().is_open_for_signup(RequestFactory().get("/")) is False


def said(browser: Browser) -> list[tuple[str, str]]:
    """The messages for the visitor: how they went, and what they say."""
    return [(message.level_tag, str(message)) for message in browser.get("/").context["messages"]]


def test_a_sign_in_says_what_its_refresh_did(visitor: Browser, simulator: Simulator) -> None:
    visitor.sign_in()
    assert said(visitor) == [("success", "Refreshed: three lists of 20 songs.")]
    assert RefreshRun.objects.get().trigger == "sign_in"


@pytest.mark.parametrize(("later", "calls"), [(False, 0), (True, 3)])
def test_a_second_sign_in_refreshes_what_is_not_fresh(
    host: Browser, simulator: Simulator, later: bool, calls: int
) -> None:
    if later:
        an_hour_passes()
    Browser().sign_in()
    assert [call.path for call in simulator.calls].count(TOP) == calls


def test_a_second_sign_in_refreshes_what_a_failed_refresh_left(host: Browser, simulator: Simulator) -> None:
    run = RefreshRun.objects.get()
    RefreshRun.objects.create(
        listener=run.listener, trigger="cron", started_at=timezone.now(), outcome="unavailable", time_ranges=[]
    )
    Browser().sign_in()
    assert [call.path for call in simulator.calls].count(TOP) == 3


def test_a_user_has_a_name_at_random_and_the_session_not_the_account(visitor: Browser, simulator: Simulator) -> None:
    visitor.sign_in()
    assert re.fullmatch(r"listener-[0-9a-f]{16}", User.objects.get().username)
    assert "account_authentication_methods" not in visitor.session


@pytest.mark.parametrize(
    ("listeners", "status", "message"),
    [
        ("host", 403, "Only the host signs in here"),
        ("open", 503, "This account signed in twice at the same moment. Please start again."),
    ],
)
def test_who_is_overtaken_while_being_stored_is_told_why(
    visitor: Browser,
    simulator: Simulator,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    listeners: str,
    status: int,
    message: str,
) -> None:
    def overtaken(*args: Any) -> None:
        raise IntegrityError

    settings.LISTENERS, settings.SPOTIFY_HOST_ID = listeners, simulator.accounts["host"].account_id
    monkeypatch.setattr("tracks.signin.adapter.connect", overtaken)
    response = visitor.sign_in()
    assert response.status_code == status and f">{message}<" in response.content.decode()
    assert not User.objects.exists()


def test_a_refresh_that_fails_is_a_warning(visitor: Browser, simulator: Simulator) -> None:
    simulator.fault(TOP, Fault.json(500, {}))
    visitor.sign_in()
    assert said(visitor) == [
        ("warning", "Spotify answered with status 500; the last chart stays. Try again later."),
    ]  # fmt: skip


def test_who_cancels_is_told_that_nothing_was_stored(visitor: Browser, simulator: Simulator) -> None:
    state = visitor.start_sign_in().split("state=")[1].split("&")[0]
    visitor.get(f"/accounts/spotify/login/callback/?error=access_denied&state={state}")
    assert said(visitor) == [("info", "You cancelled the sign-in at Spotify. Nothing was stored.")]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "This sign-in has expired or was started in another browser. Please start again."),
        ("?error=server_error", "This sign-in has expired or was started in another browser. Please start again."),
    ],
)
def test_a_callback_that_nobody_started_says_what_to_do(
    visitor: Browser, simulator: Simulator, query: str, message: str
) -> None:
    response = visitor.get("/accounts/spotify/login/callback/" + query)
    assert f"<p>{message}</p>" in response.content.decode()


def test_a_user_who_is_switched_off_is_told_who_can_help(host: Browser, simulator: Simulator) -> None:
    User.objects.update(is_active=False)
    page = Browser().sign_in().content.decode()
    assert "<p>This user is switched off. A superuser can switch it on in the admin.</p>" in page


def test_a_user_who_is_switched_off_while_signing_in_is_told_so_too(
    host: Browser, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = access.check_may_connect

    def check_and_be_overtaken(*args: Any) -> access.Grant:
        grant = check(*args)
        User.objects.update(is_active=False)
        return grant

    monkeypatch.setattr(access, "check_may_connect", check_and_be_overtaken)
    response = Browser().sign_in()
    assert response.status_code == 400
    assert b"<p>This user is switched off." in response.content


def test_the_two_calls_of_a_sign_in_have_4_seconds_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracks.spotify.session.time.monotonic", lambda: 1000.0)
    assert SocialAccountAdapter(RequestFactory().get("/")).get_requests_session().deadline == 1004


def test_the_token_lapses_when_spotify_says(host: Browser, simulator: Simulator) -> None:
    left = SocialToken.objects.get().expires_at - timezone.now()
    assert timedelta(minutes=59) < left <= timedelta(minutes=60)
