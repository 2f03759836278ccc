"""The one way out to Spotify: a requests session that spotipy and allauth share, bounded in time and size."""

import functools
import json
import logging
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import requests
from django.utils import timezone
from django.utils.translation import gettext as _
from requests.adapters import HTTPAdapter

from tracks.spotify.errors import (
    AccessTokenRefused,
    BadCredentials,
    NotAllowed,
    RateLimited,
    RequestRefused,
    SignInNeeded,
    SpotifyError,
    Unavailable,
)
from tracks.spotify.pace import Places
from tracks.spotify.pause import Service, asked_for, raise_if_paused, remember_pause, service_of

MOST_BYTES = 5_000_000

logger = logging.getLogger(__name__)


class BoundedSession(requests.Session):
    """Answers with a JSON object or raises a SpotifyError; all its calls together end within `seconds`.

    Raises RateLimited, without a call, while a pause lasts of the service to be called, and remembers a new pause
    app-wide.
    It never retries and never follows a redirect, which could carry a secret elsewhere.
    """

    def __init__(self, *, seconds: float, places: Places | None = None) -> None:
        super().__init__()
        self.places = places or Places()
        self.deadline = time.monotonic() + seconds
        self.mount("https://", _Adapter())
        self.mount("http://", _Adapter())
        # A .netrc file would replace the Authorization header.
        self.auth = lambda request: request
        # Every session comes to the API in the end.
        raise_if_paused(Service.API)

    def request(self, method: str | bytes, url: str | bytes, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            raise Unavailable(_("Spotify took too long to answer; the last chart stays. Try again later."))
        if service_of(str(url)) == Service.ACCOUNTS:
            raise_if_paused(Service.ACCOUNTS)
        self.places.use(seconds=remaining)
        # A moment more than the call has: it is the deadline that ends it, with the words for that.
        kwargs |= {"timeout": remaining + 1, "stream": True, "allow_redirects": False}
        call = _Call(functools.partial(self._read, super().request, method, url, **kwargs))
        call.start()
        call.join(remaining)
        if call.is_alive():
            for scheme in ("https://", "http://"):
                self.get_adapter(scheme).hang_up()  # type: ignore[attr-defined]
            raise Unavailable(_("Spotify took too long to answer; the last chart stays. Try again later."))
        if call.error is not None:
            raise call.error
        response: requests.Response = call.response  # type: ignore[assignment]
        _raise_for_status(response)
        return response

    def _read(self, send: Callable[..., requests.Response], *args: Any, **kwargs: Any) -> requests.Response:
        """The response with its whole body read; raises Unavailable for one over MOST_BYTES, as soon as it is."""
        with send(*args, **kwargs) as response:
            body = bytearray()
            for chunk in response.iter_content(64 * 1024):
                body += chunk
                if len(body) > MOST_BYTES:
                    raise Unavailable(_("Spotify's answer was too large to be real; the last chart stays."))
        response._content = bytes(body)
        return response


class _Adapter(HTTPAdapter):
    """Remembers what is open, so that a caller out of time can hang up on an answer that drips in for ever."""

    def __init__(self) -> None:
        super().__init__(max_retries=0)
        self.connections: list[Any] = []
        self.answers: list[Any] = []

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        if not isinstance(pool.ConnectionCls, functools.partial):
            pool.ConnectionCls = functools.partial(self._connect, pool.ConnectionCls)
        return pool

    def _connect(self, make: Callable[..., Any], **kwargs: Any) -> Any:
        self.connections.append(make(**kwargs))
        return self.connections[-1]

    def build_response(self, request: requests.PreparedRequest, answer: Any) -> requests.Response:
        self.answers.append(answer)
        return super().build_response(request, answer)

    def hang_up(self) -> None:
        for connection in self.connections:
            if connection.sock is not None:
                try:
                    connection.sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # it ended by itself meanwhile
        # With `Connection: close` the socket is no longer the connection's, but the answer's.
        for answer in self.answers:
            try:
                answer.shutdown()
            except (OSError, ValueError, RuntimeError):
                pass  # it was read to its end


class _Call(threading.Thread):
    """One HTTP call in a thread of its own: a timeout of requests bounds each read, not the call nor a DNS look-up."""

    def __init__(self, send: Callable[[], requests.Response]) -> None:
        super().__init__(daemon=True, name="spotify-call")
        self.send = send
        self.response: requests.Response | None = None
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.response = self.send()
        except SpotifyError as error:
            self.error = error
        except Exception as error:
            # The library's own message may quote an address; its kind is enough to find the cause.
            logger.info("Call to Spotify failed: %s", type(error).__name__)
            self.error = Unavailable()


def _raise_for_status(response: requests.Response) -> None:
    """Raises the SpotifyError that the answer means, unless it is a 2xx with a JSON object."""
    try:
        answer = json.loads(response.content)
    except (ValueError, RecursionError):
        answer = None
    if response.ok and 200 <= response.status_code < 300:
        if not isinstance(answer, dict):
            raise Unavailable(_("Spotify sent an answer that cannot be read; the last chart stays. Try again later."))
        # allauth reads the type before the body.
        response.headers.setdefault("Content-Type", "application/json")
        return
    error = answer.get("error") if isinstance(answer, dict) else None
    reason = error if isinstance(error, str) else ""
    details = error if isinstance(error, dict) else {}
    match response.status_code:
        case 429:
            until = timezone.now() + asked_for(response, quota=details.get("reason") == "QUOTA_EXCEEDED")
            remember_pause(service_of(response.url), until)
            raise RateLimited(until)
        case 400 | 401 if reason == "invalid_grant":
            raise SignInNeeded
        case 400 | 401 if reason in {"invalid_client", "unauthorized_client"}:
            raise BadCredentials
        case 401:
            raise AccessTokenRefused
        case 403 if "scope" in str(details.get("message")).lower():
            raise SignInNeeded(
                _("The sign-in did not include the permission to read top songs; the host must sign in again.")
            )
        case 403:
            raise NotAllowed
        case 408 | 425:
            raise Unavailable
        case status if 400 <= status < 500:
            raise RequestRefused(status)
        case status:
            raise Unavailable(
                _("Spotify answered with status %(status)d; the last chart stays. Try again later.")
                % {"status": status}
            )
