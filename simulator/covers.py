"""Cover art for the invented albums: flat geometric compositions, drawn by hand and written as PNG.

An album's id decides everything, so a cover looks the same in every size and on every run.
"""

import struct
import zlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise, product
from math import ceil, floor, pi, sin, sqrt
from typing import NamedTuple, TypeVar

from .catalogue import fingerprint

T = TypeVar("T")

Point = tuple[float, float]
Span = tuple[float, float]

# The number of the drawing: this one lets the first covers of the demo differ from their neighbours.
_EDITION = "2452"
_SUBROWS = (0.125, 0.375, 0.625, 0.875)  # four samples a pixel row smooth the edges

# The orders in which a palette is used; the first colour is the ground.
_ORDERS = ((0, 1, 2, 3), (1, 0, 2, 3), (0, 2, 1, 3))

# Ground first, then the colours in the order of their weight.
_PALETTES = (
    ("e9dfcf", "b4532f", "2b2a33", "d9a441"),
    ("1f2a44", "efe6d5", "d9735b", "7f9bb3"),
    ("cdd0c0", "4c5d4b", "f3ede1", "c4703f"),
    ("3c2a3e", "e8d7bd", "c98a8a", "b04a4a"),
    ("26241f", "c78f3a", "e7e0d2", "9c3f2e"),
    ("d5dee3", "3f5566", "e2a579", "1f2630"),
    ("c3653f", "f4e8d6", "3a1f1a", "e6b8a2"),
    ("d8a635", "2a2723", "f5ead3", "2f6265"),
    ("cfc8d6", "43304f", "e9a886", "f6efe6"),
    ("1f4a4d", "e6d5b8", "d66a4e", "a9c3b6"),
    ("ede8de", "1c1b1a", "c23b2e", "b9b0a2"),
    ("6f5d73", "f0d9c4", "e08e6d", "2d2438"),
)


class _Dice:
    """Choices that an id makes, one after another."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._rolls = 0

    def below(self, number: int) -> int:
        """Return 0 to number - 1."""
        self._rolls += 1
        return fingerprint(f"{self._seed}/{self._rolls}") % number

    def between(self, low: float, high: float) -> float:
        """Return a number between the two."""
        return low + (high - low) * self.below(1000) / 999

    def pick(self, choices: Sequence[T]) -> T:
        """Return one of the choices."""
        return choices[self.below(len(choices))]


class Shape(NamedTuple):
    """A convex figure between two heights; `span` tells where its row at a height begins and ends, if it has one."""

    top: float
    bottom: float
    span: Callable[[float], Span | None]


class _Canvas:
    """Pixels. Coordinates are fractions of the longer side, and the middle of the unit square is the middle here."""

    def __init__(self, width: int, height: int, ground: bytes) -> None:
        self.width, self.height, self.side = width, height, max(width, height)
        self._rows = [bytearray(ground * width) for _ in range(height)]
        self._left, self._top = (self.side - width) // 2, (self.side - height) // 2

    def paint(self, shape: Shape, color: bytes) -> None:
        """Fill the shape with the colour, its edges smoothed."""
        first = max(floor(shape.top * self.side) - self._top, 0)
        last = min(ceil(shape.bottom * self.side) - self._top, self.height)
        for y in range(first, last):
            spans = [span for part in _SUBROWS if (span := self._span(shape, y + part))]
            if spans:
                self._paint_row(self._rows[y], spans, color)

    def split(self, parts: int) -> list[Span]:
        """Return equal parts of the side that begin and end on whole pixels, so that no seam shows between them."""
        ends = [round(part * self.side / parts) / self.side for part in range(parts + 1)]
        return list(pairwise(ends))

    def png(self) -> bytes:
        """Return the picture as a PNG file, 8 bits of red, green and blue."""
        header = struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)
        pixels = zlib.compress(b"".join(b"\0" + row for row in self._rows), 6)
        return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")

    def _span(self, shape: Shape, y: float) -> Span | None:
        """Return the shape's row in pixels, cut to the picture."""
        span = shape.span((y + self._top) / self.side)
        if span is None:
            return None
        left = max(span[0] * self.side - self._left, 0)
        right = min(span[1] * self.side - self._left, self.width)
        return (left, right) if left < right else None

    def _paint_row(self, row: bytearray, spans: list[Span], color: bytes) -> None:
        start, end = floor(min(left for left, _ in spans)), ceil(max(right for _, right in spans))
        inner, outer = end, end  # from inner to outer the pixels are covered whole
        if len(spans) == len(_SUBROWS):
            inner, outer = ceil(max(left for left, _ in spans)), floor(min(right for _, right in spans))
            if inner < outer:
                row[3 * inner : 3 * outer] = color * (outer - inner)
            else:
                inner, outer = end, end
        for x in (*range(start, inner), *range(outer, end)):
            share = sum(max(0.0, min(right, x + 1) - max(left, x)) for left, right in spans) / len(_SUBROWS)
            for at, value in enumerate(color, 3 * x):
                row[at] += round((value - row[at]) * share)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


# Shapes


def _disc(x: float, y: float, radius: float) -> Shape:
    def span(at: float) -> Span | None:
        square = radius * radius - (at - y) ** 2
        return (x - sqrt(square), x + sqrt(square)) if square > 0 else None

    return Shape(y - radius, y + radius, span)


def _box(left: float, top: float, right: float, bottom: float) -> Shape:
    return Shape(top, bottom, lambda at: (left, right) if top <= at < bottom else None)


def _polygon(*points: Point) -> Shape:
    edges = list(zip(points, points[1:] + points[:1], strict=True))

    def span(at: float) -> Span | None:
        crossings = [
            x0 + (at - y0) * (x1 - x0) / (y1 - y0) for (x0, y0), (x1, y1) in edges if min(y0, y1) <= at < max(y0, y1)
        ]
        return (min(crossings), max(crossings)) if crossings else None

    heights = [y for _, y in points]
    return Shape(min(heights), max(heights), span)


def _both(one: Shape, other: Shape) -> Shape:
    def span(at: float) -> Span | None:
        first, second = one.span(at), other.span(at)
        return (max(first[0], second[0]), min(first[1], second[1])) if first and second else None

    return Shape(max(one.top, other.top), min(one.bottom, other.bottom), span)


# Motifs: each fills a canvas, whose ground is painted already, with the other colours of a palette

_Colors = Sequence[bytes]


def _sinking_sun(canvas: _Canvas, colors: _Colors, dice: _Dice) -> None:
    ground, sun, low, high = colors
    radius, y = dice.between(0.27, 0.34), dice.between(0.4, 0.5)
    canvas.paint(_disc(0.5, y, radius), sun)
    bars = 3 + dice.below(3)
    for bar in range(bars):
        top = y + radius * (bar + 0.35) / bars
        canvas.paint(_box(0, top, 1, top + radius * (0.12 + 0.5 * bar / bars) / bars), ground)
    canvas.paint(_box(0, 0.9, 1, 1), low)
    if dice.below(2):
        canvas.paint(_disc(dice.pick((0.16, 0.84)), 0.14, 0.045), high)


def _corner_arcs(canvas: _Canvas, colors: _Colors, dice: _Dice) -> None:
    x, y = dice.pick(((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.5, 1.0)))
    rings = 5 + dice.below(4)
    reach = 0.98 if x == 0.5 else 1.15
    order = [colors[1], colors[0], colors[2], colors[0], colors[3], colors[0]]
    for ring in range(rings):
        canvas.paint(_disc(x, y, reach * (rings - ring) / rings), order[ring % len(order)])


def _slanted_stripes(canvas: _Canvas, colors: _Colors, dice: _Dice) -> None:
    lean = dice.pick((-1.0, -0.5, 0.5, 1.0))
    x, end = min(0.0, -lean), max(1.0, 1 - lean)
    step = 0
    while x < end:
        width = dice.between(0.05, 0.22)
        if step % 2:
            canvas.paint(_polygon((x, 0), (x + width, 0), (x + width + lean, 1), (x + lean, 1)), dice.pick(colors[1:]))
            width += dice.between(0, 0.05)
        x, step = x + width, step + 1


def _quarter_tiles(canvas: _Canvas, colors: _Colors, dice: _Dice) -> None:
    parts = canvas.split(dice.pick((2, 3, 4)))
    for (top, bottom), (left, right) in product(parts, parts):
        tile = _box(left, top, right, bottom)
        under = dice.below(4)
        over = (under + 1 + dice.below(3)) % 4
        x, y, radius = dice.pick((left, right)), dice.pick((top, bottom)), right - left
        canvas.paint(tile, colors[under])
        canvas.paint(_both(_disc(x, y, radius), tile), colors[over])
        if dice.below(3) == 0:
            canvas.paint(_both(_disc(x, y, radius / 2), tile), colors[under])


def _folded_triangles(canvas: _Canvas, colors: _Colors, dice: _Dice) -> None:
    parts = canvas.split(dice.pick((3, 4)))
    for (top, bottom), (left, right) in product(parts, parts):
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        turn, under = dice.below(4), dice.below(4)
        canvas.paint(_polygon(*corners), colors[under])
        half = [corners[(turn + step) % 4] for step in range(3)]
        canvas.paint(_polygon(*half), colors[(under + 1 + dice.below(3)) % 4])


def _crossing_discs(canvas: _Canvas, colors: _Colors, dice: _Dice) -> None:
    radius, apart = dice.between(0.26, 0.31), dice.between(0.14, 0.18)
    across = dice.below(2)
    one = _disc(0.5 - apart, 0.5 - (0 if across else apart), radius)
    other = _disc(0.5 + apart, 0.5 + (0 if across else apart), radius)
    canvas.paint(one, colors[1])
    canvas.paint(other, colors[2])
    canvas.paint(_both(one, other), colors[3])


def _stacked_halves(canvas: _Canvas, colors: _Colors, dice: _Dice) -> None:
    for row, (top, bottom) in enumerate(canvas.split(3 + dice.below(2))):
        half = _disc(dice.pick((0.25, 0.5, 0.75)), dice.pick((top, bottom)), bottom - top)
        canvas.paint(_both(half, _box(0, top, 1, bottom)), colors[1 + row % 3])


def _rounded_columns(canvas: _Canvas, colors: _Colors, dice: _Dice) -> None:
    columns = 4 + dice.below(4)
    width = 0.84 / columns
    for column in range(columns):
        left, radius = 0.08 + column * width, width * 0.42
        x, top = left + width / 2, dice.between(0.14, 0.66)
        color = colors[1] if dice.below(3) else dice.pick(colors[2:])
        canvas.paint(_disc(x, top + radius, radius), color)
        canvas.paint(_box(x - radius, top + radius, x + radius, 1), color)


def _swelling_dots(canvas: _Canvas, colors: _Colors, dice: _Dice) -> None:
    dots = 7 + dice.below(3)
    shift, waves = dice.between(0, 2 * pi), dice.between(0.5, 1.1)
    accent = dice.below(dots * dots)
    for number in range(dots * dots):
        column, row = number % dots, number // dots
        swell = 0.5 + 0.5 * sin(shift + waves * (column + row * 0.7) * 2 * pi / dots)
        x, y = 0.08 + 0.84 * (column + 0.5) / dots, 0.08 + 0.84 * (row + 0.5) / dots
        color = colors[2] if number == accent else colors[1]
        canvas.paint(_disc(x, y, (0.08 + 0.36 * swell) * 0.84 / dots), color)


def _crescent(canvas: _Canvas, colors: _Colors, dice: _Dice) -> None:
    ground, moon, line, _ = colors
    radius, shift = dice.between(0.28, 0.34), dice.between(0.1, 0.2)
    side = dice.pick((-1, 1))
    canvas.paint(_disc(0.5, 0.44, radius), moon)
    canvas.paint(_disc(0.5 + side * shift, 0.44 - shift / 2, radius * 0.92), ground)
    for number in range(3 + dice.below(3)):
        y = 0.94 - number * 0.045
        canvas.paint(_box(0.08 + number * 0.06, y, 0.92 - number * 0.06, y + 0.012), line)


def _hills(canvas: _Canvas, colors: _Colors, dice: _Dice) -> None:
    _, near, sun, far = colors
    canvas.paint(_disc(dice.between(0.25, 0.75), dice.between(0.22, 0.36), dice.between(0.1, 0.15)), sun)
    canvas.paint(_disc(dice.between(0.6, 0.95), 1.12, 0.62), far)
    canvas.paint(_disc(dice.between(0.0, 0.35), 1.3, 0.72), near)


def _nested_squares(canvas: _Canvas, colors: _Colors, dice: _Dice) -> None:
    drift = dice.pick((0.0, 0.35, 0.65))
    for step, color in enumerate(colors[1:]):
        size = 0.78 - step * 0.24
        left, top = (1 - size) / 2, (1 - size) * (0.5 + drift * 0.5)
        canvas.paint(_box(left, top, left + size, top + size), color)


_MOTIFS = (
    _sinking_sun,
    _corner_arcs,
    _slanted_stripes,
    _quarter_tiles,
    _folded_triangles,
    _crossing_discs,
    _stacked_halves,
    _rounded_columns,
    _swelling_dots,
    _crescent,
    _hills,
    _nested_squares,
)


@lru_cache(maxsize=512)
def cover(album_id: str, width: int, height: int) -> bytes:
    """Return the album's cover as a PNG of this size in pixels."""
    dice = _Dice(f"{_EDITION}/{album_id}")
    motif, palette, order = dice.pick(_MOTIFS), dice.pick(_PALETTES), dice.pick(_ORDERS)
    colors = [bytes.fromhex(palette[place]) for place in order]
    canvas = _Canvas(width, height, colors[0])
    motif(canvas, colors, dice)
    return canvas.png()
