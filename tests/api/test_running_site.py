"""The document against the running site: as a tester that invents requests, and as a client made of it."""

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from django.core.management import call_command
from django.test import override_settings
from openapi_spec_validator import validate

from simulator import Simulator
from tests import factories
from tests.conftest import ROOT, Server
from tracks.management.past import live_through

# Its tests only look; the site makes its rows by itself.
pytestmark = pytest.mark.django_db

BIN = Path(sys.executable).parent
TOKEN = "a-token-for-machines"
# `make fuzz` asks for more; the seed makes the tests' own run the same each time.
EXAMPLES = os.environ.get("FUZZ_EXAMPLES", "3")
SEED = os.environ.get("FUZZ_SEED", "11")


@pytest.fixture(scope="module")
def site(
    django_db_setup: None,
    django_db_blocker: Any,
    simulated_spotify: Simulator,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    """A site after two weeks, with the host, a public and a private listener; it leaves the database empty."""
    spotify = simulated_spotify
    urls = override_settings(SPOTIFY_ACCOUNTS_URL=spotify.accounts_url, SPOTIFY_API_URL=spotify.api_url)
    with django_db_blocker.unblock(), urls:
        spotify.reset()
        factories.host(spotify)
        factories.guest(spotify, "stranger", name="Ana", handle="ana", visibility="public")
        factories.guest(spotify, "new", name="Nell", handle="nell")
        live_through(days=14, shuffle=lambda time_range: spotify.shuffle("host", time_range))
        server = Server(tmp_path_factory.mktemp("api"), LISTENERS="invited", REFRESH_TOKEN=TOKEN, METRICS_TOKEN=TOKEN)
        server.wait_until_up()
        yield server
        server.stop()
        call_command("flush", interactive=False, verbosity=0)


def test_the_document_is_valid(site: Server) -> None:
    answer = requests.get(f"{site.site}/openapi.json", timeout=10)
    validate(answer.json())
    assert answer.json()["servers"] == [{"url": site.site}]


def test_schemathesis_finds_nothing(site: Server, tmp_path: Path) -> None:
    """With all its checks, in each of its phases; schemathesis.toml names the exceptions."""
    result = subprocess.run(
        [
            BIN / "st", f"--config-file={ROOT / 'tests/api/schemathesis.toml'}",
            "run", f"{site.site}/openapi.json", f"--header=Authorization: Bearer {TOKEN}",
            f"--max-examples={EXAMPLES}", f"--seed={SEED}", "--max-response-time=5", "--continue-on-failure",
            "--no-color",
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=3600,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_client_made_of_the_document_reads_charts(
    site: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate = [
        str(BIN / "openapi-python-client"), "generate", f"--url={site.site}/openapi.json",
        f"--output-path={tmp_path / 'top_twenty_client'}", "--meta=none", "--fail-on-warning",
    ]  # fmt: skip
    # It has ruff look at what it wrote.
    subprocess.run(generate, env={"PATH": f"{BIN}:{os.environ['PATH']}"}, check=True, capture_output=True, timeout=60)
    monkeypatch.syspath_prepend(tmp_path)
    package = importlib.import_module("top_twenty_client")
    functions = importlib.import_module("top_twenty_client.api.chart")
    chart, history, track = (
        importlib.import_module(f"{functions.__name__}.{name}") for name in ("chart", "history", "track")
    )
    long_term = importlib.import_module("top_twenty_client.models").TimeRange.LONG_TERM
    with package.Client(base_url=site.site, raise_on_unexpected_status=True) as client:
        read = chart.sync(client=client, time_range=long_term)
        shown = requests.get(f"{site.site}/tracks.json?time_range=long_term", timeout=10).json()
        assert read.to_dict()["tracks"] == shown["tracks"] and len(shown["tracks"]) == 20
        assert (read.time_range, read.updated_at) == (long_term, datetime.fromisoformat(shown["updated_at"]))
        snapshots = history.sync(client=client).snapshots
        assert len(snapshots) > 1 and snapshots[0].confirmed_at >= snapshots[1].confirmed_at
        assert track.sync(client=client, id=read.tracks[0].id).history[-1].runs[-1].peak == 1
        theirs = importlib.import_module("top_twenty_client.api.listener.listener_chart")
        assert theirs.sync(client=client, handle="ana").tracks
        assert theirs.sync(client=client, handle="nell").error == "There is nobody of this name here."


def test_an_address_that_is_too_long_is_a_414_everywhere(site: Server) -> None:
    paths = requests.get(f"{site.site}/openapi.json", timeout=10).json()["paths"]
    statuses = set()
    for path, operations in paths.items():
        for method, operation in operations.items():
            assert "414" in operation["responses"], path
            address = f"{site.site}{path}?{'x' * 5000}"
            statuses.add(requests.request(method, address, timeout=10).status_code)
    assert statuses == {414}
