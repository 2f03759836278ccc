"""How far this machine's clock is from Spotify's."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import requests
from django.conf import settings

from tracks.spotify.errors import Unavailable

SECONDS = 5


def clock_ahead() -> timedelta:
    """By how much the clock here is ahead of the Date that Spotify answers with (whole seconds).

    Raises Unavailable if there is no answer, or none with a date.
    """
    try:
        answer = requests.head(settings.SPOTIFY_ACCOUNTS_URL, timeout=SECONDS)
        theirs = parsedate_to_datetime(answer.headers["Date"])
    except (requests.RequestException, KeyError, ValueError):
        raise Unavailable from None
    return datetime.now(UTC).replace(microsecond=0) - theirs.replace(tzinfo=theirs.tzinfo or UTC)
