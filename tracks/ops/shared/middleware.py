"""Answers anonymous visitors from memory, also while the database is away.

A page is rendered once for a version of the charts, by whoever asks for it first, and again when there is a new one.
"""

import functools
import logging
import re
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import Resolver404, ResolverMatch, resolve
from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers
from django.utils.translation import get_language_from_request

from tracks.api.errors import error
from tracks.ops.shared.store import Page, PageStore, SharedResponse
from tracks.ops.shared.version import CurrentVersion, Version, Versions

# The first pages of some 3,000 listeners as browsers ask for them (gzip); a worker stays below 150 MiB with them.
MOST_BYTES = 48 * 1024 * 1024

LASTING = "public, max-age=31536000, immutable"

# Nobody can know whether a listener is private now: so long a copy of theirs stands while the database is away. The
# host's stand for as long as it takes: the front page is always public.
UNKNOWN_SECONDS = 2.0

# How long one waits for a page that somebody else has begun to render.
RENDER_SECONDS = 5.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A page that somebody wants: by which key, and as of which version of the charts.

    `is_for_all`: the host's, which are never private.
    """

    key: Hashable
    version: Version
    current: CurrentVersion
    is_for_all: bool

    def is_of_listener(self, page: Page) -> bool:
        """Not of one who has left, or is private now."""
        return bool(self.version and page.version and page.version[0] == self.version[0])


class Rendering:
    """Which pages are being rendered: of many who want the same one, one renders it."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, threading.Event] = {}

    @contextmanager
    def turn(self, key: Hashable) -> Iterator[None]:
        """At once for whoever comes first; for the others when that one is done, or after RENDER_SECONDS."""
        own = threading.Event()
        first = self._under_way.setdefault(key, own)
        if first is not own:
            first.wait(RENDER_SECONDS)
            yield
            return
        try:
            yield
        finally:
            del self._under_way[key]
            own.set()


class SharedPages:
    """Middleware for the top of the stack; views take part that are marked with `@shared`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.pages = PageStore(MOST_BYTES)
        self.versions = Versions()
        self.rendering = Rendering()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        key = page_key(request)
        if key is None:
            response = self.get_response(request)
            is_ones_own = not {settings.SESSION_COOKIE_NAME, "messages"}.isdisjoint(request.COOKIES)
            if is_ones_own and not response.has_header("Cache-Control"):
                patch_cache_control(response, private=True, no_cache=True)
            return response
        handle = request.resolver_match.kwargs.get("handle", "") if request.resolver_match else ""
        current = self.versions.of(handle)
        current.check()
        # Taken before the page is rendered: what changes meanwhile is a newer version.
        version = current.value
        if handle and current.is_away and current.age > UNKNOWN_SECONDS:
            current.wait()
            version = current.value
            if current.is_away:
                return unavailable(request)
        wanted = Wanted(key=key, version=version, current=current, is_for_all=not handle)
        if copy := self.copy(request, wanted):
            return copy
        with self.rendering.turn(key):
            # Another may have rendered it meanwhile.
            return self.copy(request, wanted) or self.render(request, wanted)

    def copy(self, request: HttpRequest, wanted: Wanted) -> HttpResponse | None:
        """The copy of this version; of pages for all the last good one while the database is away."""
        page = self.pages.get(wanted.key)
        if page is None or not wanted.is_of_listener(page):
            return None
        if page.version == wanted.version or (wanted.current.is_away and wanted.is_for_all):
            return self.answer(request, page, age=wanted.current.age)
        return None

    def render(self, request: HttpRequest, wanted: Wanted) -> HttpResponse:
        """The view's answer, of which a copy is kept; for an error, the last good copy of a page for all."""
        response = self.get_response(request)
        age = wanted.current.age
        if response.status_code == 200 and not response.cookies:
            if wanted.is_for_all:
                patch_cache_control(response, public=True, max_age=0, s_maxage=60, stale_while_revalidate=300)
            else:  # no other cache keeps it: private must mean gone
                patch_cache_control(response, no_cache=True)
            patch_vary_headers(response, ["Accept-Encoding", "Accept-Language", "Cookie"])
            page = Page.of(response, version=wanted.version, encoding=accepted_encoding(request))
            if wanted.version and is_kept(request):
                self.pages.put(wanted.key, page)
            return self.answer(request, page, age=age)
        former = self.pages.get(wanted.key)
        if response.status_code >= 500 and wanted.is_for_all and former and wanted.is_of_listener(former):
            return self.answer(request, former, age=age)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """A page that needs the database says so while it is away."""
        if not isinstance(error, (OperationalError, InterfaceError)):
            return None
        logger.error("The database does not answer: %s", type(error).__name__)
        return unavailable(request)

    def answer(self, request: HttpRequest, page: Page, *, age: float) -> HttpResponse:
        response = SharedResponse(page, age=age)
        if page.lasting_version and request.GET.get("v") == page.lasting_version:
            response.headers["Cache-Control"] = LASTING
        if "HTTP_IF_NONE_MATCH" in request.META or "HTTP_IF_MODIFIED_SINCE" in request.META:
            return get_conditional_response(request, page.etag, page.last_modified, response) or response
        return response


def unavailable(request: HttpRequest) -> HttpResponse:
    headers = {"Retry-After": "30"}
    if getattr(request.resolver_match and request.resolver_match.func, "answers_errors_as_json", False):
        return error("The database is away; the site is back as soon as it is.", status=503, headers=headers)
    return HttpResponse(render_to_string("503.html"), status=503, headers=headers)


def page_key(request: HttpRequest) -> Hashable | None:
    """What tells one page from another, or None for a request whose answer is not shared."""
    if request.method not in ("GET", "HEAD"):
        return None
    match = resolver_match(request.path_info)
    parameters: tuple[str, ...] | None = getattr(match and match.func, "shared_parameters", None)
    if parameters is None:
        return None
    request.resolver_match = match
    meta = request.META
    cookies = meta.get("HTTP_COOKIE", "")
    if cookies and (settings.SESSION_COOKIE_NAME in cookies or "messages" in cookies):
        return None
    values = tuple(request.GET.get(name) for name in parameters) if meta.get("QUERY_STRING") and parameters else ()
    return (
        request.scheme,
        meta.get("HTTP_HOST", ""),
        request.path_info,
        values,
        accepted_language(meta.get("HTTP_ACCEPT_LANGUAGE", ""), language_cookie(request) if cookies else ""),
        accepted_encoding(request),
    )


def is_kept(request: HttpRequest) -> bool:
    """Whether a copy of the answer may be kept."""
    unkept: tuple[str, ...] = request.resolver_match.func.unkept_parameters  # type: ignore[union-attr]
    return not any(name in request.GET for name in unkept)


@functools.lru_cache(maxsize=1000)
def resolver_match(path: str) -> ResolverMatch | None:
    """The view of this path, None if there is no such page."""
    try:
        return resolve(path)
    except Resolver404:
        return None


def language_cookie(request: HttpRequest) -> str:
    return request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")


@functools.lru_cache(maxsize=500)
def accepted_language(header: str, cookie: str) -> str:
    """The language in which Django answers these two: Accept-Language, and the language cookie."""
    request = HttpRequest()
    request.META["HTTP_ACCEPT_LANGUAGE"] = header
    request.COOKIES[settings.LANGUAGE_COOKIE_NAME] = cookie
    return get_language_from_request(request)


def accepted_encoding(request: HttpRequest) -> str:
    """`gzip` or "" (as it is)."""
    return "gzip" if accepts_gzip(request.META.get("HTTP_ACCEPT_ENCODING", "")) else ""


@functools.lru_cache(maxsize=500)
def accepts_gzip(header: str) -> bool:
    """Whether an Accept-Encoding header takes gzip (RFC 9110, 12.5.3): a weight of 0 refuses it."""
    weights: dict[str, float] = {}
    for part in header.lower().split(","):
        coding, _, weight = part.partition(";")
        found = re.fullmatch(r"\s*q=([01](?:\.[0-9]{0,3})?)\s*", weight)
        weights[coding.strip()] = float(found[1]) if found else 0.0 if weight.strip() else 1.0
    return weights.get("gzip", weights.get("*", 0.0)) > 0
