"""Who must not call before when: Spotify's pauses, one of its accounts service and one of its Web API."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import requests
from django.conf import settings
from django.utils import timezone

from tracks.models import SpotifyPause
from tracks.spotify.errors import RateLimited

# A 429 without a readable Retry-After: Spotify's window is 30 s, its quota a day.
DEFAULT_PAUSE = timedelta(seconds=60)
DEFAULT_QUOTA_PAUSE = timedelta(hours=1)
LONGEST_PAUSE = timedelta(days=30)

Service = SpotifyPause.Service


def service_of(url: str) -> Service:
    """Which of Spotify's services is at this address."""
    return Service.ACCOUNTS if url.startswith(f"{settings.SPOTIFY_ACCOUNTS_URL}/api/token") else Service.API


def raise_if_paused(*services: Service) -> None:
    """Raises RateLimited while a pause of one of these services lasts."""
    pauses = SpotifyPause.objects.filter(service__in=services, until__gt=timezone.now())
    pause = pauses.order_by("-until").first()
    if pause:
        raise RateLimited(pause.until)


def remember_pause(service: Service, until: datetime) -> None:
    """Stores, for every process, not to call before `until`; an earlier moment never shortens a pause."""
    _, created = SpotifyPause.objects.get_or_create(service=service, defaults={"until": until})
    if not created:
        SpotifyPause.objects.filter(service=service, until__lt=until).update(until=until)


def asked_for(response: requests.Response, *, quota: bool) -> timedelta:
    """How long a 429 asks to wait: Retry-After in seconds or as a date (RFC 9110), else a default."""
    value = response.headers.get("Retry-After", "").strip()
    pause = timedelta(0)
    if value.isascii() and value.isdigit():
        pause = timedelta(seconds=min(int(value[:9]), LONGEST_PAUSE.total_seconds()))
    elif value:
        try:
            moment = parsedate_to_datetime(value)
            pause = moment.replace(tzinfo=moment.tzinfo or UTC) - timezone.now()
        except (ValueError, OverflowError):
            pass
    if pause <= timedelta(0):
        pause = DEFAULT_QUOTA_PAUSE if quota else DEFAULT_PAUSE
    return min(pause, LONGEST_PAUSE)
