"""/feed.atom: an entry for each new table of the host, with what entered, what left, and the top of it."""

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

from tracks.chart import Turn, latest_turns

ENTRIES = 30


class TopTwentyFeed(Feed):
    feed_type = Atom1Feed
    link = reverse_lazy("index")
    subtitle = _("Every new chart: what entered, what left, and who leads.")

    def get_object(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        if not settings.HISTORY_DAYS:
            raise Http404(_("This site keeps no history."))

    def title(self) -> str:
        return settings.SITE_NAME

    def items(self) -> Sequence[Turn]:
        return latest_turns(ENTRIES)

    def item_title(self, item: Turn) -> str:
        return render_to_string("tracks/feed_title.txt", {"turn": item}).strip()

    def item_description(self, item: Turn) -> str:
        return render_to_string("tracks/feed_entry.html", {"turn": item})

    def item_link(self, item: Turn) -> str:
        return item.snapshot.get_absolute_url()

    def item_pubdate(self, item: Turn) -> datetime:
        return item.snapshot.first_seen_at

    item_updateddate = item_pubdate
