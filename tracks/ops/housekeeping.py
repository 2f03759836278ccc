"""What would grow for ever goes by itself, after each refresh."""

from typing import Any

from django.dispatch import receiver

from tracks.etl.signals import refresh_finished
from tracks.models import UserSession


@receiver(refresh_finished)
def delete_lapsed_sessions(**kwargs: Any) -> None:
    UserSession.get_session_store_class().clear_expired()
