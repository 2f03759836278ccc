"""The common quota: never more than SPOTIFY_CALLS_PER_30_SECONDS, over all processes, by one row in the database.

Whoever wants to call takes places first. A place is good for GOOD_FOR seconds; the window that is counted is longer by
as much, so that calls which are sent a little later than their places were taken still fit into any 30 seconds.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from tracks.models import SpotifyQuota
from tracks.spotify.errors import Unavailable

QUOTA_IS_USED_UP = _("This site’s share of calls to Spotify is used up for the moment. Try again in a minute.")

GOOD_FOR = 2.0
# A smaller quota is nobody's alone.
LEAST_TO_SHARE = 16
# Spotify's 30 s, a place's life, the second that rounding may hide, and one for the way there.
WINDOW = 30 + int(GOOD_FOR) + 2


@dataclass(frozen=True)
class Taken:
    """The places are ours; they were given in this second (since the epoch, by the database's clock)."""

    second: int


@dataclass(frozen=True)
class Later:
    """There are not enough; ask again in so many seconds."""

    seconds: float


def most(*, first: bool = False) -> int:
    """How many places there ever are at once. `first` is for sign-ins: a quarter of the places is theirs alone."""
    quota = settings.SPOTIFY_CALLS_PER_30_SECONDS
    return quota if first or quota < LEAST_TO_SHARE else quota - quota // 4


def take(calls: int, *, first: bool = False) -> Taken | Later:
    """Takes so many places at once.

    `first` is for sign-ins: a person waits. Refreshes get places only while less than three quarters of the quota are
    used, whoever used them. Raises ValueError for more places at once than there ever are.
    """
    if calls > most(first=first):
        raise ValueError("So many calls do not fit into SPOTIFY_CALLS_PER_30_SECONDS.")
    with _given() as (given, now):
        missing = sum(given.values()) + calls - most(first=first)
        if missing > 0:
            return Later(_until_free(given, now, missing))
        given[now] = given.get(now, 0) + calls
    return Taken(now)


def move(calls: int, taken: Taken) -> Taken | None:
    """Makes places good again that were not used in time: nobody else can have them yet. None if it is too late."""
    with _given() as (given, now):
        if given.get(taken.second, 0) < calls:
            return None
        given[taken.second] -= calls
        given[now] = given.get(now, 0) + calls
    return Taken(now)


class Places:
    """Places of one refresh or sign-in, used call by call. A call for which none was taken takes one of its own."""

    def __init__(self, calls: int = 0, taken: Taken | None = None, *, first: bool = True) -> None:
        """`calls` were taken just now."""
        self.calls = calls
        self.taken = taken
        self.first = first
        self.good_until = time.monotonic() + GOOD_FOR

    def use(self, *, seconds: float) -> None:
        """Uses a place up, waiting for it so long at most. Raises Unavailable if there is none to be had."""
        if self.calls and self.taken and time.monotonic() >= self.good_until:
            self.taken = move(self.calls, self.taken)
            self.calls *= self.taken is not None
            self.good_until = time.monotonic() + GOOD_FOR
        if self.calls:
            self.calls -= 1
        elif not wait(1, seconds=seconds, first=self.first):
            raise Unavailable(QUOTA_IS_USED_UP)


def wait(
    calls: int, *, seconds: float, first: bool = False, is_over: Callable[[], bool] = lambda: False
) -> Taken | None:
    """Takes so many places, waiting at most so long and not once `is_over`; None if they were not to be had."""
    deadline = time.monotonic() + seconds
    while isinstance(answer := take(calls, first=first), Later):
        ask_again = time.monotonic() + answer.seconds
        if ask_again > deadline:
            return None
        while (left := ask_again - time.monotonic()) > 0:
            if is_over():
                return None
            time.sleep(min(left, 0.5))
    return answer


@contextmanager
def _given() -> Iterator[tuple[dict[int, int], int]]:
    """The places given in each of the last seconds, locked and stored again at the end, and the present second."""
    with transaction.atomic():
        rows = SpotifyQuota.objects.select_for_update()
        if (row := rows.first()) is None:
            SpotifyQuota.objects.get_or_create(pk=1)
            row = rows.get()
        # By the database's clock, which is one for all machines; asked under the lock, for which it may have waited.
        clock = SpotifyQuota.objects.filter(pk=1).values_list(Now(), flat=True).get()
        now = int(clock.timestamp())
        # What is a window ahead was written by a clock that has been set back since.
        given = {second: count for second, count in row.calls if abs(now - second) < WINDOW}
        before = dict(given)
        yield given, max([now, *given])
        if given != before:
            calls = [(second, count) for second, count in given.items() if count]
            SpotifyQuota.objects.filter(pk=1).update(calls=calls)


def _until_free(given: dict[int, int], now: int, missing: int) -> float:
    seconds = sorted(given)
    freed = accumulate(given[second] for second in seconds)
    second = next(second for second, count in zip(seconds, freed, strict=True) if count >= missing)
    return max(1.0, second + WINDOW - now)
