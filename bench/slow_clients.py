"""Clients that are in no hurry, and whether others are served meanwhile: for the tests and for `make bench`."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import requests

HEAD = "{} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
# With a CSRF cookie, of anybody's making, Django reads a form before it refuses it.
FORM = f"Cookie: csrftoken={'a' * 32}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
# What each kind sends before it waits.
KINDS = {
    "silent": "",
    "half a header": HEAD.format("GET /") + "X-Slow: ",
    "two bytes of a body": HEAD.format("POST /") + FORM + "Content-Length: 1000\r\n\r\na=",
    "half a chunk": HEAD.format("POST /") + FORM + "Transfer-Encoding: chunked\r\n\r\n100\r\na=",
    "an answer unread": (HEAD.format("GET /?time_range=long_term") + "\r\n") * 60,
    "idle after an answer": HEAD.format("GET /robots.txt") + "\r\n",
}


@contextmanager
def slow_clients(port: int, count: int, kind: str) -> Iterator[list[socket.socket]]:
    """So many open connections of this kind; they are closed at the end."""
    opened = []
    try:
        for _ in range(count):
            client = socket.socket()
            opened.append(client)
            # Small, so that what is not read stays with the server.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(20)
            client.connect(("127.0.0.1", port))
            client.sendall(KINDS[kind].encode())
        yield opened
    finally:
        for client in opened:
            client.close()


def visits(site: str, *, count: int, timeout: float = 5) -> tuple[int, float]:
    """Of so many visits of new visitors, one after the other: how many failed, and the seconds of the longest."""
    failed, longest = 0, 0.0
    for _ in range(count):
        started = time.monotonic()
        try:
            failed += requests.get(site, timeout=timeout).status_code != 200
        except requests.RequestException:
            failed += 1
        longest = max(longest, time.monotonic() - started)
    return failed, longest
