"""`make bench` measures the service that stands here: what it needs no wrk for."""

import pytest
from django.db import connection

from bench.run import long_history, refreshes
from simulator import Simulator
from tests.conftest import Browser, environment

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="it is measured on PostgreSQL"),
]


def test_a_refresh_is_measured(host: Browser, simulator: Simulator) -> None:
    [(what, measured, _)] = refreshes(environment(), simulator, rounds=5)
    assert "own time" in what and measured.endswith(" ms")


def test_a_page_over_a_long_history_is_measured(host: Browser) -> None:
    [(what, measured, _)] = long_history(environment(), snapshots=60, renders=10)
    assert what.startswith("the page rendered over 60 snapshots")
    assert float(measured) > 0
