"""Answers, and the ways in which a simulated answer can go wrong on its way to the client."""

import gzip
import json
import os
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from http import HTTPStatus
from itertools import count
from typing import Any, Self

NOT_REGISTERED = "Check settings on developer.spotify.com/dashboard, the user may not be registered."

_DRIPPED_LENGTH = 10_000_000  # bytes; a drip is meant to outlast any patience
_CHUNK = b'{"type": "track", "name": "again and again"}, '.ljust(64) * 1024


@dataclass(frozen=True)
class Answer:
    """A whole HTTP answer, before anything happens to it."""

    status: int
    body: bytes = b""
    content_type: str = "application/json; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Self:
        """Answer with JSON, in UTF-8 as Spotify does."""
        try:
            body = json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:  # half of a surrogate pair, which only the escaped form can carry
            body = json.dumps(value).encode()
        return cls(status, body, headers=headers or {})

    @classmethod
    def error(cls, status: int, message: str, **more: Any) -> Self:
        """Answer with an error as the Web API words it."""
        return cls.json({"error": {"status": status, "message": message} | more}, status=status)


@dataclass(frozen=True)
class Fault:
    """One answer gone wrong. Without `status`, `body`, `size` and `endless` the real answer is the one that suffers.

    Times are seconds, sizes bytes. The ways of delivery (drop, reset, truncate, drips, endless) exclude each other.
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)  # added to, or instead of, those of the answer
    body: bytes | str | None = None
    content_type: str = "application/json"
    delay: float = 0.0  # before anything is sent
    drip_headers: float = 0.0  # between header lines, which never end
    drip_body: float = 0.0  # between single bytes of a body that hardly ends
    truncate: bool = False  # announce the whole body, send half of it, close
    reset: bool = False  # send half of the body, then reset the connection
    drop: bool = False  # close without an answer, without having done anything
    after: bool = False  # do the real thing first, then lose its answer (or give this fault's own)
    size: int = 0  # length of a JSON body that is made up for it
    endless: bool = False  # a chunked body without an end
    gzip: bool = False  # compress the body; with `size` a small answer that unpacks to a huge one
    match: str | None = None  # only for this time_range

    @classmethod
    def rate_limited(cls, seconds: int | str | None, quota: bool = False) -> Self:
        """Answer 429; `seconds` is the Retry-After as it is sent (None: no such header)."""
        error: dict[str, Any] = {"status": 429, "message": "Too many requests"}
        if quota:
            error["reason"] = "QUOTA_EXCEEDED"
        headers = {} if seconds is None else {"Retry-After": str(seconds)}
        return cls(429, headers, json.dumps({"error": error}))

    @classmethod
    def not_registered(cls, text: bool = True) -> Self:
        """Answer 403 as for a user who is not on the app's allow-list, as plain text or as JSON."""
        if text:
            return cls(403, body=NOT_REGISTERED, content_type="text/plain")
        return cls.json(403, {"error": {"status": 403, "message": NOT_REGISTERED}})

    @classmethod
    def html(cls, status: int = 502) -> Self:
        """Answer as a gateway in front of the API would."""
        title = f"{status} {_reason(status)}"
        page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
        return cls(status, body=page, content_type="text/html")

    @classmethod
    def json(cls, status: int, obj: Any) -> Self:
        """Answer with this object as JSON."""
        return cls(status, body=json.dumps(obj))

    @classmethod
    def hang(cls, seconds: float) -> Self:
        """Say nothing for so long, then close."""
        return cls(delay=seconds, drop=True)

    def only(self, time_range: str) -> Self:
        """Return the same fault for this time_range only."""
        return replace(self, match=time_range)

    @property
    def replaces_answer(self) -> bool:
        """Whether the fault sends something of its own instead of the real answer."""
        return self.status is not None or self.body is not None or self.size > 0 or self.endless

    @property
    def loses_answer(self) -> bool:
        """Whether nothing at all is sent."""
        return self.drop or (self.after and not self.replaces_answer)

    def answer(self) -> Answer:
        """Return the fault's own answer."""
        status = 200 if self.status is None else self.status
        if self.size:
            body = _json_of_length(self.size)
        elif self.body is None:
            message = {"error": {"status": status, "message": _reason(status)}}
            body = b"{}" if status < 400 else json.dumps(message).encode()
        else:
            body = self.body if isinstance(self.body, bytes) else self.body.encode()
        return Answer(status, body, self.content_type)


def deliver(connection: socket.socket, answer: Answer, fault: Fault, stopping: threading.Event) -> None:
    """Send the answer as badly as the fault asks.

    Raises OSError when the client has gone. Unless `fault` is Fault(), the caller closes the connection afterwards.
    """
    body = gzip.compress(answer.body) if fault.gzip else answer.body
    length = max(len(body), _DRIPPED_LENGTH) if fault.drip_body else len(body)
    head = _head(answer, fault, length)
    if fault.drip_headers:
        _drip(connection, _endless_headers(head), fault.drip_headers, stopping)
    elif fault.drip_body:
        connection.sendall(b"\r\n".join(head) + b"\r\n\r\n")
        padded = (body[at : at + 1] or b" " for at in range(length))
        _drip(connection, padded, fault.drip_body, stopping)
    elif fault.endless:
        connection.sendall(b"\r\n".join(head) + b'\r\n\r\nb\r\n{"items": [\r\n')
        while not stopping.is_set():
            connection.sendall(b"%x\r\n%b\r\n" % (len(_CHUNK), _CHUNK))
    else:
        sent = body[: len(body) // 2] if fault.truncate or fault.reset else body
        connection.sendall(b"\r\n".join(head) + b"\r\n\r\n" + sent)
        if fault.reset:
            _reset(connection)


def _head(answer: Answer, fault: Fault, length: int) -> list[bytes]:
    headers = {"Date": formatdate(usegmt=True), "Content-Type": answer.content_type, "Content-Length": str(length)}
    if fault.endless:
        headers.pop("Content-Length")
        headers["Transfer-Encoding"] = "chunked"
    if fault.gzip:
        headers["Content-Encoding"] = "gzip"
    if fault != Fault():
        headers["Connection"] = "close"
    for name, value in {**answer.headers, **fault.headers}.items():
        headers = {known: old for known, old in headers.items() if known.lower() != name.lower()} | {name: value}
    lines = [f"HTTP/1.1 {answer.status} {_reason(answer.status)}"]
    return [line.encode("latin-1", "replace") for line in lines + [f"{name}: {headers[name]}" for name in headers]]


def _endless_headers(head: list[bytes]) -> Iterator[bytes]:
    yield from (line + b"\r\n" for line in head)
    yield from (b"X-Drip: %d\r\n" % number for number in count())


def _drip(connection: socket.socket, pieces: Iterator[bytes], seconds: float, stopping: threading.Event) -> None:
    for piece in pieces:
        connection.sendall(piece)
        if stopping.wait(seconds):
            return


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # Closing the descriptor itself: an orderly shutdown first would show the client an end instead of a reset.
    os.close(connection.detach())


def _json_of_length(size: int) -> bytes:
    """Return valid JSON of about this many bytes (never fewer)."""
    start, end = b'{"items": [', b"null]}"
    middle = _CHUNK * ((size - len(start) - len(end)) // len(_CHUNK))
    return (start + middle).ljust(size - len(end)) + end


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
