"""Where what is drawn lies: the lines of songs, and the bars of release years. Pure: no ORM, language, clock.

Across, it is WIDTH units of time wide, whatever its width on the screen; down, a unit is a place, and 1 is at the top.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import dropwhile, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracks.songs import Line, Stay

WIDTH = 1000
# How many days have a label, and how many of them on a phone.
MOST_LABELS = 7
MOST_LABELS_ON_A_PHONE = 2
DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Label:
    """A day (its midnight, UTC) and how far across it lies, in percent; a phone leaves out `spare` ones."""

    day: datetime
    x: float
    anchor: str
    spare: bool


@dataclass(frozen=True, kw_only=True)
class Place:
    """A position, and how far down it lies, in percent."""

    position: int
    y: float


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """The lines of a song's stays.

    `held` draws each stay in the chart as a stroke as long as the stay, `moved` joins two stays that follow each other.
    Both are SVG paths in a view box WIDTH wide and from place 1 to `lowest`. An absence is a gap in both.
    """

    lowest: int
    held: str
    moved: str
    places: list[Place]
    labels: list[Label]
    # Whether the labels need the year.
    over_a_year: bool
    # Where the line ends if the song is in the chart; `end_x` is in percent.
    end: Place | None
    end_x: float

    @property
    def view_box(self) -> str:
        return f"0 1 {WIDTH} {self.lowest - 1}"


def draw(stays: Iterable[Stay], *, lowest: int) -> Drawing | None:
    """The drawing from the song's first day in the chart on, None if it was in none of them.

    The stays are oldest first and follow each other. Places down to `lowest` always have room, lower ones make it.
    """
    stays = list(dropwhile(lambda stay: stay.position is None, stays))
    if not stays:
        return None
    positions = [stay.position for stay in stays if stay.position]
    lowest = max(lowest, *positions, 2)
    start = _midnight(stays[0].since)
    end = max(stays[-1].until, start + DAY)

    def across(moment: datetime) -> float:
        return round((moment - start) / (end - start) * WIDTH, 2)

    def down(position: int) -> Place:
        return Place(position=position, y=round((position - 1) / (lowest - 1) * 100, 2))

    last = stays[-1]
    return Drawing(
        lowest=lowest,
        held="".join(f"M{across(s.since):g} {s.position}H{across(s.until):g}" for s in stays if s.position),
        moved="".join(
            f"M{across(after.since):g} {before.position}V{after.position}"
            for before, after in pairwise(stays)
            if before.position and after.position
        ),
        places=[down(position) for position in sorted({1, *range(5, lowest + 1, 5), lowest})],
        labels=_labels(start, end),
        over_a_year=end - start > 366 * DAY,
        end=down(last.position) if last.position else None,
        end_x=round(across(last.until) / WIDTH * 100, 3),
    )


@dataclass(frozen=True, kw_only=True)
class Spark:
    """A line as small as a word, without labels; as in a Drawing an absence is a gap. A single day is a dot.

    `end` is where it ends if the song is in the chart on the last day, which is at the right edge.
    """

    lowest: int
    path: str
    end: Place | None

    @property
    def view_box(self) -> str:
        return f"0 1 {WIDTH} {self.lowest - 1}"


def spark(line: Line, *, lowest: int) -> Spark | None:
    """The line across all of its days, None where there is nothing to draw: one day makes no line.

    Places down to `lowest` always have room, lower ones make it.
    """
    across = (line.last - line.first) / DAY
    if not across or not line.places:
        return None
    lowest = max(lowest, *line.places.values(), 2)
    path = []
    for day, position in sorted(line.places.items()):
        before, after = line.places.get(day - DAY), line.places.get(day + DAY)
        # Where it goes on as it came, a point would say nothing.
        if not before == position == after:
            x = round((day - line.first) / DAY / across * WIDTH, 1)
            path.append(f"{'L' if before else 'M'}{x:g} {position}{'' if before or after else 'h0'}")
    end = line.places.get(line.last)
    place = Place(position=end, y=round((end - 1) / (lowest - 1) * 100, 2)) if end else None
    return Spark(lowest=lowest, path="".join(path), end=place)


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A year, how far across its bar stands, in percent, how high it is and where it begins, in pixels."""

    year: int
    x: float
    height: float
    y: float


def bars(counts: Mapping[int, int], *, height: int) -> list[Bar]:
    """A bar for each year, oldest first, across from the first to the last; the highest is `height` high.

    Nothing for a single year. One song is still seen beside twenty.
    """
    first, last, most = min(counts), max(counts), max(counts.values())
    if first == last:
        return []
    found = []
    for year, count in sorted(counts.items()):
        tall = round(max(4.0, count / most * height), 1)
        found.append(Bar(year=year, x=round((year - first) / (last - first) * 100, 2), height=tall, y=height - tall))
    return found


def _midnight(moment: datetime) -> datetime:
    return datetime.combine(moment.astimezone(UTC), time(), UTC)


def _labels(start: datetime, end: datetime) -> list[Label]:
    """Whole days at equal distances, or the first days of months where the time is long."""
    days = [start + n * DAY for n in range((end - start) // DAY + 1)]
    shown = next(choice for choice in _choices(days) if len(choice) <= MOST_LABELS)
    keep = -(-len(shown) // MOST_LABELS_ON_A_PHONE)
    labels = []
    for index, day in enumerate(shown):
        x = round((day - start) / (end - start) * 100, 3)
        # There is room beside the drawing for half a label on the right alone.
        labels.append(Label(day=day, x=x, anchor="middle" if x > 5 else "start", spare=index % keep != 0))
    return labels


def _choices(days: list[datetime]) -> Iterable[list[datetime]]:
    for step in (1, 2, 3, 7, 14):
        yield days[::step]
    for step in (1, 2, 3, 6, 12):
        yield [day for day in days if day.day == 1 and (day.month - 1) % step == 0]
    yield days[:: -(-len(days) // MOST_LABELS)]
