"""The queue's tasks: thin shells over `etl.service`. spotify_top/celery.py says how they are carried."""

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from tracks.etl import service
from tracks.models import Listener, RefreshRun

# Another machine's clock may be a little ahead.
CLOCK_SLACK = timedelta(seconds=10)


@shared_task
def dispatch() -> None:
    """Hands out the listeners who are due, at most a thousand; when there may be more, once again behind them."""
    handed_out = service.hand_out()
    # One that comes later than the next hand-out has come for nothing.
    for key in handed_out:
        refresh_listener.apply_async([key], expires=service.HANDED_OUT_FOR.total_seconds())
    if len(handed_out) == service.MOST_HANDED_OUT:
        dispatch.apply_async(expires=service.HANDED_OUT_FOR.total_seconds())


@shared_task
def refresh_listener(key: int) -> None:
    """Refreshes a listener, unless another has meanwhile, or the listener has left. Never tries again by itself."""
    listener = Listener.objects.due(timezone.now() + CLOCK_SLACK).filter(pk=key).first()
    if listener:
        service.refresh(listener=listener, trigger=RefreshRun.Trigger.QUEUE)


@shared_task
def keep_house() -> None:
    service.keep_house()
