"""The raw page of top songs, as it came."""

from typing import Any

import pytest

from simulator import Fault, Simulator
from tests.helpers import TOP
from tracks.etl.extract import extract
from tracks.models import Listener
from tracks.spotify.client import ListenerClient
from tracks.spotify.errors import Unavailable
from tracks.spotify.session import BoundedSession

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(listener: Listener) -> ListenerClient:
    return ListenerClient(listener, BoundedSession(seconds=10))


def test_the_page_is_the_one_asked_for_and_whole(client: ListenerClient, simulator: Simulator) -> None:
    page = extract(client, time_range="long_term", limit=7)
    assert [item["id"] for item in page["items"]] == [
        item["id"] for item in simulator.accounts["host"].rankings["long_term"][:7]
    ]
    assert page["limit"] == 7 and "total" in page
    (call,) = simulator.calls
    assert call.query == {"time_range": "long_term", "limit": "7", "offset": "0"}


def test_more_than_asked_for_is_cut_and_the_rest_of_the_page_kept(client: ListenerClient, simulator: Simulator) -> None:
    simulator.fault(TOP, Fault.json(200, {"items": [1, None, "x"], "total": 900}))
    assert extract(client, time_range="long_term", limit=2) == {"items": [1, None], "total": 900}


@pytest.mark.parametrize("answer", [{}, {"items": None}, {"items": {}}, {"items": "none"}])
def test_a_page_without_items_means_later(client: ListenerClient, simulator: Simulator, answer: Any) -> None:
    simulator.fault(TOP, Fault.json(200, answer))
    with pytest.raises(Unavailable) as raised:
        extract(client, time_range="long_term", limit=2)
    assert str(raised.value) == "Spotify sent an answer without songs in it; the last chart stays. Try again later."
