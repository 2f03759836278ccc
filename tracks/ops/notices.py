"""Tells the operator, once each, what the service cannot put right by itself: by email to ADMINS and to NOTIFY_URL."""

import logging
from datetime import datetime, timedelta

import requests
from django.conf import settings
from django.core.mail import mail_admins
from django.db import transaction
from django.utils import timezone

from tracks.models import Listener, Notice

# Before the sign-in lapses, the most urgent first.
SIGN_IN_DAYS = {Notice.Kind.LAPSED: 0, Notice.Kind.SEVEN_DAYS: 7, Notice.Kind.THIRTY_DAYS: 30}
FAILING_AFTER = timedelta(hours=24)
POST_SECONDS = 10

logger = logging.getLogger(__name__)


def notify(*, before: Listener, worked: bool) -> None:
    """Sends what is due after a refresh; `before` is the listener as it was before it.

    Takes no query while all is well. A notice that could not be sent is tried again after the next refresh.
    """
    now = timezone.now()
    _notify_of_sign_in(before, now)
    last_good = before.refreshed_at or before.authorized_at
    if now - last_good >= FAILING_AFTER:
        day = f"{last_good:%Y-%m-%d %H:%M} UTC"
        if not worked:
            _send(before, Notice.Kind.FAILING, last_good, f"No refresh has worked since {day}.")
        elif Notice.objects.filter(listener=before, kind=Notice.Kind.FAILING, about=last_good).exists():
            _send(before, Notice.Kind.RECOVERED, last_good, f"Refreshes work again; the last good one was on {day}.")


def _notify_of_sign_in(listener: Listener, now: datetime) -> None:
    lapses_at = listener.sign_in_again_by
    due = [kind for kind, days in SIGN_IN_DAYS.items() if now >= lapses_at - timedelta(days=days)]
    if not due:
        return
    day = f"{lapses_at:%Y-%m-%d}"
    text = f"Spotify {'ended' if now >= lapses_at else 'ends'} the host's sign-in on {day}."
    if _send(listener, due[0], listener.authorized_at, text):
        # A less urgent one that was missed is not sent any more.
        Notice.objects.bulk_create(
            (Notice(listener=listener, kind=kind, about=listener.authorized_at) for kind in due[1:]),
            ignore_conflicts=True,
        )


def _send(listener: Listener, kind: str, about: datetime, text: str) -> bool:
    """Sends the notice unless it was sent before; the row, unique, decides between two processes."""
    with transaction.atomic():
        _, is_new = Notice.objects.get_or_create(listener=listener, kind=kind, about=about)
    if not is_new:
        return False
    link = f"{settings.SITE_URL}/login"
    try:
        if settings.EMAIL_HOST:
            mail_admins(f"{settings.SITE_NAME}: {text}", f"{text}\n\nSign in: {link}\n")
        if settings.NOTIFY_URL:
            facts = {"site": settings.SITE_NAME, "kind": str(kind), "text": text, "sign_in_url": link}
            requests.post(
                settings.NOTIFY_URL, json=facts, timeout=POST_SECONDS, allow_redirects=False
            ).raise_for_status()
    except (OSError, requests.RequestException) as error:
        logger.warning("A notice (%s) could not be sent: %s", kind, type(error).__name__)
        Notice.objects.filter(listener=listener, kind=kind, about=about).delete()
        return False
    logger.info("Notice sent: %s", kind)
    return True
