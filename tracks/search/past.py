"""What happened in a listener's chart of the last four weeks, in the visitor's days.

Which chart is a day's is told by tracks.history: the last one known on it. For that its moments are read by the clock
of the visitor's zone.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, tzinfo
from functools import cached_property, reduce
from operator import or_
from typing import Literal

from django.db.models import F, Max, Min, Q, QuerySet

from tracks.history import days_of
from tracks.models import Listener, Placement, Snapshot, TimeRange
from tracks.search.meanings import Back, BiggestClimb, Fared, Left, MostDays, New, Stood
from tracks.search.periods import DAY, Period


@dataclass
class Past:
    """`has_history`: else the charts of now are all there is."""

    listener: Listener
    now: datetime
    zone: tzinfo
    has_history: bool

    @property
    def today(self) -> date:
        return self.now.astimezone(self.zone).date()

    @property
    def placements(self) -> QuerySet[Placement]:
        """Those of all time ranges that may be looked at."""
        if self.has_history:
            return Placement.objects.filter(snapshot__listener=self.listener)
        return Placement.objects.filter(snapshot__in=Snapshot.objects.current(self.listener, TimeRange.values))

    def folded(self, words: Sequence[str]) -> dict[str, str]:
        """`Track.folded` by key, of the songs with a word that begins with one of these; of all if there are none."""
        called = reduce(or_, (Q(track__folded__contains=f" {word}") for word in words), Q())
        return dict(self.placements.filter(called).values_list("track", "track__folded").distinct())

    def ordered(
        self, condition: Q, *, by_length: Literal["", "-"] | None = None, limit: int | None = None
    ) -> list[str]:
        """The keys of the songs for which this holds: who stood in a chart last comes first, of those the highest.

        `by_length`: the shortest first, with "-" the longest.
        """
        songs = self.placements.filter(condition).values("track")
        songs = songs.annotate(last=Max("snapshot__first_seen_at"), best=Min("position"))
        orders = ["-last", "best", "track"]
        if by_length is not None:
            songs = songs.annotate(length=Min("track__duration_ms"))
            orders.insert(0, f"{by_length}length")
        # Their keys alone are fetched: of moments, reading costs the most.
        return list(songs.order_by(*orders).values_list("track", flat=True)[:limit])

    @cached_property
    def charts(self) -> list[Snapshot]:
        """Those of the last four weeks, oldest first, with their moments in the visitor's zone."""
        found = Snapshot.objects.filter(listener=self.listener, time_range=TimeRange.SHORT_TERM).newest_first()
        charts = list(found if self.has_history else found[:1])[::-1]
        for chart in charts:
            chart.first_seen_at = chart.first_seen_at.astimezone(self.zone)
            chart.confirmed_at = chart.confirmed_at.astimezone(self.zone)
        return charts

    def fared(self, meaning: Fared) -> dict[str, int]:
        """The songs that fared so, with the days or places asked for; 0 where no number is."""
        match meaning:
            case Stood():
                days = self._days(meaning.period, also_now=True)
                return dict.fromkeys((track for _, track in self._up_to(meaning.place, days)), 0)
            case MostDays():
                days = self._days(meaning.period)
                counts: Counter[str] = Counter()
                for chart, track in self._up_to(meaning.place, days):
                    counts[track] += days[chart]
                return counts
            case BiggestClimb():
                climbed = self._seen(meaning.period).filter(previous_position__gt=F("position")).values("track")
                best = climbed.annotate(best=Max(F("previous_position") - F("position")))
                return dict(best.values_list("track", "best"))
            case Back():
                found = self._seen(meaning.period).filter(entry=Placement.Entry.BACK)
            case New(period=None):
                newest = [chart.pk for chart in self.charts[-1:]]
                found = self.placements.filter(snapshot__in=newest, entry=Placement.Entry.NEW)
            case New():
                return dict.fromkeys(self._first_in(meaning.period), 0)  # type: ignore[arg-type]
            case Left():
                return dict.fromkeys(self._left(meaning.period), 0)
        return dict.fromkeys(found.values_list("track", flat=True), 0)

    def _days(self, period: Period | None, *, also_now: bool = False) -> dict[int, int]:
        """The charts that were a day's within the period, each with the number of days.

        `also_now`: the newest one stands today, whenever it was confirmed.
        """
        if not self.charts:
            return {}
        first = period.first if period else self.charts[0].first_seen_at.date()
        last = min(period.last, self.today) if period else self.today
        days = {chart: days.count for chart, days in days_of(self.charts, None, first, last).items()}
        if also_now and first <= self.today <= last:
            days.setdefault(self.charts[-1].pk, 1)
        return days

    def _up_to(self, place: int, charts: Collection[int]) -> list[tuple[int, str]]:
        """The pairs of chart and song at this place or higher."""
        found = self._of(charts).filter(position__lte=place).values_list("snapshot_id", "track")
        return [(chart, track) for chart, track in found if chart in charts]

    def _seen(self, period: Period | None) -> QuerySet[Placement]:
        """The placements in charts that were first seen in the period."""
        if period is None:
            return self.placements.filter(snapshot__time_range=TimeRange.SHORT_TERM)
        return Placement.objects.filter(snapshot__in=[chart.pk for chart in self.charts if _is_in(chart, period)])

    def _of(self, charts: Collection[int]) -> QuerySet[Placement]:
        """The placements in these charts; where these are nearly all there are, in all, which is quicker to ask for."""
        if len(charts) > len(self.charts) // 2:
            return self._seen(None)
        return Placement.objects.filter(snapshot__in=list(charts))

    def _first_in(self, period: Period) -> QuerySet[Placement, str]:
        """The songs whose first chart of any time range was seen in the period."""
        songs = self.placements.values("track").annotate(first=Min("snapshot__first_seen_at"))
        begin, end = (datetime.combine(day, time.min, tzinfo=self.zone) for day in (period.first, period.last + DAY))
        return songs.filter(first__gte=begin, first__lt=end).values_list("track", flat=True)

    def _left(self, period: Period | None) -> set[str]:
        """The songs in the chart that stood when the period began, or in a later one, and not in the last of it."""
        charts = [chart for chart in self.charts if not period or chart.first_seen_at.date() <= period.last]
        earlier = [chart for chart in charts if period and chart.first_seen_at.date() < period.first]
        charts = charts[max(0, len(earlier) - 1) :]
        if not charts:
            return set()
        songs: dict[bool, set[str]] = {True: set(), False: set()}
        rows = Placement.objects.filter(snapshot__in=[chart.pk for chart in charts])
        for chart, track in rows.values_list("snapshot_id", "track"):
            songs[chart == charts[-1].pk].add(track)
        return songs[False] - songs[True]


def _is_in(chart: Snapshot, period: Period) -> bool:
    return period.first <= chart.first_seen_at.date() <= period.last
