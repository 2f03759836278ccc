"""/metrics, off unless METRICS_TOKEN is set, and asked with it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from django.core.exceptions import MiddlewareNotUsed
from django.db import OperationalError
from django.http import HttpResponse
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from simulator import Fault, Simulator
from tests.conftest import Browser, Server
from tests.helpers import wait_until
from tracks.etl.service import refresh
from tracks.models import Listener
from tracks.ops.metrics import RequestDurations

TOKEN = "a-token-for-prometheus"
ASK = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def scraper(settings: Any) -> Client:
    settings.METRICS_TOKEN = TOKEN
    return Client(HTTP_HOST="127.0.0.1:8000", headers=ASK)


def figures(text: str) -> dict[str, float]:
    """Every sample as `name{label="value"}`."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


@pytest.mark.django_db
class TestWhoMayAsk:
    @pytest.mark.parametrize("given", [None, "", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN])
    def test_only_who_has_the_token(self, scraper: Client, given: str | None) -> None:
        headers = {} if given is None else {"Authorization": given}
        response = Client(HTTP_HOST="127.0.0.1:8000", headers=headers).get("/metrics")
        assert response.status_code == 401 and b"top_twenty" not in response.content

    @pytest.mark.parametrize("given", [None, "Bearer ", "Bearer x"])
    def test_nobody_while_there_is_none(self, given: str | None) -> None:
        headers = {} if given is None else {"Authorization": given}
        response = Client(HTTP_HOST="127.0.0.1:8000", headers=headers).get("/metrics")
        assert response.status_code == 401 and b"top_twenty" not in response.content

    def test_nothing_is_measured_while_there_is_none(self) -> None:
        with pytest.raises(MiddlewareNotUsed):
            RequestDurations(lambda request: HttpResponse())


@pytest.mark.django_db
@pytest.mark.database
class TestRefreshes:
    def test_before_anyone_has_signed_in(self, scraper: Client) -> None:
        found = figures(scraper.get("/metrics").text)
        assert found["top_twenty_database_up"] == found["top_twenty_sign_in_needed"] == 1
        assert "top_twenty_table_age_seconds" not in found

    def test_are_counted_by_outcome(self, host: Browser, scraper: Client, simulator: Simulator) -> None:
        refresh(listener=Listener.objects.get(), trigger="cron", force=True)
        simulator.fault("/v1/me/top/tracks", Fault.html(500))
        refresh(listener=Listener.objects.get(), trigger="cron", force=True)
        found = figures(scraper.get("/metrics").text)
        counts = {name: value for name, value in found.items() if "last_24_hours" in name and value}
        assert counts == {
            f'top_twenty_refreshes_last_24_hours{{outcome="{outcome}"}}': 1
            for outcome in ("refreshed", "unchanged", "unavailable")
        }

    def test_the_table_has_an_age_and_the_sign_in_an_end(self, host: Browser, scraper: Client) -> None:
        found = figures(scraper.get("/metrics").text)
        assert 0 <= found["top_twenty_table_age_seconds"] < 30
        assert 180 < found["top_twenty_sign_in_seconds_left"] / 86_400 < 185
        assert found["top_twenty_sign_in_needed"] == 0

    def test_the_page_tells_that_the_database_is_away(self, scraper: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        def away() -> None:
            raise OperationalError("connection refused")

        monkeypatch.setattr("tracks.ops.metrics.refreshes", away)
        response = scraper.get("/metrics")
        assert response.status_code == 200 and figures(response.text)["top_twenty_database_up"] == 0


@pytest.mark.django_db(transaction=True)
class TestRequests:
    @pytest.fixture
    def server(self, host: Browser, tmp_path: Path) -> Iterator[Server]:
        server = Server(tmp_path, METRICS_TOKEN=TOKEN)
        server.wait_until_up()
        yield server
        server.process.kill()
        server.process.wait()

    def test_of_all_workers_are_measured_and_added_up(self, server: Server) -> None:
        for path in ["/"] * 30 + ["/tracks.json?time_range=long_term", "/history/1/", "/nothing", "/other"]:
            requests.get(server.site + path, timeout=10)
        found = figures(requests.get(f"{server.site}/metrics", headers=ASK, timeout=10).text)
        counts = {name[36:-1]: value for name, value in found.items() if name.startswith("http") and "_count" in name}
        assert counts['method="GET",route="/",status="200"'] == 30
        assert counts['method="GET",route="/tracks.json",status="200"'] == 1
        assert counts['method="GET",route="unknown",status="404"'] == 2
        assert any('route="/history/<int:pk>/"' in name for name in counts)

    def test_leave_no_files_behind(self, server: Server) -> None:
        pid = server.process.pid
        workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        mapped = "".join(Path(f"/proc/{worker}/maps").read_text() for worker in workers)
        (folder,) = {Path(path).parent for path in re.findall(r"/\S+\.db$", mapped, re.MULTILINE)}
        assert server.stop() == 0
        wait_until(lambda: not folder.exists())
