"""Whether the queue lives: its broker, its workers, and its beat, which leaves a trace in the database."""

from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.utils import timezone

from tracks.models import Dispatch

SECONDS = 3
# Beat dispatches once a minute, and is allowed to miss one.
QUIET_AFTER = timedelta(minutes=3)


def look() -> Iterator[tuple[bool, str, str]]:
    """What there is to say of the queue, if there is one: whether it is fine, what, and the cure."""
    if not settings.CELERY_BROKER_URL:
        return
    try:
        from spotify_top.celery import app
    except ImportError:
        yield False, "Queue: Celery is not installed.", "Run: pip install -r requirements-queue.txt"
        return
    try:
        with app.connection_for_read() as connection:
            connection.ensure_connection(max_retries=1, timeout=SECONDS)
            yield True, "Queue: the broker answers", ""
            # SQS carries no questions to workers (docs.celeryq.dev, "Using Amazon SQS").
            if connection.transport.driver_type != "sqs":
                yield workers(len(app.control.ping(timeout=SECONDS, connection=connection)))
    except Exception:  # each broker's library has errors of its own
        yield False, "Queue: the broker does not answer.", "Look at CELERY_BROKER_URL, and whether the broker runs."
    yield last_dispatch()


def workers(number: int) -> tuple[bool, str, str]:
    if not number:
        return False, "Queue: no worker answers.", "Start one: celery -A spotify_top worker"
    return True, f"Queue: {number} worker{'s answer' if number > 1 else ' answers'}", ""


def last_dispatch() -> tuple[bool, str, str]:
    dispatch = Dispatch.objects.first()
    cure = "Run one worker at least, and exactly one: celery -A spotify_top beat"
    if dispatch is None:
        return False, "Queue: nothing was ever handed out.", cure
    is_fine = timezone.now() - dispatch.at < QUIET_AFTER
    return is_fine, f"Queue: last handed out {naturaltime(dispatch.at)}", "" if is_fine else cure
