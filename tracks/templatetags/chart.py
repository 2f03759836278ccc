"""How the chart words a track."""

from datetime import date

from django import template
from django.utils.formats import date_format

from tracks.models import Track

register = template.Library()

FORMATS = {Track.ReleasePrecision.DAY: "j F Y", Track.ReleasePrecision.MONTH: "F Y", Track.ReleasePrecision.YEAR: "Y"}


@register.filter
def release(track: Track) -> str:
    """The release date to its precision: "14 March 2019", "March 2019" or "2019"; "" where it is not known."""
    if not track.release_date:
        return ""
    year, month, day = (int(part) for part in (track.release_date + "-01-01").split("-")[:3])
    return date_format(date(year, month, day), FORMATS[Track.ReleasePrecision(track.release_date_precision)])
