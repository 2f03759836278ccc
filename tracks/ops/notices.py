"""Tells the operator, once on each channel, what the service cannot put right by itself: by email and to NOTIFY_URL."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

import requests
from django.conf import settings
from django.core.mail import mail_admins
from django.db.models import Exists, OuterRef, Q
from django.dispatch import receiver
from django.utils import timezone

from tracks.etl.results import RefreshResult
from tracks.etl.signals import refresh_finished
from tracks.models import Listener, Notice, RefreshRun

# Before the sign-in lapses, the most urgent first.
SIGN_IN_DAYS = {Notice.Kind.LAPSED: 0, Notice.Kind.SEVEN_DAYS: 7, Notice.Kind.THIRTY_DAYS: 30}
FAILING_AFTER = timedelta(hours=24)
A_DAY = timedelta(days=1)
# Who began to send and was stopped has been stopped for good by then.
TRY_AGAIN_AFTER = timedelta(minutes=5)
POST_SECONDS = 10

logger = logging.getLogger(__name__)


@receiver(refresh_finished)
def notify(*, listener: Listener, result: RefreshResult, **kwargs: object) -> None:
    """Sends what is due after a refresh of the host; `listener` is as it was before the refresh.

    What could not be sent is tried again after the next refresh.
    """
    if not listener.is_host or not any(_is_in_use(channel) for channel in CHANNELS):
        return
    now = timezone.now()
    _notify_of_sign_in(listener, now)
    _notify_of_listeners(listener, now)
    if result.worked:
        _notify_of_recovery(listener)
        return
    last_good = listener.refreshed_at or listener.authorized_at
    if not result.ok and now - last_good >= FAILING_AFTER:
        for channel in CHANNELS:
            _send(listener, Notice.Kind.FAILING, last_good, f"No refresh has worked since {_day(last_good)}.", channel)


def _notify_of_recovery(listener: Listener) -> None:
    """Takes back, on each channel, what was told there of failures. One query while there is nothing to take back."""
    told = Notice.objects.filter(listener=listener).exclude(sent_at=None)
    taken_back = told.filter(kind=Notice.Kind.RECOVERED, about=OuterRef("about"), channel=OuterRef("channel"))
    for failing in told.filter(~Exists(taken_back), kind=Notice.Kind.FAILING):
        text = f"Refreshes work again; the last good one was on {_day(failing.about)}."
        _send(listener, Notice.Kind.RECOVERED, failing.about, text, failing.channel)


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _notify_of_sign_in(listener: Listener, now: datetime) -> None:
    lapses_at = listener.sign_in_again_by
    due = [kind for kind, days in SIGN_IN_DAYS.items() if now >= lapses_at - timedelta(days=days)]
    if not due:
        return
    text = f"Spotify {'ended' if now >= lapses_at else 'ends'} the host's sign-in on {lapses_at:%Y-%m-%d}."
    for channel in CHANNELS:
        if _send(listener, due[0], listener.authorized_at, text, channel):
            # A less urgent one that was missed is not sent any more.
            about = {"listener": listener, "about": listener.authorized_at, "channel": channel}
            Notice.objects.filter(**about, kind__in=due[1:], sent_at=None).update(sent_at=now)
            Notice.objects.bulk_create(
                (Notice(**about, kind=kind, sent_at=now) for kind in due[1:]), ignore_conflicts=True
            )


def _notify_of_listeners(host: Listener, now: datetime) -> None:
    """Counts the others who must sign in again: when it is one more, once a day at most. Not who they are."""
    lapsed = Listener.objects.filter(is_host=False, state=Listener.State.NEEDS_SIGN_IN)
    count = lapsed.count()
    if not count:
        return
    told = Notice.objects.filter(listener=host, kind=Notice.Kind.LISTENERS)
    last = told.exclude(sent_at=None).order_by("-sent_at").first()
    since_then = Q(runs__outcome=RefreshRun.Outcome.SIGN_IN_NEEDED, runs__started_at__gt=last and last.about)
    if last and (now - last.about < A_DAY or not lapsed.filter(since_then).exists()):
        return
    text = "1 listener must sign in again." if count == 1 else f"{count} listeners must sign in again."
    for channel in CHANNELS:
        _send(host, Notice.Kind.LISTENERS, now, text, channel)


def _send(listener: Listener, kind: str, about: datetime, text: str, channel: str) -> bool:
    """Sends the notice on this channel, if it is in use and did not get it yet; whether it went out now.

    The row, unique, decides between two processes. It is marked when the notice is out: one that failed or was stopped
    before is tried again, and keeps no other channel from being tried.
    """
    deliver = CHANNELS[channel]
    if not _is_in_use(channel):
        return False
    now = timezone.now()
    notice, _ = Notice.objects.get_or_create(listener=listener, kind=kind, about=about, channel=channel)
    row = Notice.objects.filter(pk=notice.pk)
    is_idle = Q(tried_at=None) | Q(tried_at__lt=now - TRY_AGAIN_AFTER)
    if notice.sent_at or not row.filter(is_idle, sent_at=None).update(tried_at=now):
        return False
    try:
        deliver(kind, text)
    except Exception as error:
        # Its text may quote the address with its key.
        logger.warning("A notice (%s, %s) could not be sent: %s", kind, channel, type(error).__name__)
        row.update(tried_at=None)
        return False
    except BaseException:  # told to stop
        row.update(tried_at=None)
        raise
    row.update(sent_at=timezone.now())
    logger.info("Notice sent: %s, %s", kind, channel)
    return True


def _is_in_use(channel: str) -> bool:
    return bool(settings.EMAIL_HOST and settings.ADMINS if channel == Notice.Channel.EMAIL else settings.NOTIFY_URL)


def _email(kind: str, text: str) -> None:
    mail_admins(f"{settings.SITE_NAME}: {text}", f"{text}\n\nSign in: {_sign_in_url()}\n")


def _post(kind: str, text: str) -> None:
    facts = {"site": settings.SITE_NAME, "kind": str(kind), "text": text, "sign_in_url": _sign_in_url()}
    # Nobody reads the body of the answer, however long it is.
    with requests.post(
        settings.NOTIFY_URL, json=facts, timeout=POST_SECONDS, allow_redirects=False, stream=True
    ) as answer:
        answer.raise_for_status()


def _sign_in_url() -> str:
    return f"{settings.SITE_URL}/login"


CHANNELS: dict[str, Callable[[str, str], None]] = {Notice.Channel.EMAIL: _email, Notice.Channel.WEBHOOK: _post}
