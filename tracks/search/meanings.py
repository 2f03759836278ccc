"""What a clause of a question means. `label` says it to people, in the language of the page."""

from dataclasses import dataclass

from django.db.models import Q
from django.utils.translation import gettext as _

from tracks.search.periods import Period

# A chart has so many places.
PLACES = 20


# What a song is called, and by whom


@dataclass(frozen=True)
class Words:
    """Words of a title, an album or an artist, folded, next to each other; quoted ones are a title's."""

    text: str
    shown: str
    is_title: bool = False

    @property
    def label(self) -> str:
        return _("“%(words)s”") % {"words": self.shown}


@dataclass(frozen=True)
class By:
    """Words of an artist's name."""

    text: str
    shown: str

    @property
    def label(self) -> str:
        return _("by %(artist)s") % {"artist": self.shown}


# What Spotify says of a song; `condition` is over Placement


@dataclass(frozen=True)
class Released:
    """In the years from the first to the last; None is open."""

    first: int | None
    last: int | None

    @property
    def label(self) -> str:
        years = {"first": self.first, "last": self.last}
        if self.first is None:
            return _("released up to %(last)s") % years
        if self.last is None:
            return _("released since %(first)s") % years
        if self.first == self.last:
            return _("released in %(first)s") % years
        return _("released %(first)s to %(last)s") % years

    @property
    def condition(self) -> Q:
        """A release date is YYYY, YYYY-MM or YYYY-MM-DD, so that years stand in the order of their letters."""
        known = Q(track__release_date__gte=f"{self.first or 1:04}")
        return known if self.last is None else known & Q(track__release_date__lt=f"{self.last + 1:04}")


@dataclass(frozen=True)
class Explicit:
    is_so: bool

    @property
    def label(self) -> str:
        return _("explicit") if self.is_so else _("not explicit")

    @property
    def condition(self) -> Q:
        return Q(track__explicit=self.is_so)


# In which order


@dataclass(frozen=True)
class ByLength:
    longest_first: bool

    @property
    def label(self) -> str:
        return _("longest first") if self.longest_first else _("shortest first")


# How a song fared in the chart of the last four weeks, at any time that is kept or in a period


@dataclass(frozen=True)
class Stood:
    """At this place or higher, on a day."""

    place: int
    period: Period | None = None

    @property
    def label(self) -> str:
        if self.place == 1:
            return _("number one")
        return _("in the top %(n)d") % {"n": self.place}


@dataclass(frozen=True)
class New:
    """In a chart of any time range for the first time; without a period, new in the chart of now."""

    period: Period | None = None

    @property
    def label(self) -> str:
        return _("new")


@dataclass(frozen=True)
class Left:
    """In the chart before, and no longer when the period ends."""

    period: Period | None = None

    @property
    def label(self) -> str:
        return _("left the chart")


@dataclass(frozen=True)
class Back:
    """Came back after it had left."""

    period: Period | None = None

    @property
    def label(self) -> str:
        return _("came back")


@dataclass(frozen=True)
class MostDays:
    """In order of the days at this place or higher."""

    place: int
    period: Period | None = None

    @property
    def label(self) -> str:
        return _("most days at number one") if self.place == 1 else _("most days in the chart")


@dataclass(frozen=True)
class BiggestClimb:
    """In order of the most places gained from one chart to the next."""

    period: Period | None = None

    @property
    def label(self) -> str:
        return _("biggest climb")


@dataclass(frozen=True)
class InYear:
    """ "in 2025": the days of a year for what is asked about the chart, else the year of the release."""

    year: int

    @property
    def label(self) -> str:
        return str(self.year)


Fared = Stood | New | Left | Back | MostDays | BiggestClimb
Meaning = Words | By | Released | Explicit | ByLength | Fared | Period | InYear
