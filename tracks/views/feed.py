"""feed.atom: an entry for each new chart of a listener, with what entered, what left, and the top of it."""

import re
from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.contrib.syndication.views import Feed
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.feedgenerator import Atom1Feed
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from tracks.addresses import chart_url
from tracks.chart import Update, latest_updates
from tracks.models import Listener
from tracks.ops.shared import shared
from tracks.views.decorators import of_listener

ENTRIES = 30
# What no XML document may hold, not even as a reference (XML 1.0, 2.2 "Characters").
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def well_formed(text: str) -> str:
    return NOT_XML.sub("", text)


class ChartFeed(Feed):
    feed_type = Atom1Feed
    subtitle = gettext_lazy("Every new chart: what entered, what left, and who leads.")

    def get_object(self, request: HttpRequest, listener: Listener | None) -> Listener | None:
        if not settings.HISTORY_DAYS:
            raise Http404(_("This site keeps no history."))
        return listener

    def title(self, listener: Listener | None) -> str:
        called = listener.called if listener else ""
        return well_formed(f"{called} · {settings.SITE_NAME}" if called else settings.SITE_NAME)

    def link(self, listener: Listener | None) -> str:
        return chart_url(listener, "index")

    def items(self, listener: Listener | None) -> Sequence[Update]:
        return latest_updates(listener, ENTRIES)

    def item_title(self, item: Update) -> str:
        return well_formed(render_to_string("tracks/feed_title.txt", {"update": item})).strip()

    def item_description(self, item: Update) -> str:
        return well_formed(
            render_to_string("tracks/feed_entry.html", {"update": item, "listener": item.snapshot.listener})
        )

    def item_link(self, item: Update) -> str:
        return chart_url(item.snapshot.listener, "snapshot", item.snapshot.pk)

    def item_pubdate(self, item: Update) -> datetime:
        return item.snapshot.first_seen_at

    item_updateddate = item_pubdate


@require_safe
@shared()
@of_listener
def feed(request: HttpRequest, listener: Listener | None) -> HttpResponse:
    response: HttpResponse = ChartFeed()(request, listener)
    return response
