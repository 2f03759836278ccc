"""What goes by itself after a refresh."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone

from tests.conftest import Browser
from tracks.etl.service import refresh
from tracks.models import Listener, UserSession

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _a_minute_has_passed() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def lapse(key: str) -> None:
    UserSession.objects.create(session_key=key, session_data="", expire_date=timezone.now() - timedelta(seconds=1))


def left() -> set[str]:
    return set(UserSession.objects.values_list("session_key", flat=True))


def test_a_refresh_deletes_lapsed_sessions_and_no_other(host: Browser, listener: Listener) -> None:
    lapse("lapsed")
    refresh(listener=listener, trigger="cron", force=True)
    assert left() == {host.session.session_key}


def test_a_worker_of_the_queue_does_so_once_a_minute(host: Browser, listener: Listener) -> None:
    refresh(listener=listener, trigger="queue", force=True)
    lapse("lapsed")
    refresh(listener=listener, trigger="queue", force=True)
    assert "lapsed" in left()
    cache.clear()
    refresh(listener=listener, trigger="queue", force=True)
    assert "lapsed" not in left()
