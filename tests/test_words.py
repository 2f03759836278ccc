"""What the site says to the people who use it, in the words that they see on its pages."""

import re
from typing import Any

import polib
import pytest
from django.contrib.sessions.models import Session

from simulator import Simulator
from tests.conftest import ROOT, Browser, Manage
from tests.factories import an_hour_passes

pytestmark = pytest.mark.django_db

# What is a table on the page.
TABLES = {
    "Position over time; the table below has the same numbers.",
    "Positions as a table",
    "The same as a table",
    "Places as a table",
}


def sign_in_as(account: str, simulator: Simulator) -> str:
    """The page after the first sign-in of one of the simulated accounts."""
    simulator.current = account
    browser = Browser()
    browser.sign_in()
    return str(browser.get("/").content.decode())


# Refreshed


def test_a_refresh_says_how_long_each_list_is(simulator: Simulator) -> None:
    assert "Refreshed: lists of 7, 20 and 0 songs." in sign_in_as("new", simulator)


def test_lists_of_one_song_each(simulator: Simulator, settings: Any) -> None:
    settings.TOP_TRACKS_LIMIT = 1
    assert "Refreshed: three lists of 1 song." in sign_in_as("host", simulator)


def test_a_refresh_is_told_in_spanish_too(host: Browser, simulator: Simulator) -> None:
    an_hour_passes()
    simulator.shuffle("host", "short_term")
    host.press("/refresh", on="/")
    page = host.get("/", HTTP_ACCEPT_LANGUAGE="es").content.decode()
    assert "three lists" in page  # it was said when it was pressed, in the language of then
    simulator.set_top("host", "long_term", simulator.accounts["host"].rankings["long_term"][:7])
    an_hour_passes()
    host.post("/refresh", {"csrfmiddlewaretoken": host.cookies["csrftoken"].value}, HTTP_ACCEPT_LANGUAGE="es")
    page = host.get("/", HTTP_ACCEPT_LANGUAGE="es").content.decode()
    assert "listas de 20, 20 y 7 canciones" in page


# Signing out


def test_signing_out_says_so_once_and_keeps_no_session(host: Browser) -> None:
    response = host.press("/logout", on="/")
    assert (response.status_code, response["Location"]) == (302, "/")
    assert "You are signed out." in host.get("/").content.decode()
    assert "You are signed out." not in host.get("/").content.decode()
    assert not Session.objects.exists()


def test_signing_out_is_a_post_of_the_sites_own(host: Browser) -> None:
    assert host.get("/logout").status_code == 405
    assert host.post("/logout").status_code == 403
    assert "Sign out" in host.get("/").content.decode()


# The admin's door


@pytest.mark.parametrize(("language", "words"), [("en", "The host signs in"), ("es", "La persona anfitriona entra")])
def test_the_admins_form_points_the_host_to_the_sign_in(visitor: Browser, language: str, words: str) -> None:
    page = visitor.get("/admin/", follow=True, HTTP_ACCEPT_LANGUAGE=language).content.decode()
    assert words in page and '<a href="/login">' in page
    assert 'name="password"' in page


# A slip in .env


def test_the_setup_page_names_the_likely_slip(visitor: Browser, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SPOTIPY_CLIENT_ID = settings.SPOTIPY_CLIENT_SECRET = ""
    assert "Set, but not read" not in visitor.get("/").content.decode()
    monkeypatch.setenv("SPOTIFY_CLIENT_ID", "hunter2")
    page = visitor.get("/").content.decode()
    assert "Set, but not read: SPOTIFY_CLIENT_ID." in page and "hunter2" not in page


# One word for one thing


def test_people_read_of_charts_and_never_of_tables(manage: Manage) -> None:
    texts = {entry.msgid for entry in polib.pofile(str(ROOT / "locale/es/LC_MESSAGES/django.po"))} - TABLES
    texts.add(manage("refresh_top_tracks", "--help").stdout)
    assert [text for text in texts if re.search(r"\btables?\b", text, re.IGNORECASE)] == []
