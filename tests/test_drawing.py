"""The geometry of a song's history."""

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from tracks.drawing import WIDTH, Drawing, Spark, draw, spark
from tracks.songs import Line, Stay

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def stays(*lasting: tuple[int | None, float], start: datetime = START) -> list[Stay]:
    """Stays that follow each other, each a position and how many days it was held."""
    found = []
    for position, days in lasting:
        found.append(Stay(since=start, until=start + days * DAY, position=position))
        start = found[-1].until
    return found


def drawn(*lasting: tuple[int | None, float], start: datetime = START, lowest: int = 20) -> Drawing:
    drawing = draw(stays(*lasting, start=start), lowest=lowest)
    assert drawing is not None
    return drawing


def strokes(path: str) -> list[tuple[float, int, float]]:
    """From where to where each stroke of `held` goes, and in which place."""
    return [(float(a), int(y), float(b)) for a, y, b in re.findall(r"M([\d.]+) (\d+)H([\d.]+)", path)]


def test_a_stay_is_as_long_as_it_lasted() -> None:
    drawing = drawn((3, 1), (5, 2), (None, 4), (2, 1), (4, 2))
    assert strokes(drawing.held) == [(0, 3, 100), (100, 5, 300), (700, 2, 800), (800, 4, 1000)]


def test_an_absence_is_a_gap_and_a_move_joins_two_stays() -> None:
    assert drawn((3, 1), (5, 2), (None, 4), (2, 1), (4, 2)).moved == "M100 3V5M800 2V4"


def test_the_last_stay_before_a_song_left_is_drawn() -> None:
    drawing = drawn((3, 3), (9, 1), (None, 4))
    assert strokes(drawing.held)[-1] == (375, 9, 500)
    assert drawing.end is None


def test_the_line_ends_at_the_place_that_the_song_has_now() -> None:
    drawing = drawn((3, 3), (11, 1))
    assert drawing.end is not None
    assert (drawing.end.position, drawing.end.y, drawing.end_x) == (11, 52.63, 100)


def test_it_begins_on_the_day_on_which_the_song_came() -> None:
    drawing = drawn((None, 10.25), (3, 1.75))
    assert strokes(drawing.held) == [(125, 3, 1000)]
    assert drawing.labels[0].day == START + 10 * DAY


def test_a_song_that_came_this_minute_has_a_day_of_room() -> None:
    drawing = drawn((1, 0), start=START + DAY / 2)
    assert strokes(drawing.held) == [(500, 1, 500)]
    assert drawing.end_x == 50


def test_places_make_room_and_the_first_is_at_the_top() -> None:
    assert [place.position for place in drawn((1, 1)).places] == [1, 5, 10, 15, 20]
    assert [place.y for place in drawn((1, 1)).places][::4] == [0, 100]
    assert drawn((23, 1)).view_box == f"0 1 {WIDTH} 22"
    assert [place.position for place in drawn((1, 1), lowest=1).places] == [1, 2]


@pytest.mark.parametrize("days", [0, 1, 2, 5, 7, 8, 20, 30, 90, 91, 99, 150, 200, 365, 366, 800, 4000, 36_500])
def test_labels_are_whole_days_and_few(days: int) -> None:
    labels = drawn((1, days)).labels
    assert 1 <= len(labels) <= 7 and (len(labels) > 1 or days < 2)
    assert 1 <= len([label for label in labels if not label.spare]) <= 2
    for label in labels:
        assert label.day - datetime(label.day.year, label.day.month, label.day.day, tzinfo=UTC) == timedelta()
        assert label.x == pytest.approx((label.day - START) / (max(days, 1) * DAY) * 100, abs=0.001)
    for one, other in pairwise(labels):
        assert other.x - one.x > 8


def test_months_begin_on_their_first() -> None:
    labels = drawn((1, 300), start=START + 3 * DAY).labels
    assert [(label.day.month, label.day.day) for label in labels] == [(5, 1), (7, 1), (9, 1), (11, 1)]


def test_days_are_utc() -> None:
    labels = drawn((1, 2), start=START + timedelta(hours=23, minutes=59)).labels
    assert labels[0].day == START


def test_a_year_of_daily_changes_keeps_every_day() -> None:
    drawing = drawn(*((1 + number % 20, 1) for number in range(365)))
    found = strokes(drawing.held)
    assert len(found) == 365
    assert all(end - start == pytest.approx(WIDTH / 365, abs=0.02) for start, _, end in found)
    assert len(drawing.held) + len(drawing.moved) < 12_000


@pytest.mark.parametrize("nothing", [[], [(None, 3)]])
def test_nothing_to_draw(nothing: list[tuple[None, int]]) -> None:
    assert draw(stays(*nothing), lowest=20) is None


def sparked(*places: int | None, lowest: int = 20) -> Spark | None:
    """Places on days in a row, the first one START's."""
    first = START.date()
    held = {first + n * DAY: place for n, place in enumerate(places) if place}
    return spark(Line(first=first, last=first + (len(places) - 1) * DAY, places=held), lowest=lowest)


def test_a_small_line_has_a_point_where_the_place_changes_and_a_gap_where_there_is_none() -> None:
    line = sparked(3, 3, 3, 5, None, 7, 7, None, 2, None, None)
    assert line and line.path == "M0 3L200 3L300 5M500 7L600 7M800 2h0"
    assert line.end is None and line.view_box == "0 1 1000 19"


def test_a_small_line_ends_at_the_last_days_place_and_makes_room_for_low_ones() -> None:
    line = sparked(None, 30, 11, lowest=20)
    assert line and line.lowest == 30 and line.end
    assert (line.end.position, line.end.y) == (11, 34.48)


def test_one_day_and_none_make_no_small_line() -> None:
    assert sparked(3) is None and sparked(None, None) is None
