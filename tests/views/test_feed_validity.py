"""/feed.atom is XML 1.0, whatever stands in the database."""

import xml.etree.ElementTree as ElementTree

import pytest
from django.db import connection

from tests.conftest import Browser
from tracks.models import Artist, Track

pytestmark = pytest.mark.django_db

ATOM = "{http://www.w3.org/2005/Atom}"
# C0 but for NUL (which PostgreSQL does not store), DEL, C1, and the code points that are no characters.
BAD = "".join(map(chr, [*range(1, 32), *range(127, 160), 0xFFFE, 0xFFFF]))


@pytest.mark.parametrize("model", [Track, Artist])
def test_the_feed_stays_well_formed(
    host: Browser, model: type[Track] | type[Artist], subtests: pytest.Subtests
) -> None:
    for character in (*"\x01\x08\x0b\x1b\x1f\x7f\x85\x9f\ufffe\uffff", BAD):
        with subtests.test(ascii(character)):
            model._default_manager.update(name=f"<Salt{character}Lamp> & ]]> 🎷")
            response = Browser().get("/feed.atom")
            assert response.status_code == 200
            entries = ElementTree.fromstring(response.content).findall(f"{ATOM}entry")
            assert len(entries) == 3
            assert all("Lamp" in (entry.findtext(f"{ATOM}summary") or "") for entry in entries)
            assert all("🎷" in (entry.findtext(f"{ATOM}summary") or "") for entry in entries)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL stores no NUL")
def test_a_nul_does_no_harm_either(host: Browser) -> None:
    Track.objects.update(name="Salt\0Lamp")
    ElementTree.fromstring(Browser().get("/feed.atom").content)
