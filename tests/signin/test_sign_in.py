"""Signing in with Spotify: who may, what is stored, and what a page says when it does not work."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.test import RequestFactory
from django.utils import timezone

from simulator import Fault, Simulator
from tests.conftest import Browser
from tracks.models import Listener, RefreshRun, SpotifyPause, UserSession
from tracks.signin.views import SpotifyAdapter
from tracks.spotify.tokens import decrypt

pytestmark = pytest.mark.django_db


def everything_stored() -> str:
    """All rows that a sign-in could leave, as text."""
    models = (User, SocialAccount, SocialToken, Listener, RefreshRun)
    rows = [str(list(model.objects.values())) for model in models]
    return " ".join([*rows, *(str(session.get_decoded()) for session in UserSession.objects.all())])


@pytest.mark.database
def test_first_sign_in_claims_the_site_and_fills_all_tables(host: Browser) -> None:
    listener = Listener.objects.get()
    run = RefreshRun.objects.get()
    assert listener.is_host and listener.state == Listener.State.CONNECTED
    assert (run.trigger, run.outcome, run.extracted, run.loaded) == ("sign_in", "refreshed", 60, 60)
    for time_range in ("short_term", "medium_term", "long_term"):
        assert len(host.get(f"/tracks.json?time_range={time_range}").json()["tracks"]) == 20


def test_whole_sign_in_by_an_http_client(live_server: Any, simulator: Simulator, transactional_db: None) -> None:
    site = live_server.url.replace("localhost", "127.0.0.1")
    with requests.Session() as browser:
        page = browser.get(f"{site}/login", timeout=10).text
        token = page.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
        answer = browser.post(f"{site}/accounts/spotify/login/", data={"csrfmiddlewaretoken": token}, timeout=20)
        assert answer.status_code == 200
        assert answer.url == f"{site}/"
        assert "Salt Lamp" in answer.text
        assert "Connected; sign in again by" in answer.text
        assert browser.get(f"{site}/admin/", timeout=10).url == f"{site}/admin/"
    with requests.Session() as anyone:
        assert "Salt Lamp" in anyone.get(site, timeout=10).text


def test_asks_for_one_scope_with_pkce_and_ignores_the_visitors_wishes(visitor: Browser, simulator: Simulator) -> None:
    response = visitor.press(
        "/accounts/spotify/login/?scope=user-read-email&process=connect&next=https://evil.example"
        "&auth_params=redirect_uri%3Dhttps%3A%2F%2Fevil.example"
    )
    address = response["Location"]
    asked = parse_qs(urlsplit(address).query)
    assert "evil" not in address
    assert asked["scope"] == ["user-top-read"]
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == ["http://127.0.0.1:8000/accounts/spotify/login/callback/"]
    assert visitor.come_back(address)["Location"] == "/"


def test_sends_the_token_as_a_bearer_header_and_the_verifier_with_the_code(
    visitor: Browser, simulator: Simulator
) -> None:
    visitor.sign_in()
    exchange, me = (next(c for c in simulator.calls if c.path == path) for path in ("/api/token", "/v1/me"))
    assert exchange.body["code_verifier"]
    assert me.headers["authorization"].startswith("Bearer ")
    assert not me.query


@pytest.mark.parametrize("method", ["get", "head"])
def test_a_link_does_not_start_a_sign_in(visitor: Browser, simulator: Simulator, method: str) -> None:
    assert getattr(visitor, method)("/accounts/spotify/login/")["Location"] == "/login"


def test_stores_the_account_id_the_scope_and_encrypted_tokens_and_nothing_else(
    host: Browser, simulator: Simulator
) -> None:
    account, token, user = SocialAccount.objects.get(), SocialToken.objects.get(), User.objects.get()
    person = simulator.accounts["host"]
    assert account.uid == person.account_id
    assert account.extra_data == {"linked_on": "account_id", "scope": "user-top-read"}
    assert (user.email, user.first_name, user.last_name, user.has_usable_password()) == ("", "", "", False)
    stored = everything_stored()
    assert person.display_name and person.display_name not in stored and person.id not in stored
    assert not any(secret in stored for secret in simulator.issued)
    assert decrypt(token.token) in simulator.access_tokens
    assert decrypt(token.token_secret) in simulator.refresh_tokens


@pytest.mark.database
def test_another_account_is_refused_and_nothing_of_it_is_stored(host: Browser, simulator: Simulator) -> None:
    before = everything_stored()
    simulator.current = "stranger"
    response = Browser().sign_in()
    assert response.status_code == 403
    assert b"not the host" in response.content and is_a_page_of_the_site(response)
    assert response.cookies["sessionid"].value == ""
    assert everything_stored() == before
    person = simulator.accounts["stranger"]
    assert person.account_id not in before and person.id not in before


def test_a_stranger_who_takes_the_hosts_account_id_for_a_name_is_refused(host: Browser, simulator: Simulator) -> None:
    simulator.current = "stranger"
    simulator.accounts["stranger"].id = simulator.accounts["host"].account_id
    assert Browser().sign_in().status_code == 403
    assert SocialAccount.objects.get().uid == simulator.accounts["host"].account_id


@pytest.mark.parametrize("field", ["account_id", "id"])
def test_the_host_named_in_the_settings_may_sign_in_by_either_id(
    visitor: Browser, simulator: Simulator, settings: Any, field: str
) -> None:
    settings.SPOTIFY_HOST_ID = getattr(simulator.accounts["host"], field)
    simulator.current = "stranger"
    assert Browser().sign_in().status_code == 403
    assert not Listener.objects.exists()
    simulator.current = "host"
    assert visitor.sign_in().status_code == 302


@pytest.mark.database
def test_naming_another_host_replaces_the_old_one_at_the_next_sign_in(
    host: Browser, simulator: Simulator, settings: Any
) -> None:
    settings.SPOTIFY_HOST_ID = simulator.accounts["stranger"].account_id
    assert len(host.get("/tracks.json").json()["tracks"]) == 20
    simulator.current = "stranger"
    assert Browser().sign_in().status_code == 302
    assert Listener.objects.get().account.uid == simulator.accounts["stranger"].account_id
    assert simulator.accounts["host"].account_id not in everything_stored()
    assert host.get("/admin/").status_code == 302
    simulator.current = "host"
    assert Browser().sign_in().status_code == 403


@pytest.mark.database
def test_an_account_linked_on_its_id_moves_to_its_account_id(visitor: Browser, simulator: Simulator) -> None:
    person = simulator.accounts["host"]
    person.include_account_id = False
    visitor.sign_in()
    assert SocialAccount.objects.get().uid == person.id
    person.include_account_id = True
    assert Browser().sign_in().status_code == 302
    assert SocialAccount.objects.get().uid == person.account_id
    assert Listener.objects.count() == 1


def test_signing_in_again_starts_the_six_months_anew(host: Browser, listener: Listener) -> None:
    Listener.objects.update(authorized_at=timezone.now() - timedelta(days=200), state=Listener.State.NEEDS_SIGN_IN)
    host.sign_in()
    listener.refresh_from_db()
    assert timezone.now() - listener.authorized_at < timedelta(minutes=1)
    assert listener.state == Listener.State.CONNECTED


@pytest.mark.database
def test_the_database_allows_one_host(host: Browser, listener: Listener) -> None:
    user = User.objects.create(username="second")
    account = SocialAccount.objects.create(user=user, provider="spotify", uid="second")
    with pytest.raises(IntegrityError), transaction.atomic():
        Listener.objects.create(account=account, is_host=True, authorized_at=timezone.now())


def test_the_host_may_look_into_the_admin_and_change_nothing(host: Browser) -> None:
    assert host.get("/admin/tracks/track/").status_code == 200
    assert host.get("/admin/tracks/track/add/").status_code == 403
    assert host.get("/admin/auth/user/").status_code == 403


def test_a_superuser_signs_in_with_a_password(visitor: Browser) -> None:
    User.objects.create_superuser("root", password="correct horse battery")
    visitor.press("/admin/login/", on="/admin/login/", username="root", password="correct horse battery")
    assert visitor.get("/admin/").status_code == 200


@pytest.mark.parametrize("path", ["/accounts/signup/", "/accounts/login/", "/accounts/password/reset/", "/accounts/"])
def test_there_is_no_local_sign_up_and_no_password_for_visitors(visitor: Browser, path: str) -> None:
    assert visitor.get(path).status_code == 404


def test_cancelled_consent_returns_to_the_page_with_a_message(visitor: Browser, simulator: Simulator) -> None:
    state = parse_qs(urlsplit(visitor.start_sign_in()).query)["state"][0]
    response = visitor.get(f"/accounts/spotify/login/callback/?error=access_denied&state={state}", follow=True)
    assert response.redirect_chain == [("/", 302)]
    assert b"You cancelled the sign-in" in response.content
    assert not simulator.calls


def test_cancelling_as_the_host_refreshes_nothing(host: Browser, simulator: Simulator) -> None:
    state = parse_qs(urlsplit(host.start_sign_in()).query)["state"][0]
    host.get(f"/accounts/spotify/login/callback/?error=access_denied&state={state}")
    assert not simulator.calls


@pytest.mark.parametrize("query", ["", "?code=x", "?code=x&state=made-up", "?error=server_error"])
def test_a_callback_that_nobody_started_is_refused(visitor: Browser, simulator: Simulator, query: str) -> None:
    response = visitor.get("/accounts/spotify/login/callback/" + query)
    assert response.status_code == 400
    assert b"Please start again" in response.content
    assert not simulator.calls


def test_a_callback_in_another_browser_is_refused(visitor: Browser, simulator: Simulator) -> None:
    assert Browser().come_back(visitor.start_sign_in()).status_code == 400
    assert not Listener.objects.exists()


def test_a_callback_works_once(visitor: Browser, simulator: Simulator) -> None:
    address = visitor.start_sign_in()
    callback = requests.get(address, allow_redirects=False, timeout=10).headers["Location"]
    path = callback.removeprefix("http://127.0.0.1:8000")
    assert visitor.get(path).status_code == 302
    assert visitor.get(path).status_code == 400


ME, TOKEN = "/v1/me", "/api/token"
PROBLEMS = [
    (ME, Fault.not_registered(), 403, b"User Management"),
    (ME, Fault.json(403, {"error": {"status": 403, "message": "Forbidden"}}), 403, b"User Management"),
    (ME, Fault.rate_limited(30), 503, b"asked this app to wait"),
    (ME, Fault.html(502), 503, b"Try again later"),
    (ME, Fault.html(200), 503, b"cannot be read"),
    (ME, Fault.json(200, []), 503, b"cannot be read"),
    (ME, Fault.json(200, {"id": None}), 503, b"which account"),
    (ME, Fault.json(200, {"id": 7}), 503, b"which account"),
    (ME, Fault(drop=True), 503, b"could not be reached"),
    (ME, Fault.json(401, {"error": {"status": 401, "message": "Invalid access token"}}), 403, b"access token"),
    (TOKEN, Fault.json(400, {"error": "invalid_grant"}), 400, b"start again"),
    (TOKEN, Fault.json(400, {"error": "invalid_client"}), 403, b"SPOTIPY_CLIENT_SECRET"),
    (TOKEN, Fault.json(200, {"access_token": "a", "expires_in": "abc"}), 503, b"cannot be read"),
    (TOKEN, Fault.json(200, {"token": "a"}), 503, b"cannot be read"),
    (TOKEN, Fault.json(200, {"access_token": "a", "scope": "user-read-email"}), 400, b"agree to it"),
    (TOKEN, Fault.json(200, {"access_token": "a", "scope": ""}), 400, b"agree to it"),
    (TOKEN, Fault.rate_limited(30), 503, b"asked this app to wait"),
    (TOKEN, Fault(drop=True), 503, b"could not be reached"),
    (TOKEN, Fault.html(500), 503, b"Try again later"),
]


def is_a_page_of_the_site(response: Any) -> bool:
    return " · Top Twenty</title>" in response.content.decode()


@pytest.mark.parametrize(("path", "fault", "status", "words"), PROBLEMS)
def test_what_spotify_does_wrong_becomes_a_page_that_says_what_to_do(
    visitor: Browser, simulator: Simulator, path: str, fault: Fault, status: int, words: bytes
) -> None:
    simulator.fault(path, fault)
    response = visitor.sign_in()
    assert response.status_code == status
    (message,) = re.findall(r"<p>(.+)</p>\n  <p><a class=\"button\"", response.content.decode())
    assert words.decode() in message and re.fullmatch(r"Sp.+\.|Th.+\.", message)
    assert ("Retry-After" in response) == (status == 503)
    assert is_a_page_of_the_site(response)
    assert not User.objects.exists() and not SocialAccount.objects.exists()


@pytest.mark.parametrize("missing", ["SPOTIPY_CLIENT_ID", "SPOTIPY_CLIENT_SECRET"])
def test_no_sign_in_starts_without_both_credentials(
    visitor: Browser, simulator: Simulator, settings: Any, missing: str
) -> None:
    setattr(settings, missing, "")
    assert visitor.press("/accounts/spotify/login/", on="/admin/login/")["Location"] == "/login"


def test_an_answer_without_a_scope_gave_the_one_that_was_asked_for() -> None:
    """RFC 6749, 5.1; and a refresh token is not in every answer."""
    adapter = SpotifyAdapter(RequestFactory().get("/"))
    token = adapter.parse_token({"access_token": "a", "expires_in": 60})
    assert adapter.scope == "user-top-read"
    assert (decrypt(token.token), token.token_secret) == ("a", "")
    assert token.expires_at and 50 < (token.expires_at - timezone.now()).total_seconds() <= 60


def test_a_sign_in_makes_no_call_while_spotify_says_wait(visitor: Browser, simulator: Simulator) -> None:
    address = visitor.start_sign_in()
    SpotifyPause.objects.create(service="api", until=timezone.now() + timedelta(hours=1))
    refused = visitor.press("/accounts/spotify/login/")
    assert refused.status_code == 503 and is_a_page_of_the_site(refused)
    response = visitor.come_back(address)
    assert response.status_code == 503 and is_a_page_of_the_site(response)
    assert int(response["Retry-After"]) in range(3590, 3602)
    assert [call.path for call in simulator.calls] == ["/authorize"]


def test_a_sign_in_whose_refresh_fails_still_signs_in(visitor: Browser, simulator: Simulator) -> None:
    simulator.fault("/v1/me/top/tracks", Fault.html(503))
    assert visitor.sign_in().status_code == 302
    page = visitor.get("/").content
    assert b"status 503" in page and b"Sign out" in page


def test_the_session_does_not_name_the_spotify_account(host: Browser, simulator: Simulator) -> None:
    assert simulator.accounts["host"].account_id not in str(dict(host.session))


@pytest.mark.database
def test_disconnect_asks_first_and_then_deletes_everything(
    host: Browser, simulator: Simulator, settings: Any, tmp_path: Any
) -> None:
    settings.STAGING_DIR = tmp_path
    host.press("/refresh", on="/")
    Listener.objects.update()
    page = host.get("/disconnect")
    assert page.status_code == 200 and b"cannot be undone" in page.content
    assert host.press("/disconnect", on="/disconnect").status_code == 200
    assert Listener.objects.count() == 1
    assert host.press("/disconnect", on="/disconnect", confirm="yes")["Location"] == "/"
    from tracks.models import Artist, Credit, Placement, Snapshot, Track

    for model in (User, SocialAccount, SocialToken, Listener, RefreshRun, Snapshot, Placement, Track, Artist, Credit):
        assert not model.objects.exists(), model
    assert not list(tmp_path.iterdir())
    assert b"Twenty songs will stand here" in host.get("/").content
    assert host.get("/admin/").status_code == 302


@pytest.mark.parametrize("method", ["get", "post"])
def test_only_the_host_may_disconnect(host: Browser, visitor: Browser, method: str) -> None:
    if method == "post":
        visitor.get("/login")
        data = {"csrfmiddlewaretoken": visitor.cookies["csrftoken"].value, "confirm": "yes"}
        assert visitor.post("/disconnect", data)["Location"] == "/login"
    else:
        assert visitor.get("/disconnect")["Location"] == "/login"
    visitor.force_login(User.objects.create(username="someone"))
    assert visitor.get("/disconnect").status_code == 403
    assert Listener.objects.exists()


@pytest.mark.database
def test_disconnect_leaves_a_superuser_who_is_the_host(host: Browser) -> None:
    User.objects.update(is_superuser=True)
    Listener.objects.get().delete()
    assert User.objects.count() == 1
    assert not SocialToken.objects.exists()


def test_signing_out_ends_the_session(host: Browser) -> None:
    assert host.press("/logout", on="/")["Location"] == "/"
    assert b"Sign out" not in host.get("/").content


def test_a_user_who_was_switched_off_gets_a_page(host: Browser) -> None:
    User.objects.update(is_active=False)
    response = Browser().sign_in()
    assert response.status_code == 400
    assert b"switched off" in response.content
