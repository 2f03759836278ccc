"""/feed.atom: an entry for each new chart of the host, with what entered, what left, and the top of it."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.syndication.views import Feed
from django.http import Http404, HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse_lazy
from django.utils.feedgenerator import Atom1Feed
from django.utils.translation import gettext_lazy as _

from tracks.chart import Update, latest_updates
from tracks.models import Listener

ENTRIES = 30
# What no XML document may hold, not even as a reference (XML 1.0, 2.2 "Characters").
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def well_formed(text: str) -> str:
    return NOT_XML.sub("", text)


class TopTwentyFeed(Feed):
    feed_type = Atom1Feed
    link = reverse_lazy("index")
    subtitle = _("Every new chart: what entered, what left, and who leads.")

    def get_object(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Listener | None:
        if not settings.HISTORY_DAYS:
            raise Http404(_("This site keeps no history."))
        return Listener.objects.host()

    def title(self) -> str:
        return well_formed(settings.SITE_NAME)

    def items(self, listener: Listener | None) -> Sequence[Update]:
        return latest_updates(listener, ENTRIES)

    def item_title(self, item: Update) -> str:
        return well_formed(render_to_string("tracks/feed_title.txt", {"update": item})).strip()

    def item_description(self, item: Update) -> str:
        return well_formed(render_to_string("tracks/feed_entry.html", {"update": item}))

    def item_link(self, item: Update) -> str:
        return item.snapshot.get_absolute_url()

    def item_pubdate(self, item: Update) -> datetime:
        return item.snapshot.first_seen_at

    item_updateddate = item_pubdate
