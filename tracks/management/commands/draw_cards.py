"""`manage.py draw_cards`: draws the pictures that are missing. A refresh starts it by itself."""

import contextlib
import os
import resource
import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError

from tracks.cards import process, store
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
        parser.add_argument("--kind", help="of the snapshot: this line of a year alone, such as year-2026-climb.png")
        parser.add_argument("--lock", type=int, help="the open file that holds the lock, from who started this")

    def handle(self, *args: Any, **options: Any) -> None:
        stand_back()
        lock = options["lock"]
        if lock is None:
            lock = process.take_lock(of_one=options["snapshot"] is not None)
        if lock is None:
            self.stdout.write("Another process is drawing.")
            return
        try:
            if options["snapshot"] is not None:
                count = self.draw(options["snapshot"], options["kind"])
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
                            count += (drawn := self.draw(pk))
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

    def draw(self, pk: int, kind: str | None = None) -> int:
        signal.alarm(MOST_SECONDS)
        count = store.draw_line(pk, kind) if kind else store.draw_chart(pk)
        signal.alarm(0)
        return count


def stand_back() -> None:
    """Everybody else goes first: by the processor, and where memory is short this process is the one that ends."""
    os.nice(10)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
