"""How the pages word and draw what a chart holds."""

from calendar import Calendar
from collections.abc import Mapping
from datetime import date, timedelta

from django import template
from django.conf import settings
from django.utils.dates import WEEKDAYS, WEEKDAYS_ABBR
from django.utils.formats import date_format, get_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from tracks.bump import Bump
from tracks.calendar import Month, NumberOne
from tracks.chart import ReleaseYears
from tracks.drawing import Bar, Drawing, Spark, bars, draw
from tracks.drawing import spark as spark_of
from tracks.lines import Lines, draw_lines
from tracks.models import RefreshRun, TimeRange, Track
from tracks.songs import Line, Record, TrackHistory

register = template.Library()

# Django's names, so that each language has its own (django/conf/locale/*/formats.py).
FORMATS = {
    Track.ReleasePrecision.DAY: "DATE_FORMAT",
    Track.ReleasePrecision.MONTH: "YEAR_MONTH_FORMAT",
    Track.ReleasePrecision.YEAR: "Y",
}

# By `RefreshRun.error_code`, for the person whose run it was; the other codes are what the outcome says already.
CAUSES = {
    "not_allowed": gettext_lazy(
        "Spotify does not let your account use this site. Ask the host to look at User Management."
    ),
    "bad_credentials": gettext_lazy("The site’s own credentials are wrong. Only who runs it can help."),
    "access_token_refused": gettext_lazy("Spotify refused the access. The next refresh tries again."),
    "request_refused": gettext_lazy("Spotify refused the request. Tell who runs the site."),
    "rate_limited": gettext_lazy("Nobody calls Spotify until the pause is over; then it goes on by itself."),
    "unavailable": gettext_lazy("The next refresh tries again."),
    "sign_in_needed": gettext_lazy("Your chart stays as it is until you do."),
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
def weekdays() -> list[tuple[str, str]]:
    """Each weekday's name, whole and short, in the language's order."""
    return [(str(WEEKDAYS[day]), str(WEEKDAYS_ABBR[day])) for day in Calendar(_first_weekday()).iterweekdays()]


@register.filter
def weeks(month: Month) -> list[list[tuple[date | None, NumberOne | None]]]:
    """The month's days with their numbers one, in weeks of seven; None for a day of another month."""
    dates = Calendar(_first_weekday()).monthdatescalendar(month.first_day.year, month.first_day.month)
    return [[(day if day in month.days else None, month.days.get(day)) for day in week] for week in dates]


def _first_weekday() -> int:
    """On which weekday the language's week begins, Monday being 0; Django counts from Sunday."""
    return (int(get_format("FIRST_DAY_OF_WEEK")) - 1) % 7


@register.simple_tag
def drawing(history: TrackHistory) -> Drawing | None:
    """The history as a line, None where nothing of it is left to draw."""
    return draw(history.stays, lowest=settings.TOP_TRACKS_LIMIT)


@register.simple_tag
def spark(line: Line) -> Spark | None:
    """The same as small as a word, None for a single day."""
    return spark_of(line, lowest=settings.TOP_TRACKS_LIMIT)


@register.filter
def record_of(records: Mapping[str, Record] | None, track: Track) -> Record | None:
    """The record of this song, None where the page has none."""
    return (records or {}).get(track.pk)


@register.filter
def in_weeks(days: int) -> str:
    """Days in words, as weeks from the first one on: "5 days", "3 weeks", "3 weeks and 2 days"."""
    weeks, rest = divmod(days, 7)
    words = {
        "weeks": ngettext("%(n)d week", "%(n)d weeks", weeks) % {"n": weeks},
        "days": ngettext("%(n)d day", "%(n)d days", rest) % {"n": rest},
    }
    if weeks and rest:
        return _("%(weeks)s and %(days)s") % words
    return words["weeks" if weeks else "days"]


@register.simple_tag
def bump_lines(bump: Bump) -> Lines | None:
    """A line for each song; None where there is a single day."""
    return draw_lines(bump)


@register.simple_tag
def year_bars(years: ReleaseYears) -> list[Bar]:
    """The bars of the release years, as high as their strip (in pixels); none for a single year."""
    return bars(years.counts, height=32)


@register.filter
def cause(run: RefreshRun) -> str:
    """Why a refresh did not work and what follows, in a sentence; "" where there is nothing to add."""
    return str(CAUSES.get(run.error_code, ""))
