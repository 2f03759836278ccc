"""`manage.py draw_cards`: draws the pictures that are missing. A refresh starts it by itself."""

import contextlib
import os
import resource
import signal
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError

from tracks.cards import process, store
from tracks.cards.data import KINDS
from tracks.cards.draw import CannotDraw

# A snapshot's pictures take a second at most. After this the kernel ends the process, whatever it is at.
MOST_SECONDS = 60
# Of addresses, which is more than is ever used: a picture that runs away ends here and not at the machine's end.
MOST_BYTES = 2 * 1024**3
# After so many it is not the chart.
MOST_FAILURES = 20


class Command(BaseCommand):
    help = "Draws the pictures to share that are missing, of all whose page others may see."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--snapshot", type=int, help="only this one's, whoever may see it")
        parser.add_argument(
            "--kind",
            help="of the snapshot: this one first (card.png), or a line of a year alone (year-2026-climb.png)",
        )
        parser.add_argument("--lock", type=int, help="the open file that holds the lock, from who started this")

    def handle(self, *args: Any, **options: Any) -> None:
        stand_back(nobody_waits=options["snapshot"] is None)
        lock = options["lock"]
        try:
            if lock is None:
                lock = process.take_lock(of_one=options["snapshot"] is not None)
        except process.NoProcess as error:
            raise CommandError(f"{error}.") from None
        if lock is None:
            self.stdout.write("Another process is drawing.")
            return
        try:
            if options["snapshot"] is not None:
                count = self.draw_one(options["snapshot"], options["kind"])
            else:
                count = self.draw_missing(lock)
        except (DatabaseError, InterfaceError) as error:
            raise CommandError(f"The database does not answer: {type(error).__name__}.") from None
        except CannotDraw as error:
            raise CommandError(f"{error}.") from None
        self.stdout.write(f"{count} pictures drawn.")

    def draw_missing(self, lock: int) -> int:
        """Draws until nothing is missing. Raises CannotDraw when nothing else is left."""
        count = 0
        failed: dict[int, CannotDraw] = {}
        while True:
            with process.held(lock):
                while left := [pk for pk in store.missing() if pk not in failed]:
                    for pk in left:
                        try:
                            count += (drawn := bounded(store.draw_chart, pk))
                        except CannotDraw as error:
                            failed[pk] = error
                            if len(failed) >= MOST_FAILURES:
                                raise
                        else:
                            if not drawn:  # it has no songs, or a newer one has come
                                failed[pk] = CannotDraw("")
            # Who came while the lock was held relied on us.
            if all(pk in failed for pk in store.missing()):
                break
            if (again := process.take_lock(of_one=False)) is None:
                break
            os.close(lock)
            lock = again
        if errors := [error for error in failed.values() if str(error)]:
            raise errors[0]
        return count

    def draw_one(self, pk: int, kind: str | None) -> int:
        """Draws what somebody waits for, and then what they will want next."""
        if kind and kind not in KINDS:
            return bounded(store.draw_line, pk, kind)
        first = [name for name in KINDS if name == kind]
        rest = [name for name in KINDS if name != kind]
        return sum(bounded(store.draw_chart, pk, kinds) for kinds in (first, rest) if kinds)


def bounded(draw: Callable[..., int], *arguments: Any) -> int:
    """What it returns; the kernel ends the process if it takes too long."""
    signal.alarm(MOST_SECONDS)
    try:
        return draw(*arguments)
    finally:
        signal.alarm(0)


def stand_back(*, nobody_waits: bool) -> None:
    """Everybody else goes first, unless somebody waits; where memory is short, this process is the one that ends."""
    if nobody_waits:
        os.nice(10)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
