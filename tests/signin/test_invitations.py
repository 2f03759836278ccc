"""Who comes in: by an invitation, through an open door, or not at all; and what is left of who does not."""

import json
import re
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import requests
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.contrib.auth.models import User
from django.utils import timezone

from simulator import Fault, Simulator
from tests.conftest import Browser
from tests.helpers import at_once, several_writers
from tests.people import accept, add_account, come_in, invite, secret_of, who
from tracks.models import Invitation, Listener, Refusal, UserSession
from tracks.signin import access, invitations

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _invited(settings: Any) -> None:
    settings.LISTENERS = "invited"


def everybody() -> list[Any]:
    """All that is stored of people, sessions aside."""
    models: tuple[Any, ...] = (User, SocialAccount, SocialToken, Listener)
    return [list(model._default_manager.order_by("pk").values()) for model in models]


def callback_of(browser: Browser, start: Any) -> str:
    """The way back from Spotify, for the account that is `simulator.current` now."""
    answer = requests.get(start["Location"], allow_redirects=False, timeout=10)
    return answer.headers["Location"].removeprefix("http://127.0.0.1:8000")


# The link


def test_the_link_is_shown_once_and_only_its_digest_is_stored(host: Browser) -> None:
    path = invite(host)
    assert len(secret_of(path)) == 32, "192 bits"
    assert secret_of(path) not in host.get("/me/").content.decode()
    stored = [list(Invitation.objects.values()), [session.get_decoded() for session in UserSession.objects.all()]]
    assert secret_of(path) not in str(stored)
    host.post("/me/invitations/", {"csrfmiddlewaretoken": host.cookies["csrftoken"].value})
    assert Invitation.objects.count() == 2


def test_the_secret_is_not_in_the_session_of_who_comes_with_it(host: Browser) -> None:
    path = invite(host)
    Browser().press("/accounts/spotify/login/", on=path, invitation=secret_of(path))
    sessions = json.dumps([session.get_decoded() for session in UserSession.objects.all()], default=str)
    assert secret_of(path) not in sessions
    assert Invitation.objects.get().digest in sessions


def test_an_invitation_says_what_is_read_and_stored_and_that_the_page_starts_private(
    host: Browser, visitor: Browser
) -> None:
    path = invite(host)
    for _ in range(3):  # a messenger that looks at the link does not use it up
        response = visitor.get(path)
        assert response.status_code == 200
    page = response.content.decode()
    assert "user-top-read" in page and "encrypted tokens" in page and "starts private" in page
    assert "noindex" in page and "canonical" not in page
    assert "no-store" in response["Cache-Control"]
    assert visitor.head(path).status_code == 200


def test_who_is_invited_lands_on_their_own_page_with_songs_there_and_private(
    host: Browser, simulator: Simulator, visitor: Browser
) -> None:
    guest = come_in(host, simulator, "stranger")
    listener = who(guest)
    assert (listener.visibility, listener.name, listener.is_host) == ("private", "", False)
    assert re.fullmatch(r"listener-[a-z0-9]{12}", listener.handle)
    page = guest.get("/me/").content.decode()
    assert "Refreshed: three lists of 20 songs." in page
    assert f"http://127.0.0.1:8000/@{listener.handle}/" in page
    assert listener.runs.get().outcome == "refreshed"
    assert "sign in again by" in page
    assert visitor.get(f"/@{listener.handle}/").status_code == 404
    assert len(guest.get(f"/@{listener.handle}/tracks.json").json()["tracks"]) == 20


def test_after_the_sign_in_the_invitation_is_used_and_has_left_the_session(host: Browser, simulator: Simulator) -> None:
    guest = come_in(host, simulator, "stranger")
    assert "invitation" not in guest.session
    assert Invitation.objects.get().used_at
    assert not who(guest).account.user.is_staff
    assert guest.get("/admin/").status_code == 302


def test_the_session_gets_a_new_key_at_the_sign_in(host: Browser, simulator: Simulator) -> None:
    path, guest = invite(host), Browser()
    simulator.current = "stranger"
    start = guest.press("/accounts/spotify/login/", on=path, invitation=secret_of(path))
    before = guest.cookies["sessionid"].value
    guest.come_back(start["Location"])
    assert guest.cookies["sessionid"].value != before
    assert not UserSession.objects.filter(session_key=before).exists()


def gone(path: str) -> str:
    """The page of an invitation that lets nobody in."""
    response = Browser().get(path)
    assert response.status_code == 410
    return str(response.content.decode())


def test_used_revoked_expired_and_wrong_ones_get_one_and_the_same_page(
    host: Browser, simulator: Simulator, settings: Any
) -> None:
    wrong = gone("/invite/no-such-secret-at-all-of-any-kind/")
    assert "This invitation is over" in wrong

    expired = invite(host)
    Invitation.objects.update(created_at=timezone.now() - timedelta(days=8), expires_at=timezone.now())
    revoked = invite(host)
    host.press(f"/me/invitations/{Invitation.objects.latest('pk').pk}/revoke", on="/me/")
    used = invite(host)
    simulator.current = "stranger"
    accept(used)
    pages = [gone(path) for path in (expired, revoked, used)]
    left = invite(host)
    settings.LISTENERS = "host"
    gone(left)
    settings.LISTENERS = "invited"
    simulator.current = "new"
    for path in (expired, revoked, used):
        browser = Browser()
        response = browser.press("/accounts/spotify/login/", on="/login", invitation=secret_of(path))
        assert browser.come_back(response["Location"]).status_code == 403
    assert Listener.objects.count() == 2
    assert set(pages) == {wrong}


def test_an_invitation_lasts_seven_days(host: Browser, visitor: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    path, now = invite(host), timezone.now()
    for days, status in ((6.99, 200), (7.01, 410)):
        with monkeypatch.context() as patch:
            patch.setattr("django.utils.timezone.now", lambda days=days: now + timedelta(days=days))
            assert visitor.get(path).status_code == status


def test_more_open_invitations_than_anybody_sends_are_refused_with_a_message(host: Browser) -> None:
    for _ in range(invitations.MOST_OPEN):
        invitations.invite(Listener.objects.get())
    response = host.press("/me/invitations/", on="/me/")
    assert response["Location"] == "/me/"
    assert "too many open invitations" in host.get("/me/").content.decode()
    assert Invitation.objects.count() == invitations.MOST_OPEN


def test_only_the_host_invites_revokes_and_removes(host: Browser, simulator: Simulator, visitor: Browser) -> None:
    guest = come_in(host, simulator, "stranger")
    invite(host)
    number = Invitation.objects.get(used_at=None).pk
    paths = ["/me/invitations/", f"/me/invitations/{number}/revoke", f"/me/listeners/{who(guest).pk}/remove"]
    for path in paths:
        assert guest.press(path, on="/me/", confirm="yes").status_code == 403
        assert visitor.press(path, on="/login", confirm="yes")["Location"] == "/login"
        assert host.get(path).status_code == (200 if path.endswith("remove") else 405)
        assert host.post(path, {"confirm": "yes"}).status_code == 403  # no CSRF token
    assert Invitation.objects.count() == 2 and Listener.objects.count() == 2


# Who does not get in


def test_without_an_invitation_nobody_gets_in_and_nothing_is_stored(host: Browser, simulator: Simulator) -> None:
    before = everybody()
    simulator.current = "stranger"
    response = Browser().sign_in()
    assert response.status_code == 403
    assert b"needs an invitation" in response.content
    assert response.cookies["sessionid"].value == ""
    assert everybody() == before


def test_a_refused_sign_in_does_not_use_the_invitation_up(
    host: Browser, simulator: Simulator, settings: Any, visitor: Browser
) -> None:
    path, before = invite(host), everybody()
    simulator.current = "stranger"
    settings.MAX_LISTENERS = 1
    response = accept(path)
    assert response.status_code == 403 and b"Every place on this site is taken" in response.content
    settings.MAX_LISTENERS = 2
    simulator.fault("/v1/me", Fault.not_registered(), times=1)
    assert accept(path).status_code == 403
    simulator.fault("/api/token", Fault.html(502), times=1)
    assert accept(path).status_code == 503
    assert everybody() == before
    assert Invitation.objects.get().used_at is None
    assert accept(path, visitor)["Location"] == "/me/"


def test_after_spotifys_refusal_the_same_browser_gets_in_without_the_link(
    host: Browser, simulator: Simulator, visitor: Browser
) -> None:
    path = invite(host)
    simulator.current = "stranger"
    simulator.fault("/v1/me", Fault.not_registered(), times=1)
    response = accept(path, visitor)
    page = response.content.decode()
    assert response.status_code == 403 and "Ask the host" in page
    assert "Your invitation is at hand" in visitor.get("/login").content.decode()
    assert visitor.sign_in()["Location"] == "/me/"


def test_who_cancels_at_spotify_keeps_the_invitation(host: Browser, simulator: Simulator, visitor: Browser) -> None:
    path = invite(host)
    start = visitor.press("/accounts/spotify/login/", on=path, invitation=secret_of(path))
    state = re.findall(r"state=([^&]+)", start["Location"])[0]
    response = visitor.get(f"/accounts/spotify/login/callback/?error=access_denied&state={state}")
    assert response["Location"] == "/login"
    page = visitor.get("/login").content.decode()
    assert "You cancelled" in page and "Your invitation is at hand" in page
    simulator.current = "stranger"
    assert visitor.sign_in()["Location"] == "/me/"


def test_the_host_is_told_that_spotify_refused_somebody_and_not_who(host: Browser, simulator: Simulator) -> None:
    assert "Spotify refused" not in host.get("/me/").content.decode()
    path = invite(host)
    simulator.current = "stranger"
    simulator.accounts["stranger"].allowed = False
    assert accept(path).status_code == 403
    assert "Spotify refused 1 sign-in in" in host.get("/me/").content.decode()
    assert set(Refusal.objects.values()[0]) == {"id", "at"}
    accept(path)
    assert "Spotify refused 2 sign-ins in" in host.get("/me/").content.decode()
    Refusal.objects.update(at=timezone.now() - access.REFUSALS_KEPT)
    assert "Spotify refused" not in host.get("/me/").content.decode()
    accept(path)
    assert Refusal.objects.count() == 1


def test_refusals_do_not_pile_up(host: Browser, simulator: Simulator) -> None:
    Refusal.objects.bulk_create(Refusal() for _ in range(access.MOST_REFUSALS))
    simulator.fault("/v1/me", Fault.not_registered(), times=1)
    Browser().sign_in()
    assert Refusal.objects.count() == access.MOST_REFUSALS


def test_the_last_place_is_counted_with_the_host_and_0_is_no_limit(
    host: Browser, simulator: Simulator, settings: Any
) -> None:
    settings.MAX_LISTENERS = 2
    assert "<b>1</b> place left of 2" in host.get("/me/").content.decode()
    come_in(host, simulator, "stranger")
    assert "<b>0</b> places left of 2" in host.get("/me/").content.decode()
    simulator.current = "new"
    path = invite(host)
    assert accept(path).status_code == 403
    settings.MAX_LISTENERS = 0
    assert "left of" not in host.get("/me/").content.decode()
    assert accept(path)["Location"] == "/me/"


def test_who_is_in_signs_in_again_whatever_is_set(host: Browser, simulator: Simulator, settings: Any) -> None:
    guest = come_in(host, simulator, "stranger", name="Ana", handle="ana", visibility="public")
    Listener.objects.filter(is_host=False).update(state="needs_sign_in")
    settings.LISTENERS, settings.MAX_LISTENERS = "host", 1
    simulator.current = "stranger"
    assert Browser().sign_in()["Location"] == "/me/"
    listener = who(guest)
    assert (listener.state, listener.handle, listener.name, listener.visibility) == (
        "connected", "ana", "Ana", "public"
    )  # fmt: skip
    assert Browser().get("/@ana/").status_code == 200
    assert "@ana" in host.get("/me/").content.decode()  # and can be removed
    simulator.current = "new"
    assert Browser().sign_in().status_code == 403


def test_an_open_site_lets_everybody_in_until_it_is_full(host: Browser, simulator: Simulator, settings: Any) -> None:
    settings.LISTENERS, settings.MAX_LISTENERS = "open", 2
    simulator.current = "stranger"
    assert Browser().sign_in()["Location"] == "/me/"
    simulator.current = "new"
    assert Browser().sign_in().status_code == 403
    settings.MAX_LISTENERS = 3
    path = invite(host)
    assert accept(path)["Location"] == "/me/"
    assert Browser().get(path).status_code == 410  # a link works once there too


def test_the_host_and_who_is_in_use_no_invitation_up(host: Browser, simulator: Simulator) -> None:
    come_in(host, simulator, "stranger")
    path = invite(host)
    accept(path)
    simulator.current = "stranger"
    accept(path)
    assert Invitation.objects.filter(used_at=None).count() == 1


def test_with_listeners_unset_there_are_no_invitations_and_no_list(host: Browser, settings: Any) -> None:
    settings.LISTENERS = "host"
    page = host.get("/me/").content.decode()
    assert "Invite" not in page and "/listeners/" not in page
    assert host.press("/me/invitations/", on="/me/").status_code == 404
    assert not Invitation.objects.exists()
    assert Browser().get("/listeners/").status_code == 404


# The host goes, or is another


def test_the_host_disconnects_the_others_stay_and_the_front_page_waits(
    host: Browser, simulator: Simulator, visitor: Browser, settings: Any
) -> None:
    guest = come_in(host, simulator, "stranger", handle="ana", visibility="public")
    invite(host)
    assert "The other listeners stay" in host.get("/disconnect").content.decode()
    assert host.press("/disconnect", on="/disconnect", confirm="yes")["Location"] == "/"
    assert Listener.objects.get().handle == "ana"
    assert not Invitation.objects.filter(used_at=None).exists()
    assert "Twenty songs will stand here" in visitor.get("/").content.decode()
    for path in ("/@ana/", "/listeners/", "/health"):
        assert visitor.get(path).status_code == 200, path
    assert guest.get("/me/").status_code == 200
    # Nobody becomes the host by chance.
    simulator.current = "new"
    assert Browser().sign_in().status_code == 403
    settings.SPOTIFY_HOST_ID = simulator.accounts["new"].account_id
    assert Browser().sign_in()["Location"] == "/"
    assert Listener.objects.host() and Listener.objects.count() == 2


def test_a_listener_becomes_the_host_and_keeps_handle_history_and_page(
    host: Browser, simulator: Simulator, settings: Any, visitor: Browser
) -> None:
    come_in(host, simulator, "stranger", name="Ana", handle="ana")
    former = Listener.objects.get(is_host=True)
    songs = [*Listener.objects.get(handle="ana").snapshots.values_list("pk", flat=True)]
    settings.SPOTIFY_HOST_ID = simulator.accounts["stranger"].account_id
    simulator.current = "stranger"
    ana = Browser()
    assert ana.sign_in()["Location"] == "/"
    new = Listener.objects.get(is_host=True)
    assert (new.handle, new.name, new.visibility) == ("ana", "Ana", "public")
    assert set(songs) <= set(new.snapshots.values_list("pk", flat=True))
    assert visitor.get("/@ana/history/?page=1")["Location"] == "/history/?page=1"
    assert "What <bdi>Ana</bdi> plays most" in visitor.get("/").content.decode()
    assert ana.get("/admin/tracks/track/").status_code == 200
    former.refresh_from_db()
    assert (former.is_host, former.visibility) == (False, "private")
    assert visitor.get(f"/@{former.handle}/").status_code == 404
    assert ana.get(f"/@{former.handle}/").status_code == 404
    assert host.get(f"/@{former.handle}/").status_code == 200
    assert host.get("/admin/").status_code == 302
    assert b"Invite" not in host.get("/me/").content


# Two at once, on the real database


@several_writers
@pytest.mark.database
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("scarce", ["invitation", "place", "place of an open site"])
def test_of_two_who_race_exactly_one_gets_in_and_nothing_is_stored_of_the_other(
    host: Browser, simulator: Simulator, settings: Any, scarce: str
) -> None:
    settings.MAX_LISTENERS = 5 if scarce == "invitation" else 2
    settings.LISTENERS = "open" if "open" in scarce else "invited"
    add_account(simulator, "third")
    paths = [invite(host)]
    paths.append(paths[0] if scarce == "invitation" else invite(host))
    browsers, callbacks = [Browser(), Browser()], []
    for browser, path, account in zip(browsers, paths, ("stranger", "third"), strict=True):
        simulator.current = account
        start = browser.press("/accounts/spotify/login/", on=path, invitation=secret_of(path))
        callbacks.append(callback_of(browser, start))
    results = at_once(*[partial(browser.get, path) for browser, path in zip(browsers, callbacks, strict=True)])
    assert sorted(result.status_code for result in results) == [302, 403], results
    refused = next(result for result in results if result.status_code == 403).content.decode()
    assert ("works once" if scarce == "invitation" else "Every place") in refused
    assert Listener.objects.count() == SocialAccount.objects.count() == SocialToken.objects.count() == 2
    assert User.objects.count() == 2
    assert Invitation.objects.exclude(used_at=None).count() == 1
