"""Where several listeners meet: the list of the public ones, what two have in common, and an invitation."""

import re
from typing import Any

from django.conf import settings
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import conditional_page, require_safe

from tracks import chart as reads
from tracks.addresses import chart_url
from tracks.api import answers
from tracks.api.errors import error, json_errors
from tracks.models import Listener
from tracks.signin import invitations
from tracks.views.data import for_any_site
from tracks.views.decorators import kept_from_search, listener_or_404, time_range_or_404

LISTENERS_A_PAGE = 50

# By no cache but the visitor's own, which asks each time: who is private now must be gone.
never_kept = cache_control(private=True, no_cache=True)


@require_safe
@never_kept
@conditional_page
def listeners(request: HttpRequest) -> HttpResponse:
    """The public listeners, the host first, each with the first place of the last four weeks."""
    if settings.LISTENERS == "host":
        raise Http404(_("This site shows one listener."))
    number = request.GET.get("page", "1")
    pages = Paginator(Listener.objects.public(), LISTENERS_A_PAGE)
    if not re.fullmatch(r"[1-9][0-9]{0,5}", number) or int(number) > pages.num_pages:
        raise Http404(_("There is no such page of the list."))
    page = pages.page(number)
    context = {
        "section": "listeners",
        "page": page,
        "rows": reads.first_places(list(page.object_list)),
        "host": Listener.objects.host(),
    }
    return render(request, "tracks/listeners.html", context)


@for_any_site
@json_errors
@require_safe
@never_kept
@conditional_page
def listeners_json(request: HttpRequest) -> HttpResponse:
    """What `listeners` shows, for programs."""
    if settings.LISTENERS == "host":
        raise Http404(_("This site shows one listener."))
    number = request.GET.get("page", "1")
    if not re.fullmatch(r"[1-9][0-9]{0,5}", number):
        return error("page must be a number above 0, of six digits at most.", status=400)
    pages = Paginator(Listener.objects.public(), LISTENERS_A_PAGE)
    if int(number) > pages.num_pages:
        raise Http404(_("There is no such page of the list."))
    page = pages.page(number)
    following = f"{request.path}?page={page.next_page_number()}" if page.has_next() else None
    answer = answers.Listeners(
        listeners=[_listener_answer(request, row) for row in reads.first_places(list(page.object_list))],
        next=request.build_absolute_uri(following) if following else None,
    )
    return JsonResponse(answer.as_json())


def _listener_answer(request: HttpRequest, row: reads.FirstPlace) -> answers.PublicListener:
    first = row.placement
    return answers.PublicListener(
        name=row.listener.name,
        handle=row.listener.handle,
        is_host=row.listener.is_host,
        url=request.build_absolute_uri(chart_url(row.listener, "index")),
        data_url=request.build_absolute_uri(chart_url(row.listener, "tracks_json")),
        updated_at=row.chart.updated_at,
        first=answers.ChartSong.of(first.track, position=first.position) if first else None,
    )


@require_safe
@never_kept
@conditional_page
def meeting(request: HttpRequest, handle: str, other: str) -> HttpResponse:
    """The songs and artists that two listeners both have now, with both positions."""
    time_range = time_range_or_404(request)
    if handle == other:
        raise Http404(_("It takes two to meet."))
    first, second = (listener_or_404(request, name) for name in (handle, other))
    context: dict[str, Any] = {
        "section": "meeting",
        "time_range": time_range,
        "pair": [first, second],
        "names": [listener.called or _("the host") for listener in (first, second)],
        "common": reads.in_common(first, second, time_range),
    }
    return kept_from_search(render(request, "tracks/meeting.html", context), first, second)


@never_cache
@require_safe
def invitation(request: HttpRequest, secret: str) -> HttpResponse:
    """What will be read and stored, and the sign-in; 410 for an invitation that lets nobody in any more."""
    if settings.LISTENERS == "host" or not invitations.is_open(invitations.digest_of(secret)):
        return render(request, "tracks/invitation_gone.html", status=410)
    return render(request, "tracks/invitation.html", {"invitation": secret, "host": Listener.objects.host()})
