"""Signing in, and what a listener may do with their own chart."""

from copy import copy
from typing import Any

from django.conf import settings
from django.contrib import auth, messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST, require_safe

from tracks import chart as reads
from tracks.addresses import chart_url
from tracks.forms import ProfileForm
from tracks.models import Invitation, Listener, Refusal, TimeRange
from tracks.ops.limits import at_most
from tracks.signin import access, invitations
from tracks.signin.disconnect import disconnect as delete_everything_of
from tracks.signin.export import archive as everything_of
from tracks.signin.invitations import INVITATION
from tracks.views.decorators import host_only, on_loopback_literal, own_listener

RUNS_SHOWN = 10
# Of one address: a year of charts takes a second of a core.
EXPORTS_A_MINUTE = 3
LISTENERS_A_PAGE = 50


def has_credentials() -> bool:
    return bool(settings.SPOTIPY_CLIENT_ID and settings.SPOTIPY_CLIENT_SECRET)


@require_safe
@on_loopback_literal
def login(request: HttpRequest) -> HttpResponse:
    """What is read and stored, and the button that starts the sign-in."""
    if not has_credentials():
        return redirect("index")
    return render(
        request, "tracks/login.html", {"is_invited": invitations.is_open(request.session.get(INVITATION, ""))}
    )


@require_POST
def logout(request: HttpRequest) -> HttpResponse:
    """Ends the session, and says so."""
    auth.logout(request)
    messages.success(request, _("You are signed out."))
    return redirect("index")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@own_listener
def me(request: HttpRequest, listener: Listener) -> HttpResponse:
    """A listener's own page: what they say of themselves, the connection, and for the host everybody's."""
    # A copy: what is wrong in the form must not show elsewhere on the page.
    form = ProfileForm(request.POST or None, instance=copy(listener))
    if request.method == "POST" and form.is_valid() and form.save_if_free():
        messages.success(request, _("Saved."))
        return redirect("me")
    return _my_page(request, listener, form)


def _my_page(request: HttpRequest, listener: Listener, form: ProfileForm, *, secret: str = "") -> HttpResponse:
    context: dict[str, Any] = {
        "section": "me",
        "listener": listener,
        "me": listener,
        "form": form,
        "address": request.build_absolute_uri(chart_url(listener, "index")),
        "chart": reads.current(listener, TimeRange.SHORT_TERM),
        "runs": listener.runs.order_by("-started_at")[:RUNS_SHOWN],
    }
    if listener.is_host:
        context |= _of_everybody(request)
    if secret:
        context["new_invitation"] = request.build_absolute_uri(reverse("invitation", args=[secret]))
    return render(request, "tracks/me.html", context)


def _of_everybody(request: HttpRequest) -> dict[str, Any]:
    """What the host sees of the others: that they are there, and nothing of their charts."""
    others = Paginator(Listener.objects.filter(is_host=False).order_by("handle"), LISTENERS_A_PAGE)
    refusals = Refusal.objects.filter(at__gt=timezone.now() - access.REFUSALS_KEPT).order_by("-at")
    return {
        "others": others.get_page(request.GET.get("page")),
        "places_left": max(0, settings.MAX_LISTENERS - 1 - others.count) if settings.MAX_LISTENERS else None,
        "MAX_LISTENERS": settings.MAX_LISTENERS,
        "invitations": Invitation.objects.open(),
        "refusals": refusals,
    }


@never_cache
@require_GET
@at_most(EXPORTS_A_MINUTE, group="export")
@own_listener
def export(request: HttpRequest, listener: Listener) -> Any:
    """Everything that is stored of the listener, as one zip that is made while it is sent."""
    return StreamingHttpResponse(
        everything_of(listener),
        content_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="top-twenty-{listener.handle}.zip"'},
    )


@never_cache
@require_POST
@host_only
def invite(request: HttpRequest, host: Listener) -> HttpResponse:
    """Makes an invitation, and answers with the host's page and the link on it.

    Not by a redirect: the link would have to be kept until the next request, and nothing but a digest is stored.
    """
    if settings.LISTENERS == "host":
        raise Http404(_("This site has no invitations."))
    try:
        secret = invitations.invite(host)
    except invitations.TooMany:
        messages.warning(request, _("There are too many open invitations. Revoke some first."))
        return redirect("me")
    return _my_page(request, host, ProfileForm(instance=copy(host)), secret=secret)


@require_POST
@host_only
def revoke(request: HttpRequest, host: Listener, pk: int) -> HttpResponse:
    """Ends an open invitation."""
    Invitation.objects.open().order_by().filter(pk=pk).delete()
    messages.success(request, _("The invitation is revoked."))
    return redirect("me")


@require_http_methods(["GET", "POST"])
@host_only
def remove(request: HttpRequest, host: Listener, pk: int) -> HttpResponse:
    """Asks, then deletes another listener with everything of that person."""
    other = get_object_or_404(Listener, pk=pk, is_host=False)
    if request.POST.get("confirm") != "yes":
        return render(request, "tracks/remove.html", {"other": other})
    delete_everything_of(other)
    messages.success(request, _("Removed, with everything that was stored of this person."))
    return redirect("me")


@require_http_methods(["GET", "POST"])
@own_listener
def disconnect(request: HttpRequest, listener: Listener) -> HttpResponse:
    """Asks, then deletes the listener with everything that was stored of them."""
    if request.method == "GET" or request.POST.get("confirm") != "yes":
        others = listener.is_host and Listener.objects.filter(is_host=False).exists()
        return render(request, "tracks/disconnect.html", {"me": listener, "others": others})
    delete_everything_of(listener)
    request.session.flush()
    messages.success(request, _("Disconnected. Your tokens, your songs and their history are deleted."))
    return redirect("index")
