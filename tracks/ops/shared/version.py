"""Which version of a listener's charts the database holds, without ever waiting for it for long."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from functools import partial

from django.db import DatabaseError, InterfaceError, connection
from django.db.models import Q

from tracks.models import Listener

# How often a worker asks, and how long a visitor waits for the answer; later counts as "the database is away".
CHECK_SECONDS = 1.0
ANSWER_SECONDS = 0.5
# How long one waits who cannot be served without it: a worker with much to do comes to the answer late.
PATIENCE_SECONDS = 5.0
# Who waits so long for an answer may wait for ever, where the network swallowed it: somebody else asks.
GIVE_UP_SECONDS = 15.0

# Listeners whose version a worker remembers, and for how long after a visit it keeps asking for it.
MOST_LISTENERS = 5_000
IN_USE_SECONDS = 10.0

# A listener's number, when their charts were last confirmed or changed, and when what they say of themselves was.
# None: there is nobody whom everybody may see.
Version = tuple[int, datetime | None, datetime] | None

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
    """A listener's version, as it was when it was last asked for."""

    def __init__(self, handle: str, versions: "Versions") -> None:
        self.handle = handle
        self.versions = versions
        self.value: Version = None
        # When a visitor last wanted it, and when it was last known to be right (monotonic seconds).
        self.used_at = self.known_at = float("-inf")

    @property
    def is_away(self) -> bool:
        """Whether the database does not answer."""
        return self.versions.is_away

    @property
    def age(self) -> float:
        """The seconds since `value` was last known to be right; 0 while nothing is known, and pages are new."""
        return time.monotonic() - self.known_at if self.known_at > float("-inf") else 0.0

    def check(self) -> None:
        """Makes `value` at most 2 s old, or sets `is_away`."""
        self.versions.check(self)

    def wait(self) -> None:
        """Waits for an answer that is late; `is_away` stays if none comes, or if the database refuses."""
        self.versions.wait(self)


class Versions:
    """The versions of the listeners that were asked for lately; the host's is that of the handle "".

    All of them are asked for in one query, at most once in CHECK_SECONDS and by the first visitor who comes then; and
    at once for a listener who is new here.
    """

    def __init__(self) -> None:
        self.is_away = False
        # Whether the last answer was an error.
        self.is_refused = False
        self.asked_at = float("-inf")
        self._versions: OrderedDict[str, CurrentVersion] = OrderedDict()
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._answered = threading.Event()

    def of(self, handle: str) -> CurrentVersion:
        with self._lock:
            version = self._versions.get(handle)
            if version is None:
                version = self._versions[handle] = CurrentVersion(handle, self)
                if len(self._versions) > MOST_LISTENERS:
                    self._versions.popitem(last=False)
            else:
                self._versions.move_to_end(handle)
            return version

    def check(self, current: CurrentVersion) -> None:
        now = current.used_at = time.monotonic()
        if now - current.known_at < CHECK_SECONDS or (self.is_away and now - self.asked_at < CHECK_SECONDS):
            return
        deadline = now + ANSWER_SECONDS
        # After a quiet while nobody is served what may be hours old: whoever comes while another asks waits as well.
        while not self._ask_if_nobody_does(deadline):
            if self.is_away or now - current.known_at <= 2 * CHECK_SECONDS:
                return
            if not self._wait(self._answered, deadline) or current.known_at >= now:
                return

    def wait(self, current: CurrentVersion) -> None:
        since = current.used_at = time.monotonic()
        deadline = since + PATIENCE_SECONDS
        while not self.is_refused and current.known_at < since and time.monotonic() < deadline:
            if not self._ask_if_nobody_does(deadline):
                self._answered.wait(max(0.0, deadline - time.monotonic()))

    def _ask_if_nobody_does(self, deadline: float) -> bool:
        """Asks for all versions that are in use; False if another visitor is at it."""
        now = time.monotonic()
        if now - self.asked_at >= GIVE_UP_SECONDS:
            self._asking = threading.Lock()
        turn = self._asking
        if not turn.acquire(blocking=False):
            return False
        self.asked_at = now
        with self._lock:
            in_use = [each for each in self._versions.values() if now - each.used_at < IN_USE_SECONDS]
        self._answered = answered = threading.Event()
        Asker(partial(self._ask, in_use, turn, answered)).start()
        self._wait(answered, deadline)
        return True

    def _wait(self, answered: threading.Event, deadline: float) -> bool:
        """Whether the answer came in time."""
        if not answered.wait(max(0.0, deadline - time.monotonic())) and not self.is_away:
            self.is_away = True
            logger.warning("The database does not answer within %s s; visitors get copies", ANSWER_SECONDS)
        return answered.is_set()

    def _ask(self, in_use: list[CurrentVersion], turn: threading.Lock, answered: threading.Event) -> None:
        try:
            now = time.monotonic()
            whose = Q(handle__in=[each.handle for each in in_use if each.handle]) | Q(is_host=True)
            seen = Listener.objects.filter(whose).exclude(visibility=Listener.Visibility.PRIVATE)
            facts = seen.values_list("handle", "is_host", "pk", "refreshed_at", "changed_at")
            found: dict[str, Version] = {}
            for handle, is_host, pk, refreshed_at, changed_at in facts:
                found[handle] = version = (pk, refreshed_at, changed_at)
                if is_host:
                    found[""] = version
            for each in in_use:
                each.value, each.known_at = found.get(each.handle), now
                if each.value is None:  # an invented handle is asked for when somebody comes again
                    each.used_at = float("-inf")
            self.is_away = self.is_refused = False
        except (DatabaseError, InterfaceError) as error:
            self.is_away = self.is_refused = True
            logger.warning("The database does not answer (%s); visitors get copies", type(error).__name__)
        finally:
            turn.release()
            answered.set()
