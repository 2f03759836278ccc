"""Invented listening: how a chart may have come to be what it is today. Pure, and the same each time."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

# Of a hundred other songs, so many are heard on a single day.
WONDERS = 15
# What the last place of today's chart scores, if the first scores 1.
LAST = 0.4
# The oldest chart stands for so many days at least: HISTORY_DAYS counts from when it was last seen.
FIRST_DAYS = 3


@dataclass(frozen=True)
class Fondness:
    """For a song, at its height so many days ago; it came in `rise` days and goes in `fall` days."""

    ago: float
    height: float
    rise: float
    fall: float

    def at(self, ago: float) -> float:
        width = self.rise if ago > self.ago else self.fall
        return self.height * math.exp(-(((ago - self.ago) / width) ** 2))


def invent(today: Sequence[str], others: Sequence[str], *, days: int, changes: int, calm: float) -> list[list[str]]:
    """The rankings of so many days before today's, oldest first, each of as many songs as today's and led up to it.

    Songs come quickly and go slowly, some more than once, and some stay for a day. On `changes` of a hundred days the
    ranking is another one than on the day before; `calm` is by how much longer than a few weeks a song is loved.
    """
    chance = random.Random(f"{days} {changes} {len(today)}")  # noqa: S311  (the same past each time)
    others = list(others)
    chance.shuffle(others)
    wonders = others[: len(others) * WONDERS // 100]
    loved = {song: _until_today(chance, 1 - place * (1 - LAST) / len(today), calm) for place, song in enumerate(today)}
    for song in [*today, *others[len(wonders) :]]:
        times = days / calm / 150
        count = int(times) + (chance.random() < times % 1)
        loved.setdefault(song, [])
        loved[song] += [_before(chance, days, calm) for _ in range(max(count, song in others))]
    heard = {chance.randrange(5, max(days - FIRST_DAYS, 6)): song for song in wonders}
    rankings: list[list[str]] = []
    for ago in range(days, 0, -1):
        is_still = days - ago < FIRST_DAYS or chance.randrange(100) >= changes
        if rankings and is_still and not heard.keys() & {ago, ago + 1}:
            rankings.append(rankings[-1])
            continue
        scores = {
            song: max(one.at(ago) for one in times) * chance.uniform(0.98, 1.02)
            for song, times in loved.items()
            if times
        }
        ranking = sorted(scores, key=lambda song: -scores[song])[: len(today)]
        if ago in heard:
            ranking.insert(chance.randrange(len(today) // 2, len(today)), heard[ago])
        rankings.append(ranking[: len(today)])
    return rankings


def _until_today(chance: random.Random, score: float, calm: float) -> list[Fondness]:
    """For a song of today's, so that it scores this today."""
    shape = Fondness(chance.uniform(-6, 22) * calm, 1, chance.uniform(10, 26) * calm, chance.uniform(30, 60) * calm)
    return [Fondness(shape.ago, score / shape.at(0), shape.rise, shape.fall)]


def _before(chance: random.Random, days: int, calm: float) -> Fondness:
    """For a song that is not, or not only, of today's: by today it is nearly over."""
    while True:
        one = Fondness(
            chance.uniform(8, days + 20), chance.triangular(0.4, 1.25, 0.6), chance.uniform(8, 24) * calm,
            chance.uniform(24, 60) * calm,
        )  # fmt: skip
        if one.at(0) < LAST:
            return one
