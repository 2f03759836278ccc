"""Days that are named: "last month", "in October", "since Monday". The days are the visitor's."""

from dataclasses import dataclass
from datetime import MAXYEAR, date, timedelta

from django.utils.formats import date_format
from django.utils.translation import gettext as _

DAY = timedelta(days=1)
MONTHS = {
    "en": "january february march april may june july august september october november december".split(),  # noqa: SIM905
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre".split(),  # noqa: SIM905
}
WEEKDAYS = {
    "en": "monday tuesday wednesday thursday friday saturday sunday".split(),  # noqa: SIM905
    "es": "lunes martes miercoles jueves viernes sabado domingo".split(),  # noqa: SIM905
}
# A year is the longest that a question looks back in days.
MOST_DAYS = 366


@dataclass(frozen=True)
class Period:
    """The days from the first to the last, both included."""

    first: date
    last: date

    @property
    def label(self) -> str:
        if self.first == self.last:
            return date_format(self.first, "DATE_FORMAT")
        if self == month(self.first.year, self.first.month):
            return date_format(self.first, "YEAR_MONTH_FORMAT")
        if self == year(self.first.year):
            return str(self.first.year)
        return _("%(first)s to %(last)s") % {
            "first": date_format(self.first, "DATE_FORMAT"),
            "last": date_format(self.last, "DATE_FORMAT"),
        }


def month(in_year: int, number: int) -> Period:
    first = date(in_year, number, 1)
    return Period(first, (first + 31 * DAY).replace(day=1) - DAY)


def year(number: int) -> Period | None:
    """None for a year that no calendar reaches."""
    return Period(date(number, 1, 1), date(number, 12, 31)) if 0 < number < MAXYEAR else None


def week(day: date) -> Period:
    """From Monday to Sunday."""
    monday = day - day.weekday() * DAY
    return Period(monday, monday + 6 * DAY)


def latest_month(number: int, today: date, in_year: str | None = None) -> Period | None:
    """The month of this year that is named; without a year the latest that has begun."""
    named = int(in_year) if in_year else today.year - (number > today.month)
    return month(named, number) if 0 < named < MAXYEAR else None


def latest_weekday(number: int, today: date) -> date:
    """The latest such weekday (Monday is 0), which may be today."""
    return today - (today.weekday() - number) % 7 * DAY
