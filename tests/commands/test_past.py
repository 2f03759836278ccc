"""The demo's past: rows like those that refreshes leave, and listening that is no noise."""

from collections import Counter
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from simulator import Simulator
from tests import factories
from tests.factories import item
from tracks.etl.service import refresh
from tracks.management.listening import FIRST_DAYS, invent
from tracks.management.past import _a_day_passes, remember, write_past
from tracks.models import Listener, Placement, Snapshot, TimeRange
from tracks.year import look_back

RANKINGS = ["abcde", "abcde", "bacde", "bacdf", "bacdf", "abcde", "gabcd", "fgabe"]
TODAY = "fgabc"
DAY = timedelta(days=1)

Row = tuple[int, int, list[tuple[int, str, int | None, str]]]


def rows(listener: Listener) -> list[Row]:
    """Each chart, by how many days before the newest it was first and last seen, with its placements."""
    charts = list(Snapshot.objects.filter(listener=listener, time_range="short_term").order_by("first_seen_at"))
    newest = charts[-1].confirmed_at
    fields = ("position", "track", "previous_position", "entry")
    return [
        (
            round((newest - chart.first_seen_at) / DAY),
            round((newest - chart.confirmed_at) / DAY),
            list(chart.placements.order_by("position").values_list(*fields)),
        )
        for chart in charts
    ]


def finds(simulator: Simulator, ranking: str) -> None:
    simulator.set_top("host", "short_term", [item(ord(letter)) for letter in ranking])


@pytest.mark.django_db
def test_a_written_past_is_what_refreshes_leave(simulator: Simulator) -> None:
    listener = factories.host(simulator)
    Snapshot.objects.all().delete()
    for ranking in RANKINGS:
        finds(simulator, ranking)
        refresh(listener=listener, trigger="cron", force=True)
        _a_day_passes()
    finds(simulator, TODAY)
    refresh(listener=listener, trigger="cron", force=True)
    left = rows(listener)
    assert len(left) == 7 and {entry for *_, placed in left for *_, entry in placed} == {"", "new", "back"}

    Snapshot.objects.filter(time_range="short_term").delete()
    refresh(listener=listener, trigger="cron", force=True)
    newest = Snapshot.objects.get(time_range="short_term")
    write_past(newest, [[item(ord(letter))["id"] for letter in ranking] for ranking in RANKINGS])
    assert rows(listener) == left


@pytest.mark.django_db
def test_a_past_that_ends_with_todays_chart_is_one_chart(simulator: Simulator) -> None:
    listener = factories.host(simulator)
    Snapshot.objects.all().delete()
    finds(simulator, TODAY)
    refresh(listener=listener, trigger="cron", force=True)
    today = [item(ord(letter))["id"] for letter in TODAY]
    write_past(Snapshot.objects.get(time_range="short_term"), [today[::-1], today, today])
    assert [(first, last) for first, last, _ in rows(listener)] == [(3, 3), (2, 0)]


@pytest.mark.django_db
def test_a_year_has_something_of_everything(simulator: Simulator, settings: Any) -> None:
    listener = factories.host(simulator)
    settings.LISTENERS = "invited"
    stan = factories.guest(simulator, "stranger")
    remember(days=364, days_of_others=60)
    for one, days in ((listener, 364), (stan, 60)):
        for time_range in TimeRange:
            charts = Snapshot.objects.filter(listener=one, time_range=time_range).order_by("first_seen_at")
            oldest, newest = charts[0], charts.reverse()[0]
            assert round((newest.confirmed_at - oldest.first_seen_at) / DAY) == days
            # Pruning counts from when a chart was last seen: the oldest is not the first refresh's prey.
            assert round((oldest.confirmed_at - oldest.first_seen_at) / DAY) >= FIRST_DAYS - 1
            assert not charts.exclude(placements__position=20).exists()
    year = look_back(listener, TimeRange.SHORT_TERM, newest.confirmed_at.year)
    assert year and year.climb and year.comebacks and year.wonder_count and year.firsts
    assert year.at_number_one and year.at_number_one.n > 20
    kinds = Counter(Placement.objects.values_list("entry", flat=True))
    assert kinds["new"] and kinds["back"]


def test_listening_is_no_noise() -> None:
    """From one day to the next most songs stay, and hardly one jumps."""
    songs = [str(number) for number in range(64)]
    rankings = [*invent(songs[:20], songs[20:], days=364, changes=60, calm=1), songs[:20]]
    assert len(rankings) == 365 and all(len(set(ranking)) == 20 for ranking in rankings)
    changes = [set(after) - set(before) for before, after in pairwise(rankings)]
    assert max(map(len, changes)) <= 4
    changed = sum(before != after for before, after in pairwise(rankings))
    assert 180 < changed < 260
    assert invent(songs[:20], songs[20:], days=364, changes=60, calm=1) == rankings[:-1]
    assert len({ranking[0] for ranking in rankings}) > 5
