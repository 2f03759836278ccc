"""Where several listeners meet: the list of the public ones, what two have in common, and an invitation."""

import re
from typing import Any

from django.conf import settings
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import conditional_page, require_safe

from tracks import chart as reads
from tracks.models import Listener
from tracks.signin import invitations
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
