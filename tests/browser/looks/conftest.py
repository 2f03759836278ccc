"""A site after two weeks of listening, with its pictures, for tests that change nothing of it."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.test import override_settings

from simulator import Simulator
from tests.browser.conftest import two_weeks_pass
from tests.conftest import ROOT, Server, environment


@pytest.fixture(scope="package")
def site(
    django_db_setup: None,
    django_db_blocker: Any,
    simulated_spotify: Simulator,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    """The host's, with charts that change on most days; it leaves the database empty."""
    urls = override_settings(
        SPOTIFY_ACCOUNTS_URL=simulated_spotify.accounts_url, SPOTIFY_API_URL=simulated_spotify.api_url
    )
    with django_db_blocker.unblock(), urls:
        simulated_spotify.reset()
        two_weeks_pass(simulated_spotify)
        server = Server(tmp_path_factory.mktemp("site"), CARDS="on")
        # The pictures name the address.
        changes = environment(CARDS="on", PORT=str(server.port))
        subprocess.run([sys.executable, "manage.py", "draw_cards"], cwd=ROOT, env=changes, check=True)
        server.wait_until_up()
        yield server
        server.stop()
        call_command("flush", interactive=False, verbosity=0)
