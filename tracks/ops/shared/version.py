"""Which version of the charts the database holds, without ever waiting for it for long."""

import functools
import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime

from django.db import DatabaseError, InterfaceError, connection

from tracks.models import Listener

# How often a worker asks, and how long a visitor waits for the answer; later counts as "the database is away".
CHECK_SECONDS = 1.0
ANSWER_SECONDS = 0.5
# Who waits so long for an answer may wait for ever, where the network swallowed it: somebody else asks.
GIVE_UP_SECONDS = 15.0

# The host's number, and when the charts were last confirmed or changed.
Version = tuple[int, datetime | None] | None

logger = logging.getLogger(__name__)


class Asker(threading.Thread):
    """A thread with a database connection of its own: a database that hangs holds nobody else."""

    def __init__(self, ask: Callable[[], None]) -> None:
        super().__init__(daemon=True, name="shared-pages-version")
        self.ask = ask

    def run(self) -> None:
        try:
            self.ask()
        finally:
            connection.close()


class CurrentVersion:
    """The version, asked for at most once in CHECK_SECONDS, by the first visitor who comes then."""

    def __init__(self) -> None:
        self.value: Version = None
        self.is_away = False
        # When it was last asked for, and last known to be right (monotonic seconds).
        self.asked_at = self.known_at = float("-inf")
        self._asking = threading.Lock()
        self._answered = threading.Event()

    def check(self) -> None:
        """Makes `value` at most 2 s old, or sets `is_away`."""
        now = time.monotonic()
        if now - self.asked_at >= GIVE_UP_SECONDS:
            self._asking = threading.Lock()
        if now - self.asked_at >= CHECK_SECONDS and self._asking.acquire(blocking=False):
            self.asked_at = now
            self._answered = threading.Event()
            Asker(functools.partial(self._ask, self._asking, self._answered)).start()
            self._wait(self._answered)
        elif not self.is_away and now - self.known_at > 2 * CHECK_SECONDS:
            # After a quiet while nobody is served what may be hours old.
            self._wait(self._answered)

    @property
    def age(self) -> float:
        """The seconds since `value` was last known to be right; 0 before it ever was, as the page is rendered then."""
        return time.monotonic() - self.known_at if self.known_at > float("-inf") else 0.0

    def _wait(self, answered: threading.Event) -> None:
        if not answered.wait(ANSWER_SECONDS) and not self.is_away:
            self.is_away = True
            logger.warning("The database does not answer within %s s; visitors get copies", ANSWER_SECONDS)

    def _ask(self, turn: threading.Lock, answered: threading.Event) -> None:
        try:
            value = Listener.objects.filter(is_host=True).values_list("pk", "refreshed_at").first()
            self.value, self.known_at, self.is_away = value, time.monotonic(), False
        except (DatabaseError, InterfaceError) as error:
            self.is_away = True
            logger.warning("The database does not answer (%s); visitors get copies", type(error).__name__)
        finally:
            turn.release()
            answered.set()
