"""A bound on what visitors can spend of Spotify's quota: each sign-in that comes back with a code costs a call."""

from datetime import timedelta

from django.db.models import F, Q
from django.utils import timezone

from tracks.models import CodeExchanges
from tracks.spotify.errors import TooManySignIns

A_MINUTE = 30
MINUTE = timedelta(seconds=60)


def count_exchange() -> None:
    """Counts the exchange of one code, over all processes. Raises TooManySignIns beyond A_MINUTE in a minute."""
    now = timezone.now()
    CodeExchanges.objects.get_or_create(pk=1, defaults={"since": now, "count": 0})
    # One that began in the future was begun by a clock that was wrong.
    over = Q(since__lte=now - MINUTE) | Q(since__gt=now + MINUTE)
    if CodeExchanges.objects.filter(over).update(since=now, count=1):
        return
    if not CodeExchanges.objects.filter(count__lt=A_MINUTE).update(count=F("count") + 1):
        raise TooManySignIns
