"""DEBUG=on: the site's own page for an address that is not there, and Django's for what breaks."""

from typing import Any

import pytest

from tests.conftest import Browser

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/nothing-here", "/tracks/nothing/", "/?time_range=today"])
def test_a_mistyped_address_gets_the_sites_own_page(settings: Any, path: str) -> None:
    settings.DEBUG = True
    response = Browser().get(path)
    page = response.content.decode()
    assert response.status_code == 404
    assert "There is no such page" in page and "site.css" in page
    assert "DEBUG = True" not in page


def test_the_page_is_in_the_visitors_language(settings: Any) -> None:
    settings.DEBUG = True
    response = Browser().get("/nothing-here", HTTP_ACCEPT_LANGUAGE="es")
    assert '<html lang="es">' in response.content.decode()


def test_what_breaks_shows_the_developer_where(settings: Any) -> None:
    settings.DEBUG = True
    del settings.SITE_NAME
    browser = Browser(raise_request_exception=False)
    response = browser.get("/login")
    page = response.content.decode()
    assert response.status_code == 500
    assert "AttributeError" in page and "SITE_NAME" in page and "Traceback" in page
