"""From Spotify: the raw page of top tracks."""

from typing import Any

from django.utils.translation import gettext as _

from tracks.spotify.client import ListenerClient
from tracks.spotify.errors import Unavailable


def extract(client: ListenerClient, *, time_range: str, limit: int) -> dict[str, Any]:
    """Spotify's page for the time range, with at most `limit` items of any kind in `items`.

    The order of the items is the ranking. Raises Unavailable for an answer that is no page of items, and any
    SpotifyError of the call.
    """
    page = client.top_tracks(time_range=time_range, limit=limit)
    items = page.get("items")
    if not isinstance(items, list):
        raise Unavailable(_("Spotify sent an answer without songs in it; the last chart stays. Try again later."))
    return page | {"items": items[:limit]}
