import pytest

from tests.conftest import Browser
from tracks.models import Listener, RefreshRun

pytestmark = pytest.mark.django_db


def test_first_sign_in_claims_the_site_and_fills_the_tables(host: Browser) -> None:
    answer = host.get("/tracks.json").json()
    assert len(answer["tracks"]) == 20
    assert Listener.objects.get().is_host
    assert RefreshRun.objects.get().outcome == RefreshRun.Outcome.REFRESHED
