"""How often one address may try: sign-ins, refreshes, and passwords at /admin/login/ (django-axes)."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django_ratelimit.core import is_ratelimited

from tracks.error_pages import too_many_requests

View = Callable[..., HttpResponse]

MINUTE = 60


def client_address(request: HttpRequest) -> str:
    """The visitor's address: with BEHIND_PROXY the one that the proxy itself saw, the last of X-Forwarded-For."""
    if settings.BEHIND_PROXY:
        forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2].strip()
        if forwarded:
            return str(forwarded)[:45]
    return str(request.META.get("REMOTE_ADDR") or "unknown")


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


def locked_out(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    """The page after too many wrong passwords."""
    return too_many_requests(request, seconds=int(settings.AXES_COOLOFF_TIME.total_seconds()))
