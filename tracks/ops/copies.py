"""A copy of each public page in memory: visitors get it at once, and also while the database is away.

Once a second at most, one request of a worker asks the database whether the host's tables are still those of the
copies. A page is rendered anew when they are not, or when its "updated 5 minutes ago" is a minute old.
"""

import functools
import gzip
import hashlib
import logging
import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.response import ResponseHeaders
from django.template.loader import render_to_string
from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers
from django.utils.http import http_date
from django.utils.translation import get_language_from_request

from tracks.models import Listener, TimeRange

PATHS = {"/", "/tracks.json", "/tracks.csv", "/tracks/sql"}
CHECK_SECONDS = 1.0
RENDER_SECONDS = 60.0
# Pages by host name, language, time range and encoding; more than this many is somebody playing with headers.
MOST_COPIES = 200

Version = tuple[int, datetime | None] | None
Key = tuple[str, ...]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Copy:
    """A rendered page, of which version of the tables, and when it was rendered (monotonic seconds)."""

    body: bytes
    headers: ResponseHeaders
    etag: str
    version: Version
    rendered_at: float


class SharedResponse(HttpResponse):
    """A copy on its way; its headers were checked when it was kept, and checking them again is what would take time."""

    def __init__(self, copy: Copy, age: int) -> None:
        super().__init__(copy.body)
        self.headers._store = {**copy.headers._store, "age": ("Age", str(age))}

    def items(self) -> Iterable[tuple[str, str]]:
        return self.headers._store.values()


@functools.lru_cache(maxsize=500)
def accepted_language(header: str) -> str:
    """The language of the site that fits an Accept-Language header best."""
    request = HttpRequest()
    request.META["HTTP_ACCEPT_LANGUAGE"] = header
    return get_language_from_request(request)


class SharedCopies:
    """Middleware for the top of the stack: what an anonymous visitor may share comes from memory."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.copies: dict[Key, Copy] = {}
        self.version: Version = None
        # When the version was last asked for, and last known to be right (monotonic seconds).
        self.checked_at = self.known_at = float("-inf")
        self.checking = threading.Lock()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        key = self.key(request)
        if key is None:
            response = self.get_response(request)
            if settings.SESSION_COOKIE_NAME in request.COOKIES and not response.has_header("Cache-Control"):
                patch_cache_control(response, private=True, no_cache=True)
            return response
        self.check_version()
        copy = self.copies.get(key)
        if copy is None or self.is_out_of_date(copy):
            response = self.get_response(request)
            if response.status_code == 200 and not response.cookies:
                copy = self.keep(key, response)
            elif copy is None or response.status_code < 500:
                return response
        return self.answer(request, copy)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """A page that needs the database says so while it is away."""
        if not isinstance(error, (OperationalError, InterfaceError)):
            return None
        logger.error("The database does not answer: %s", type(error).__name__)
        return HttpResponse(render_to_string("503.html"), status=503, headers={"Retry-After": "30"})

    def key(self, request: HttpRequest) -> Key | None:
        """What tells one copy from another, or None for a request that must not share one."""
        meta = request.META
        if request.path_info not in PATHS or request.method not in ("GET", "HEAD"):
            return None
        cookies = meta.get("HTTP_COOKIE", "")
        if cookies and (settings.SESSION_COOKIE_NAME in cookies or "messages" in cookies):
            return None
        time_range = TimeRange.SHORT_TERM.value
        if meta["QUERY_STRING"]:
            time_range = request.GET.get("time_range", time_range)
            if time_range not in TimeRange.values:
                return None
        encoding = "gzip" if "gzip" in meta.get("HTTP_ACCEPT_ENCODING", "") else ""
        language = accepted_language(meta.get("HTTP_ACCEPT_LANGUAGE", ""))
        return request.scheme or "", meta.get("HTTP_HOST", ""), request.path_info, time_range, language, encoding

    def check_version(self) -> None:
        """Asks the database for the version, if nobody did within a second."""
        now = time.monotonic()
        if now - self.checked_at < CHECK_SECONDS:
            return
        # Who comes first after a quiet while is waited for, unless the database is known to be away.
        is_quiet = self.known_at >= self.checked_at and now - self.known_at > 2 * CHECK_SECONDS
        if not self.checking.acquire(timeout=1 if is_quiet else 0):
            return
        try:
            if time.monotonic() - self.checked_at >= CHECK_SECONDS:
                self.version = Listener.objects.filter(is_host=True).values_list("pk", "refreshed_at").first()
                self.known_at = self.checked_at = time.monotonic()
        except (DatabaseError, InterfaceError) as error:
            self.checked_at = time.monotonic()
            logger.warning("The database does not answer (%s); visitors get copies", type(error).__name__)
        finally:
            self.checking.release()

    def is_out_of_date(self, copy: Copy) -> bool:
        """Whether to render the page anew; never while the database is away."""
        if self.known_at < self.checked_at:
            return False
        return copy.version != self.version or time.monotonic() - copy.rendered_at >= RENDER_SECONDS

    def keep(self, key: Key, response: HttpResponse) -> Copy:
        patch_cache_control(response, public=True, max_age=0, s_maxage=60, stale_while_revalidate=300)
        patch_vary_headers(response, ["Accept-Encoding", "Accept-Language", "Cookie"])
        body = response.content
        # Weak, without the words that only tell the time: the same on every worker and after every rendering.
        lasting = re.sub(rb'<time class="ago".*?</time>', b"", body)
        etag = f'W/"{hashlib.sha256(lasting).hexdigest()[:32]}"'
        if key[-1] == "gzip":
            body = gzip.compress(body, 6)
            response["Content-Encoding"] = "gzip"
        response["Content-Length"] = str(len(body))
        if self.version and self.version[1]:
            response["Last-Modified"] = http_date(self.version[1].timestamp())
        if len(self.copies) >= MOST_COPIES:
            self.copies.clear()
        response["ETag"] = etag
        copy = Copy(body, response.headers, etag, self.version, time.monotonic())
        self.copies[key] = copy
        return copy

    def answer(self, request: HttpRequest, copy: Copy) -> HttpResponse:
        response = SharedResponse(copy, age=max(0, int(time.monotonic() - self.known_at)))
        if "HTTP_IF_NONE_MATCH" in request.META or "HTTP_IF_MODIFIED_SINCE" in request.META:
            changed_at = copy.version and copy.version[1]
            last_modified = int(changed_at.timestamp()) if changed_at else None
            return get_conditional_response(request, copy.etag, last_modified, response) or response
        return response
