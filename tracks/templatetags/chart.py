"""How the pages word and draw what a chart holds."""

from datetime import date, timedelta

from django import template
from django.conf import settings
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from tracks.chart import TrackHistory
from tracks.drawing import Drawing, draw
from tracks.models import TimeRange, Track

register = template.Library()

# Django's names, so that each language has its own (django/conf/locale/*/formats.py).
FORMATS = {
    Track.ReleasePrecision.DAY: "DATE_FORMAT",
    Track.ReleasePrecision.MONTH: "YEAR_MONTH_FORMAT",
    Track.ReleasePrecision.YEAR: "Y",
}


@register.filter
def headline(time_range: TimeRange, songs: int) -> str:
    """What stands over a chart of so many songs; an empty one is announced by the number it may have."""
    return str(time_range.headline % {"n": songs or settings.TOP_TRACKS_LIMIT})


@register.filter
def playing_time(duration: timedelta) -> str:
    """Rounded to the minute: "1 h 12 min" or "58 min"."""
    hours, minutes = divmod(round(duration.total_seconds() / 60), 60)
    if hours:
        return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes}
    return _("%(minutes)d min") % {"minutes": minutes}


@register.filter
def release(track: Track) -> str:
    """The release date to its precision: "March 14, 2019", "March 2019" or "2019"; "" where it is not known."""
    if not track.release_date:
        return ""
    year, month, day = (int(part) for part in (track.release_date + "-01-01").split("-")[:3])
    return date_format(date(year, month, day), FORMATS[Track.ReleasePrecision(track.release_date_precision)])


@register.simple_tag
def drawing(history: TrackHistory) -> Drawing | None:
    """The history as a line, None where nothing of it is left to draw."""
    return draw(history.stays, lowest=settings.TOP_TRACKS_LIMIT)
