"""Calls on behalf of a listener."""

import pytest
from allauth.socialaccount.models import SocialToken

from simulator import Fault, Simulator
from tests.factories import account, expire
from tests.helpers import TOKEN, TOP
from tracks.models import Listener
from tracks.spotify import tokens
from tracks.spotify.client import ListenerClient, profile
from tracks.spotify.errors import AccessTokenRefused, NotAllowed, SignInNeeded, Unavailable
from tracks.spotify.session import BoundedSession

pytestmark = pytest.mark.django_db

ME = "/v1/me"
REFUSED = "Spotify refused the access token, even a new one; the last chart stays. Try again later."


@pytest.fixture
def client(listener: Listener) -> ListenerClient:
    return ListenerClient(listener, BoundedSession(seconds=10))


def test_several_pages_are_asked_for_with_one_token(client: ListenerClient, simulator: Simulator) -> None:
    for name in ("long_term", "short_term"):
        assert len(client.top_tracks(time_range=name, limit=5)["items"]) == 5
    assert [(call.path, call.query["time_range"], call.query["limit"]) for call in simulator.calls] == [
        (TOP, "long_term", "5"), (TOP, "short_term", "5"),
    ]  # fmt: skip


def test_a_token_that_has_lapsed_is_renewed_first(client: ListenerClient, simulator: Simulator) -> None:
    expire()
    assert client.top_tracks(time_range="long_term", limit=5)["items"]
    assert [call.path for call in simulator.calls] == [TOKEN, TOP]


def test_a_token_that_is_refused_is_renewed_once_and_kept(client: ListenerClient, simulator: Simulator) -> None:
    simulator.expire_access_tokens()
    assert client.top_tracks(time_range="long_term", limit=5)["items"]
    assert client.top_tracks(time_range="short_term", limit=5)["items"]
    assert [call.path for call in simulator.calls] == [TOP, TOKEN, TOP, TOP]
    assert simulator.calls[2].query == simulator.calls[0].query


def test_a_token_that_is_refused_though_new_means_later(client: ListenerClient, simulator: Simulator) -> None:
    simulator.fault(TOP, Fault.json(401, {}))
    with pytest.raises(Unavailable) as raised:
        client.top_tracks(time_range="long_term", limit=5)
    assert str(raised.value) == REFUSED
    assert [call.path for call in simulator.calls] == [TOP, TOKEN, TOP]


def test_other_errors_are_not_tried_again(client: ListenerClient, simulator: Simulator) -> None:
    simulator.fault(TOP, Fault.json(403, {}))
    with pytest.raises(NotAllowed):
        client.top_tracks(time_range="long_term", limit=5)
    assert [call.path for call in simulator.calls] == [TOP]


def test_the_listeners_own_token_is_used(listener: Listener, simulator: Simulator) -> None:
    other = Listener.objects.create(account=account("other"), authorized_at=listener.authorized_at)
    with pytest.raises(SignInNeeded):
        ListenerClient(other, BoundedSession(seconds=10)).top_tracks(time_range="long_term", limit=5)
    assert not simulator.calls


def test_the_profile_is_asked_for_at_the_documented_address_with_the_token_in_the_header(
    listener: Listener, simulator: Simulator
) -> None:
    token = tokens.decrypt(SocialToken.objects.get().token)
    person = profile(token, BoundedSession(seconds=10))
    assert person["account_id"] == simulator.accounts["host"].account_id
    (call,) = simulator.calls
    assert (call.path, call.query, call.headers["authorization"]) == (ME, {}, f"Bearer {token}")
    with pytest.raises(AccessTokenRefused):
        profile("made-up", BoundedSession(seconds=10))
