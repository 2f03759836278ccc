"""The drawing process: woken after a refresh and by a visitor whose picture is missing, alone on its machine.

It takes up to 240 MB while it works, so it is never part of a web worker, a queue's worker or a refresh.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.dispatch import receiver

from tracks.cards.data import design
from tracks.cards.store import is_missing
from tracks.etl.results import RefreshResult
from tracks.etl.signals import refresh_finished
from tracks.models import Listener

# What gunicorn.conf.py sets for its workers alone.
OF_WORKERS = ("DATABASE_SHARED", "PROMETHEUS_MULTIPROC_DIR", "TOP_TWENTY_METRICS_DIR")
MOST_OF_LAST_WORDS = 300

logger = logging.getLogger(__name__)


class NoProcess(Exception):
    """None can be started here; the text says why."""


@receiver(refresh_finished)
def draw_after_refresh(*, listener: Listener, result: RefreshResult, **kwargs: object) -> None:
    """Wakes the drawing where pictures are missing now, and waits for nothing.

    Those of a private listener are drawn when the listener looks at one.
    """
    if not settings.CARDS or not result.worked or listener.visibility == Listener.Visibility.PRIVATE:
        return
    try:
        if is_missing(listener, [part.time_range for part in result.ranges]):
            wake()
    except (DatabaseError, InterfaceError) as error:
        logger.warning("Whether cards are missing could not be asked: %s", type(error).__name__)
    except NoProcess as error:
        logger.warning("Cards are not drawn: %s", error)


def wake(*, snapshot: int | None = None, kind: str = "") -> "subprocess.Popen[str] | None":
    """Starts the drawing of what is missing, or of one snapshot's, this kind first; None if one is at work already.

    The lock is taken here and handed over, so that of many refreshes at once one starts a process. What is missing
    must be committed before: a process that is at work looks once more after it has let go. Raises NoProcess.
    """
    lock = take_lock(of_one=snapshot is not None)
    if lock is None:
        return None
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "draw_cards", "--lock", str(lock)]
    if snapshot is not None:
        command += ["--snapshot", str(snapshot), *(["--kind", kind] if kind else [])]
    environment = {name: value for name, value in os.environ.items() if name not in OF_WORKERS}
    try:
        process = subprocess.Popen(
            command,
            cwd=settings.BASE_DIR,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            # Not ours: who waits for the end of a refresh's output would wait for the drawing too.
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=(lock,),
            start_new_session=True,
        )
    except (OSError, MemoryError) as error:
        raise NoProcess(f"no process could be started ({type(error).__name__})") from None
    finally:
        os.close(lock)
    threading.Thread(target=_see_out, args=(process,), name="cards", daemon=True).start()
    return process


def _see_out(process: "subprocess.Popen[str]") -> None:
    """Reads the process's last words and its exit status, so that neither is left behind."""
    _, last_words = process.communicate()
    if process.returncode:
        logger.warning(
            "Cards could not be drawn (exit status %s; manage.py doctor looks why): %s",
            process.returncode,
            " ".join(last_words.split())[-MOST_OF_LAST_WORDS:],
        )


def take_lock(*, of_one: bool) -> int | None:
    """The open file whose lock is now this process's, or None if another has it. Closing it lets go. Raises NoProcess.

    There are two: of the drawing of all that is missing, which may take long after a round of thousands, and of the
    drawing of one snapshot's, for which somebody waits.
    """
    # One for each user and site; another site's, or another design's, is another matter.
    site = hashlib.sha256(
        f"{os.getuid()} {settings.BASE_DIR} {settings.DATABASES['default']['NAME']} {design()}".encode()
    )
    name = f"top-twenty-cards-{site.hexdigest()[:16]}{'-one' if of_one else ''}.lock"
    try:
        lock = os.open(_folder() / name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise NoProcess(f"there is no place for a lock ({error.strerror})") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


def _folder() -> Path:
    shared = Path("/dev/shm")  # noqa: S108  (writable where the root file system is not)
    return shared if os.access(shared, os.W_OK) else Path(tempfile.gettempdir())


@contextlib.contextmanager
def held(lock: int) -> Iterator[None]:
    """Until the block ends, the lock is held; the file stays open."""
    try:
        yield
    finally:
        fcntl.flock(lock, fcntl.LOCK_UN)
