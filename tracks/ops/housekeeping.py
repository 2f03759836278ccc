"""What would grow for ever goes by itself, after refreshes."""

from typing import Any

from django.core.cache import cache
from django.dispatch import receiver

from tracks.etl.signals import refresh_finished
from tracks.models import UserSession

# Seconds between two deletions of a process: a worker of the queue refreshes many listeners a second.
EVERY = 60


@receiver(refresh_finished)
def delete_lapsed_sessions(**kwargs: Any) -> None:
    if cache.add("lapsed-sessions", True, EVERY):
        UserSession.get_session_store_class().clear_expired()
