"""What goes by itself after a refresh."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.conftest import Browser
from tracks.etl.service import refresh
from tracks.models import Listener, UserSession


@pytest.mark.django_db
def test_a_refresh_deletes_lapsed_sessions_and_no_other(host: Browser, listener: Listener) -> None:
    lapsed = timezone.now() - timedelta(seconds=1)
    UserSession.objects.create(session_key="lapsed", session_data="", expire_date=lapsed)
    refresh(listener=listener, trigger="cron", force=True)
    assert [session.session_key for session in UserSession.objects.all()] == [host.session.session_key]
