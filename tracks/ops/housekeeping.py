"""What would grow for ever goes by itself, after each refresh."""

from typing import Any

from django.dispatch import receiver

from tracks.etl.signals import refresh_finished
from tracks.signin.sessions import SessionStore


@receiver(refresh_finished)
def delete_lapsed_sessions(**kwargs: Any) -> None:
    SessionStore.clear_expired()
