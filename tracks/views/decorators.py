"""What several views ask of a request before they answer it."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from tracks.models import Listener, TimeRange

View = Callable[..., HttpResponse]


def on_loopback_literal(view: View) -> View:
    """Sends who opened `localhost` to 127.0.0.1: Spotify refuses `localhost`, and a session does not move along."""

    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        host, _, port = request.get_host().partition(":")
        if host == "localhost" and not request.is_secure():
            return HttpResponseRedirect(f"http://127.0.0.1{':' if port else ''}{port}{request.get_full_path()}")
        return view(request, *args, **kwargs)

    return wrapper


def of_listener(view: View) -> View:
    """Gives the view the listener whose chart it shows.

    Without a handle in the address that is the host, or None before anybody has signed in. The host's own handle leads
    to the addresses without one. Whoever is private is for anybody else the same 404 as one who does not exist.
    """

    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, handle: str | None = None, **kwargs: Any) -> HttpResponse:
        if handle is None:
            return view(request, Listener.objects.host(), *args, **kwargs)
        listener = listener_or_404(request, handle)
        if listener.is_host:
            path = request.get_full_path()
            return HttpResponseRedirect("/" + path.removeprefix("/@").partition("/")[2])
        return kept_from_search(view(request, listener, *args, **kwargs), listener)

    return wrapper


def kept_from_search(response: HttpResponse, *listeners: Listener) -> HttpResponse:
    """The answer, with a word to search engines (X-Robots-Tag) unless all in it are public."""
    if any(listener.visibility != Listener.Visibility.PUBLIC for listener in listeners):
        response["X-Robots-Tag"] = "noindex"
    return response


def listener_or_404(request: HttpRequest, handle: str) -> Listener:
    """The listener of this handle, with the account. Raises Http404 unless whoever asks may see them."""
    request.user.pk  # noqa: B018  (asked first: who exists takes no longer than who does not)
    listener = Listener.objects.filter(handle=handle).select_related("account").first()
    if listener is None or not listener.is_visible_to(request.user):
        raise Http404(_("There is nobody of this name here."))
    return listener


def own_listener(view: View) -> View:
    """Gives the view the listener who is signed in; sends an anonymous visitor to sign in, anyone else gets a 403."""

    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return redirect("login")
        listener = Listener.objects.filter(account__user=request.user).select_related("account").first()
        if listener is None:
            raise PermissionDenied(_("Only the host may do this. Sign in with the host's Spotify account."))
        return view(request, listener, *args, **kwargs)

    return wrapper


def host_only(view: View) -> View:
    """As `own_listener`, and anyone but the host gets a 403."""

    @own_listener
    @wraps(view)
    def wrapper(request: HttpRequest, listener: Listener, *args: Any, **kwargs: Any) -> HttpResponse:
        if not listener.is_host:
            raise PermissionDenied(_("Only the host may do this. Sign in with the host's Spotify account."))
        return view(request, listener, *args, **kwargs)

    return wrapper


def time_range_of(request: HttpRequest) -> TimeRange | None:
    """The time range asked for, the short one if none is, or None for an unknown one."""
    value = request.GET.get("time_range", TimeRange.SHORT_TERM)
    return TimeRange(value) if value in TimeRange.values else None


def time_range_or_404(request: HttpRequest) -> TimeRange:
    """The time range asked for, the short one if none is. Raises Http404 for an unknown one."""
    time_range = time_range_of(request)
    if time_range is None:
        raise Http404(_("There is no such time range."))
    return time_range
