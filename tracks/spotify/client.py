"""Spotify's Web API as this service uses it: spotipy over the bounded session."""

from typing import TYPE_CHECKING, Any

from django.conf import settings

from tracks.models import Listener
from tracks.spotify.errors import AccessTokenRefused, Unavailable
from tracks.spotify.session import BoundedSession
from tracks.spotify.tokens import access_token

if TYPE_CHECKING:
    import spotipy


def api(token: str, session: BoundedSession) -> "spotipy.Spotify":
    """A client for one access token. It has no auth manager: spotipy's would open a browser or ask on the console.

    It tries nothing again: spotipy leaves that to a session that it is given.
    """
    # It loads a client of Redis; both are a sixth of the start of every command, and few of them ask Spotify.
    import spotipy

    client = spotipy.Spotify(auth=token, requests_session=session)
    client.prefix = f"{settings.SPOTIFY_API_URL}/"
    return client


def profile(token: str, session: BoundedSession) -> dict[str, Any]:
    """The answer of GET /v1/me for this access token. Raises SpotifyError.

    spotipy asks for `/me/`, with a slash that the documentation does not have.
    """
    answer: dict[str, Any] = session.get(
        f"{settings.SPOTIFY_API_URL}/me", headers={"Authorization": f"Bearer {token}"}
    ).json()
    return answer


class ListenerClient:
    """Calls on behalf of a listener, within one bounded session, with the access token renewed where needed."""

    def __init__(self, listener: Listener, session: BoundedSession) -> None:
        self._listener = listener
        self._session = session
        self._api: spotipy.Spotify | None = None

    def top_tracks(self, *, time_range: str, limit: int) -> dict[str, Any]:
        """The answer of GET /v1/me/top/tracks. A 401 renews the token and tries once more. Raises SpotifyError."""
        try:
            return self._ask(time_range, limit)
        except AccessTokenRefused:
            self._api = api(access_token(self._listener, self._session, renew=True), self._session)
        try:
            return self._ask(time_range, limit)
        except AccessTokenRefused as refused:
            raise Unavailable(AccessTokenRefused.message) from refused

    def _ask(self, time_range: str, limit: int) -> dict[str, Any]:
        if self._api is None:
            self._api = api(access_token(self._listener, self._session), self._session)
        answer: dict[str, Any] = self._api.current_user_top_tracks(limit=limit, time_range=time_range)
        return answer
