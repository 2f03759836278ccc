"""How often one address may try: sign-ins, refreshes, and passwords at /admin/login/, before any is hashed.

Each worker process counts for itself. django-axes locks a user out beside this, for all workers.
"""

import ipaddress
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django_ratelimit.core import is_ratelimited

from tracks.error_pages import too_busy, too_many_requests

View = Callable[..., HttpResponse]

MINUTE = 60
# A hash takes a third of a second of a core and more, in which a worker serves nobody.
PASSWORDS_A_MINUTE = 5
HASHES_A_MINUTE = 10
SECONDS_BETWEEN_HASHES = 1.0
# Who comes by no address that can be read (a Unix socket) shares one count.
NO_ADDRESS = "0.0.0.0"  # noqa: S104  (nothing listens there)


def client_address(request: HttpRequest) -> str:
    """The visitor's address, or the first of its /64 network: one IPv6 customer has at least as many (RFC 6177).

    With BEHIND_PROXY it is the one that the outermost of TRUSTED_PROXIES saw: each proxy adds whom it talks with at the
    right of X-Forwarded-For, and what stands further left may be made up. Where that is no address, it is the one that
    connects.
    """
    found = None
    if settings.BEHIND_PROXY and settings.TRUSTED_PROXIES:
        forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        found = _read(forwarded[-min(settings.TRUSTED_PROXIES, len(forwarded))])
    return found or _read(request.META.get("REMOTE_ADDR", "")) or NO_ADDRESS


def _read(text: str) -> str | None:
    """The address in `1.2.3.4`, `1.2.3.4:5678`, `2001:db8::1` or `[2001:db8::1]:99`, IPv6 as its network; else None."""
    text = text.strip()
    with_port = re.fullmatch(r"([0-9.]{7,15}):[0-9]{1,5}|\[([0-9A-Fa-f:.%]{2,64})\](?::[0-9]{1,5})?", text)
    try:
        address = ipaddress.ip_address((with_port[1] or with_port[2]) if with_port else text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Address(int(address) >> 64 << 64))


def at_most(times: int, *, group: str) -> Callable[[View], View]:
    """Answers 429 to an address that calls the view more often than that in a minute; counted by each worker."""

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if is_ratelimited(
                request, group=group, key=lambda _, request: client_address(request), rate=f"{times}/m", increment=True
            ):
                return too_many_requests(request, seconds=MINUTE)
            return view(request, *args, **kwargs)

        return wrapper

    return decorate


class Hashes:
    """When this process hashed passwords: one at a time, SECONDS_BETWEEN_HASHES apart, HASHES_A_MINUTE in all."""

    def __init__(self) -> None:
        self.ended: deque[float] = deque(maxlen=HASHES_A_MINUTE)
        self.turn = threading.Lock()

    def start(self) -> bool:
        """Whether a password may be hashed now; if so, call `end` after it."""
        if not self.turn.acquire(blocking=False):
            return False
        now = time.monotonic()
        if self.ended and (
            now - self.ended[-1] < SECONDS_BETWEEN_HASHES
            or (len(self.ended) == HASHES_A_MINUTE and now - self.ended[0] < MINUTE)
        ):
            self.turn.release()
            return False
        return True

    def end(self) -> None:
        self.ended.append(time.monotonic())
        self.turn.release()


hashes = Hashes()


def passwords(view: View) -> View:
    """Limits a view that checks a posted password: by address, and for all addresses together."""

    @at_most(PASSWORDS_A_MINUTE, group="passwords")
    def limited(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not settings.RATELIMIT_ENABLE:
            return view(request, *args, **kwargs)
        if not hashes.start():
            return too_busy(request, seconds=MINUTE)
        try:
            return view(request, *args, **kwargs)
        finally:
            hashes.end()

    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return (limited if request.method == "POST" else view)(request, *args, **kwargs)

    return wrapper


def locked_out(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    """The page after too many wrong passwords."""
    return too_many_requests(request, seconds=int(settings.AXES_COOLOFF_TIME.total_seconds()))
