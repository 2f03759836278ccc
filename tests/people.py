"""Listeners beside the host: through an invitation and the sign-in, or made as rows."""

import re
from html import unescape
from typing import Any

from simulator import Simulator
from tests import factories
from tests.conftest import Browser
from tracks.models import Listener

LINK = re.compile(r'id="new-invitation"[^>]* value="http://127\.0\.0\.1:8000([^"]+)"')


def invite(host: Browser) -> str:
    """The path of a new invitation, as it stands once on the host's page."""
    response = host.press("/me/invitations/", on="/me/")
    assert response.status_code == 200, response
    found = LINK.search(response.content.decode())
    assert found
    return unescape(found[1])


def secret_of(path: str) -> str:
    return path.split("/")[2]


def accept(path: str, browser: Browser | None = None) -> Any:
    """Opens the invitation, presses its button and agrees at Spotify; the answer to that."""
    browser = browser or Browser()
    response = browser.press("/accounts/spotify/login/", on=path, invitation=secret_of(path))
    assert response.status_code == 302, response.content
    return browser.come_back(response["Location"])


def come_in(host: Browser, simulator: Simulator, account: str, **profile: str) -> Browser:
    """The browser of a person whom the host invited, and who told about themselves what `profile` says."""
    simulator.current = account
    browser = Browser()
    response = accept(invite(host), browser)
    assert (response.status_code, response["Location"]) == (302, "/me/"), response.content
    if profile:
        say(browser, **profile)
    simulator.current = "host"
    return browser


def made(simulator: Simulator, account: str, **profile: str) -> Browser:
    """The browser of such a person, without the way in. tests/signin proves that both leave the same."""
    browser = Browser()
    browser.enter(factories.guest(simulator, account, **profile))
    return browser


def say(browser: Browser, **profile: str) -> Any:
    """Sends the form on /me/ with these fields changed; it must be accepted."""
    response = fill(browser, **profile)
    assert (response.status_code, response["Location"]) == (302, "/me/"), response.content.decode()
    return response


def fill(browser: Browser, **profile: str) -> Any:
    """Sends the form on /me/ with these fields changed."""
    listener = who(browser)
    fields = {"name": listener.name, "handle": listener.handle, "visibility": listener.visibility}
    return browser.press("/me/", on="/me/", **(fields | profile))


def who(browser: Browser) -> Listener:
    return Listener.objects.get(account__user=browser.session["_auth_user_id"])


def add_account(simulator: Simulator, name: str) -> None:
    """Another account at the simulated Spotify, with the songs of the stranger."""
    from dataclasses import replace

    stranger = simulator.accounts["stranger"]
    simulator.accounts[name] = replace(stranger, account_id=f"{name:x<22}", id=f"simulated-{name}", display_name=name)
