"""Here the sign-in is the subject: the host comes in through it."""

import pytest

from simulator import Simulator
from tests.conftest import Browser


@pytest.fixture
def host(db: None, simulator: Simulator) -> Browser:
    """A browser in which the host has signed in with Spotify, which made the first refresh."""
    browser = Browser()
    response = browser.sign_in()
    assert response.status_code == 302, response.content
    simulator.calls.clear()
    return browser
