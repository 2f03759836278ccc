"""The calendar of a listener's charts: the number one of each UTC day."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from django.db.models import F, FilteredRelation, Q

from tracks.history import DAY, Kept, days_of, midnight, standing_before
from tracks.models import Listener, Snapshot, TimeRange

# What a calendar shows at most, and so what it reads.
MONTHS_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class NumberOne:
    """A song that was number one from one day of a month to another, or on one day."""

    track_id: str
    name: str
    first_day: date
    last_day: date


@dataclass(frozen=True, kw_only=True)
class Month:
    """A month's days, each with its number one; None before the history, after it, and where place 1 was empty."""

    first_day: date
    days: dict[date, NumberOne | None]


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """Months of the history, newest first. `older` and `newer` are the first days of the months to begin with next."""

    months: list[Month]
    older: date | None
    newer: date | None


def read(listener: Listener | None, time_range: TimeRange, reach: Kept, month: date | None = None) -> Calendar | None:
    """The number one of each UTC day of this month (any day of it) and of the two before it, in two queries.

    Without a month it is the newest. None if there is no history of this month. `reach` is how far it reaches.
    """
    oldest, newest = reach.first_day.replace(day=1), reach.last_day.replace(day=1)
    last = (month or newest).replace(day=1)
    if not oldest <= last <= newest:
        return None
    first = max(oldest, _months_later(last, 1 - MONTHS_SHOWN))
    end = _months_later(last, 1)
    of_days = _numbers_one(listener, time_range, first, min(end, reach.last_day + DAY))
    months = [_month(_months_later(last, -back), of_days) for back in range(MONTHS_SHOWN)]
    return Calendar(
        months=[one for one in months if one.first_day >= first],
        older=_months_later(first, -1) if first > oldest else None,
        newer=min(newest, _months_later(last, MONTHS_SHOWN)) if last < newest else None,
    )


def _months_later(day: date, count: int) -> date:
    """The first day of the month so many months after this day's."""
    months = day.year * 12 + day.month - 1 + count
    return date(months // 12, months % 12 + 1, 1)


def _numbers_one(
    listener: Listener | None, time_range: TimeRange, start: date, end: date
) -> dict[date, tuple[str, str]]:
    """Id and title of the song in place 1 on each day from `start` to before `end`, none of them in the future."""
    standing = standing_before(listener, time_range, midnight(start))
    since = standing.first_seen_at if standing else midnight(start)
    seen = list(
        Snapshot.objects.filter(
            listener=listener, time_range=time_range, first_seen_at__gte=since, first_seen_at__lt=midnight(end)
        )
        .annotate(first=FilteredRelation("placements", condition=Q(placements__position=1)))
        .annotate(song=F("first__track"), name=F("first__track__name"))
        .order_by("first_seen_at")
    )
    days = days_of(seen, None, start, end - DAY)
    return {day: (one.song, one.name) for one in seen if one.song for day in days.get(one.pk, ())}


def _month(first_day: date, of_days: dict[date, tuple[str, str]]) -> Month:
    """The month with its days; days in a row with the same song share one `NumberOne`."""
    count = monthrange(first_day.year, first_day.month)[1]
    days = [first_day.replace(day=number) for number in range(1, count + 1)]
    found: dict[date, NumberOne | None] = {}
    for key, group in groupby(days, key=of_days.get):
        run = list(group)
        one = key and NumberOne(track_id=key[0], name=key[1], first_day=run[0], last_day=run[-1])
        found |= dict.fromkeys(run, one)
    return Month(first_day=first_day, days=found)
