"""Where the lines of a bump chart lie, one a song. Pure: no ORM, language, clock.

Across, a step from one day to the next is two units wide, so that the turn of a curve is a whole number; down, a unit
is a place, and 1 is at the top. What carries letters is in percent, so that they keep their size on every screen.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from itertools import groupby
from typing import TYPE_CHECKING

from tracks.drawing import MOST_LABELS_ON_A_PHONE, Label, Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracks.bump import Bump, Song

# Of one place, in pixels: a finger finds the title beside it.
ROW = 27
PLACES_ON_A_PHONE = 10
# How many letters of a title have room beside the drawing, counted in narrow ones, also in a wide font (DejaVu Sans).
LETTERS, LETTERS_ON_A_PHONE = 28, 12
# How many days are named at most.
MOST_DAYS = 7


@dataclass(frozen=True, kw_only=True)
class Line:
    """A song's line, a path. It ends at `end_x`, `end_y` (percent).

    `title` and `short_title` are the beginning of its name, as much as there is room for.
    """

    number: int
    song: Song
    path: str
    end_x: float
    end_y: float
    title: str
    short_title: str

    @property
    def anchor(self) -> str:
        """Of the title of a song that left: where there is room for it."""
        return "start" if self.end_x < 75 else "end"

    @property
    def is_low(self) -> bool:
        """Whether a phone, which shows the first ten places, has nothing of it."""
        return self.song.peak > PLACES_ON_A_PHONE


@dataclass(frozen=True, kw_only=True)
class Row:
    """A song's places on the days that have a label."""

    song: Song
    places: list[int | None]


@dataclass(frozen=True, kw_only=True)
class Lines:
    """The lines in the order of their songs; `width` in units, `height` in pixels from place 1 to `lowest`."""

    lines: list[Line]
    lowest: int
    width: int
    height: int
    places: list[Place]
    labels: list[Label]
    # The same as a table: a row a song, a column a label.
    rows: list[Row]

    @property
    def view_box(self) -> str:
        return f"0 1 {self.width} {self.lowest - 1}"

    @property
    def over_a_year(self) -> bool:
        """Whether the labels need the year."""
        return self.labels[0].day.year != self.labels[-1].day.year

    @property
    def backwards(self) -> list[Line]:
        """As they are painted: who is first in the chart comes last, over all others."""
        return self.lines[::-1]


def draw_lines(bump: Bump) -> Lines | None:
    """The lines of the songs, None where there is a single day: that is no line."""
    if len(bump.days) < 2 or not bump.songs:
        return None
    last = len(bump.days) - 1
    lowest = max(2, *(place for song in bump.songs for place in song.places if place))

    def down(place: int) -> float:
        return round((place - 1) / (lowest - 1) * 100, 2)

    # Equal steps back from the newest day.
    named = list(range(last, -1, -max(1, -(-last // (MOST_DAYS - 1)))))[::-1]
    keep = -(-len(named) // MOST_LABELS_ON_A_PHONE)
    return Lines(
        lines=[
            Line(
                number=number,
                song=song,
                path=path(song.places),
                end_x=round(song.last / last * 100, 3),
                end_y=down(song.places[song.last] or 1),
                title=shorten(song.name, LETTERS),
                short_title=shorten(song.name, LETTERS_ON_A_PHONE),
            )
            for number, song in enumerate(bump.songs, 1)
        ],
        lowest=lowest,
        width=2 * last,
        height=ROW * (lowest - 1),
        places=[Place(position=place, y=down(place)) for place in sorted({1, *range(5, lowest + 1, 5), lowest})],
        labels=[
            Label(
                day=_midnight(bump.days[index]),
                x=round(index / last * 100, 3),
                anchor="middle",
                # The newest has its label on a phone too.
                spare=(len(named) - 1 - number) % keep != 0,
            )
            for number, index in enumerate(named)
        ],
        rows=[Row(song=song, places=[song.places[index] for index in named]) for song in bump.songs],
    )


def path(places: Sequence[int | None]) -> str:
    """The song's line as an SVG path: level while it holds its place, a curve to another; a gap while it is away.

    A single day is a line of no length, which a round cap makes a dot.
    """
    drawn = []
    before: int | None = None
    x = 0
    for place, run in groupby(places):
        days = len(list(run))
        if place:
            # To the first of these days from the one before it, then through the others.
            drawn.append(f"M{x} {place}" if before is None else f"c1 0 1 {place - before} 2 {place - before}")
            drawn.append(f"h{2 * (days - 1)}" if days > 1 or before is None else "")
        before = place
        x += 2 * days
    return "".join(drawn)


def shorten(text: str, letters: int) -> str:
    """The text, or its beginning and an ellipsis, where it is wider than so many narrow letters."""
    if _width(text) <= letters:
        return text
    end = 0
    while _width(text[: end + 1]) < letters:
        end += 1
    # Not within what is one letter to a reader.
    while end > 1 and (_width(text[end]) == 0 or text[end - 1] == "\u200d"):
        end -= 1
    return text[:end].rstrip() + "…"


def _width(text: str) -> float:
    """In narrow letters: East Asian ones and pictures take two, marks upon others none, `<` and `+` more than one."""
    return sum(_letter_width(letter) for letter in text)


def _letter_width(letter: str) -> float:
    category = unicodedata.category(letter)
    if category in ("Mn", "Me", "Cf"):
        return 0
    if unicodedata.east_asian_width(letter) in "WF":
        return 2
    return 1.3 if category in ("Lu", "Sm") or letter in "&%@" else 1


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
