"""The simulated Spotify's HTTP endpoints, and the thread that serves them."""

import base64
import binascii
import json
import re
import secrets
import socket
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from . import catalogue, covers, pages
from .catalogue import TIME_RANGES, cover_shape
from .faults import NOT_REGISTERED, Answer, Fault, deliver
from .state import Account, Call, InvalidGrant, State, Token

_MAX_BODY = 1_000_000  # bytes
_IMAGE_PATH = re.compile(r"/image/([0-9A-Za-z]{1,40})/(640|300|64)")


@dataclass(frozen=True)
class _Request:
    """One request; of parameters given twice the last one counts."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]  # names in lower case
    raw_body: bytes

    @property
    def form(self) -> dict[str, str]:
        if "json" in self.headers.get("content-type", ""):
            return {}
        return dict(parse_qsl(self.raw_body.decode("utf-8", "replace"), keep_blank_values=True))


class Simulator(State):
    """A simulated Spotify on 127.0.0.1. Its attributes may be changed at any time, and hold until `reset()`.

    The port is taken at once (raises OSError), so that `url` is known; requests are answered from `start()` on.
    """

    def __init__(
        self,
        port: int = 0,
        extended: bool = False,
        client_id: str = "demo-client",
        client_secret: str = "demo-secret",
        token_seconds: int = 3600,
    ) -> None:
        self._server = _Server(port)
        super().__init__(
            url=f"http://127.0.0.1:{self._server.server_port}",
            extended=extended,
            client_id=client_id,
            client_secret=client_secret,
            token_seconds=token_seconds,
        )
        self._thread: threading.Thread | None = None

    @property
    def accounts_url(self) -> str:
        """What stands for https://accounts.spotify.com."""
        return self.url

    @property
    def api_url(self) -> str:
        """What stands for https://api.spotify.com/v1."""
        return f"{self.url}/v1"

    def start(self) -> Self:
        """Serve in a thread of its own; after `stop()` again at the same port."""
        if self._thread is None:
            if self._server.stopping.is_set():
                self._server = _Server(self._server.server_port)
            self._server.simulator = self
            self._server.server_activate()
            self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
            self._thread.start()
        return self

    def stop(self) -> None:
        """Close the port and every connection; from now on connections are refused."""
        self._server.stopping.set()
        self.release()
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()
        self._server.hang_up()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    simulator: Simulator

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler, bind_and_activate=False)
        self.stopping = threading.Event()
        self._connections: set[socket.socket] = set()
        try:
            self.server_bind()
        except BaseException:
            self.server_close()
            raise

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = self.socket.getsockname()[:2]  # without the name look-up of http.server

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Close the connections that clients keep open."""
        for connection in self._connections.copy():
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it is closed already

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing when a client has gone; anything else is a bug worth its traceback."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _handle(self) -> None:
        simulator = self.server.simulator
        request = self._request()
        # Before the call shows: whoever has seen it may let it go.
        released = simulator.released
        if not request.path.startswith(("/_simulator/", "/image/", "/favicon.ico")):
            simulator.calls.append(
                Call(request.method, request.path, request.query, request.headers, request.form, time.time())
            )
        fault = simulator.take_fault(request.path, request.query.get("time_range", "medium_term"))
        if fault is None:
            deliver(self.connection, _answer(simulator, request), Fault(), self.server.stopping)
            return
        self.close_connection = True
        if fault.after:
            _answer(simulator, request)
        released.wait(fault.delay)
        if self.server.stopping.is_set() or fault.loses_answer:
            return
        answer = fault.answer() if fault.replaces_answer else _answer(simulator, request)
        deliver(self.connection, answer, fault, self.server.stopping)

    def _request(self) -> _Request:
        url = urlsplit(self.path)
        length = self.headers.get("Content-Length", "0")
        size = min(int(length), _MAX_BODY) if length.isdecimal() else 0
        return _Request(
            self.command,
            unquote(url.path),
            dict(parse_qsl(url.query, keep_blank_values=True)),
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(size),
        )


def _answer(simulator: Simulator, request: _Request) -> Answer:
    """Return the real answer to a request, after doing what it asks for."""
    match request.method, request.path:
        case "GET", "/":
            return _page(pages.index(simulator.url))
        case "GET", "/authorize":
            return _authorize(simulator, request.query)
        case "POST", "/authorize":
            return _decide(simulator, request.form)
        case "POST", "/api/token":
            return _token(simulator, request)
        case "GET", "/v1/me":
            return _me(simulator, request)
        case "GET", "/v1/me/top/tracks":
            return _top_tracks(simulator, request)
        case "GET", path if found := _IMAGE_PATH.fullmatch(path):
            return _image(found[1], int(found[2]))
        case _, path if path.startswith("/_simulator/"):
            return _control(simulator, request)
        case _, "/authorize" | "/api/token" | "/v1/me" | "/v1/me/top/tracks":
            return Answer.error(405, "Method not allowed")
    return Answer.error(404, "Service not found")


# Accounts


def _authorize(simulator: Simulator, asked: Mapping[str, str]) -> Answer:
    if problem := _wrong_request(simulator, asked):
        return _page(pages.refusal(problem), status=400)
    if simulator.auto_approve:
        return _approve(simulator, asked, simulator.current)
    names = {key: account.display_name for key, account in simulator.accounts.items()}
    return _page(pages.consent(asked, names, simulator.current))


def _decide(simulator: Simulator, asked: Mapping[str, str]) -> Answer:
    if problem := _wrong_request(simulator, asked):
        return _page(pages.refusal(problem), status=400)
    if asked.get("decision") != "agree":
        return _back_to_app(asked, error="access_denied")
    account = asked.get("account", simulator.current)
    if account not in simulator.accounts:
        return _page(pages.refusal("No such account"), status=400)
    return _approve(simulator, asked, account)


def _approve(simulator: Simulator, asked: Mapping[str, str], account: str) -> Answer:
    code = simulator.new_code(
        account=account,
        client_id=asked["client_id"],
        redirect_uri=asked["redirect_uri"],
        challenge=asked.get("code_challenge", ""),
        scope=asked.get("scope", ""),
    )
    return _back_to_app(asked, code=code)


def _back_to_app(asked: Mapping[str, str], **answer: str) -> Answer:
    if "state" in asked:
        answer["state"] = asked["state"]
    uri = asked["redirect_uri"]
    location = f"{uri}{'&' if '?' in uri else '?'}{urlencode(answer)}"
    return Answer(302, headers={"Location": location, "Referrer-Policy": "no-referrer"})


def _wrong_request(simulator: Simulator, asked: Mapping[str, str]) -> str:
    """Return what Spotify would refuse about a request to authorize, or nothing."""
    if asked.get("client_id") != simulator.client_id:
        return "INVALID_CLIENT: Invalid client"
    if not _redirect_uri_allowed(asked.get("redirect_uri", "")):
        return "INVALID_CLIENT: Invalid redirect URI"
    if asked.get("response_type") != "code":
        return "response_type must be code"
    challenge = asked.get("code_challenge", "")
    method = asked.get("code_challenge_method", "")
    if (challenge or method) and method != "S256":
        return "code_challenge_method must be S256"
    if (challenge or method) and not re.fullmatch(r"[A-Za-z0-9_-]{43}", challenge):
        return "code_challenge must be 43 base64url characters"
    return ""


def _redirect_uri_allowed(uri: str) -> bool:
    if not re.fullmatch(r"[!-~]+", uri) or "#" in uri:
        return False
    try:
        target = urlsplit(uri)
        host = target.hostname
    except ValueError:
        return False
    if not host or host == "localhost" or host.endswith(".localhost"):
        return False
    return target.scheme == "https" or (target.scheme == "http" and host in ("127.0.0.1", "::1"))


def _token(simulator: Simulator, request: _Request) -> Answer:
    form = request.form
    client_id, client_secret = _client_credentials(request)
    if client_id != simulator.client_id:
        return _oauth_error("invalid_client", "Invalid client")
    if not secrets.compare_digest(client_secret.encode(), simulator.client_secret.encode()):
        return _oauth_error("invalid_client", "Invalid client secret")
    try:
        match form.get("grant_type"):
            case "authorization_code":
                answer = simulator.exchange_code(
                    form.get("code", ""),
                    client_id=client_id,
                    redirect_uri=form.get("redirect_uri", ""),
                    verifier=form.get("code_verifier", ""),
                )
            case "refresh_token":
                answer = simulator.exchange_refresh_token(form.get("refresh_token", ""), client_id=client_id)
            case "client_credentials":
                answer = simulator.grant_app()
            case _:
                return _oauth_error("unsupported_grant_type", "grant_type parameter is missing or unknown")
    except InvalidGrant as problem:
        return _oauth_error("invalid_grant", str(problem))
    return Answer.json(answer, headers={"Cache-Control": "no-store"})


def _client_credentials(request: _Request) -> tuple[str, str]:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            client_id, _, client_secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return unquote(client_id), unquote(client_secret)
    return request.form.get("client_id", ""), request.form.get("client_secret", "")


def _oauth_error(error: str, description: str) -> Answer:
    return Answer.json({"error": error, "error_description": description}, status=400)


# Web API


def _bearer(simulator: Simulator, request: _Request) -> tuple[Token, Account] | Answer:
    """Return whose access token this is, or the answer that refuses it.

    An app's own token is refused as github.com/spotify/web-api/issues/806 and web-api-examples/issues/44 report it.
    """
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if not scheme:
        return Answer.error(401, "No token provided")
    if scheme.lower() != "bearer":
        return Answer.error(400, "Only valid bearer authentication supported")
    token = simulator.access_tokens.get(key.strip())
    if token is None:
        return Answer.error(401, "Invalid access token")
    if token.expires_at <= time.time():
        return Answer.error(401, "The access token expired")
    if not token.account:
        if request.path == "/v1/me":
            return Answer.error(401, "Unauthorized")
        return Answer.error(403, "Insufficient client scope")
    account = simulator.accounts[token.account]
    if not account.allowed:
        return Answer(403, NOT_REGISTERED.encode(), "text/plain")
    return token, account


def _me(simulator: Simulator, request: _Request) -> Answer:
    signed_in = _bearer(simulator, request)
    if isinstance(signed_in, Answer):
        return signed_in
    _, account = signed_in
    profile: dict[str, Any] = {
        "display_name": account.display_name,
        "external_urls": {"spotify": f"https://open.spotify.com/user/{account.id}"},
        "href": f"https://api.spotify.com/v1/users/{account.id}",
        "id": account.id,
        "images": [],
        "type": "user",
        "uri": f"spotify:user:{account.id}",
    }
    if account.include_account_id:
        profile["account_id"] = account.account_id
    if simulator.extended:
        profile |= {
            "country": "NO",
            "email": f"{account.id}@example.com",
            "explicit_content": {"filter_enabled": False, "filter_locked": False},
            "followers": {"href": None, "total": 12},
            "product": "premium",
        }
    return Answer.json(dict(sorted(profile.items())))


def _top_tracks(simulator: Simulator, request: _Request) -> Answer:
    signed_in = _bearer(simulator, request)
    if isinstance(signed_in, Answer):
        return signed_in
    token, account = signed_in
    if "user-top-read" not in token.scope.split():
        return Answer.error(403, "Insufficient client scope")
    time_range = request.query.get("time_range", "medium_term")
    if time_range not in TIME_RANGES:
        return Answer.error(400, "Invalid time range")
    limit, offset = _number(request.query.get("limit", "20")), _number(request.query.get("offset", "0"))
    if limit is None or not 1 <= limit <= 50:
        return Answer.error(400, "Invalid limit")
    if offset is None:
        return Answer.error(400, "Invalid offset")
    if simulator.restless and offset == 0:
        simulator.shuffle(token.account, time_range)
    items = account.rankings[time_range]
    page = items[offset : offset + limit] if isinstance(items, list) else items
    if simulator.extended and isinstance(page, list) and time_range not in account.verbatim:
        page = [catalogue.extend(item) for item in page]
    total = len(items) if isinstance(items, list) else 0
    asked = {"time_range": time_range, "limit": limit}
    locale = {"locale": request.headers.get("accept-language", "*")}

    def href(offset: int, **more: str) -> str:
        return f"{simulator.api_url}/me/top/tracks?{urlencode(asked | {'offset': offset} | more)}"

    return Answer.json(
        {
            "href": href(offset, **locale),
            "limit": limit,
            "next": href(offset + limit) if offset + limit < total else None,
            "offset": offset,
            "previous": href(max(offset - limit, 0)) if offset else None,
            "total": total,
            "items": page,
        }
    )


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,6}", text) else None


# Covers, and control from another process


def _image(album_id: str, size: int) -> Answer:
    png = covers.cover(album_id, *cover_shape(album_id, size))
    return Answer(200, png, "image/png", {"Cache-Control": "public, max-age=86400"})


def _control(simulator: Simulator, request: _Request) -> Answer:
    try:
        wanted = json.loads(request.raw_body or b"{}")
        match request.method, request.path.removeprefix("/_simulator/"):
            case "GET", "state":
                pass
            case "POST", "reset":
                simulator.reset()
            case "POST", "settings":
                simulator.change_settings(wanted)
            case "POST", "faults":
                _set_faults(simulator, wanted)
            case "POST", "shuffle":
                simulator.shuffle(**wanted)
            case _:
                return Answer.error(404, "state, reset, settings, faults or shuffle")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return Answer.error(400, f"{type(error).__name__}: {error}")
    return Answer.json(simulator.summary())


def _set_faults(simulator: Simulator, wanted: list[dict[str, Any]]) -> None:
    """Set faults path by path, each entry {"path", "times" (of the path's first entry), fields of Fault}; [] clears."""
    if not wanted:
        simulator.clear_faults()
    for path in dict.fromkeys(entry["path"] for entry in wanted):
        entries = [entry for entry in wanted if entry["path"] == path]
        faults = [{key: value for key, value in entry.items() if key not in ("path", "times")} for entry in entries]
        simulator.fault(path, *[Fault(**fault) for fault in faults], times=entries[0].get("times"))


def _page(html: str, *, status: int = 200) -> Answer:
    headers = {"Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY", "Cache-Control": "no-store"}
    return Answer(status, html.encode(), "text/html; charset=utf-8", headers)
