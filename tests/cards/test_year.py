"""The pictures of a year's lines say what the page says."""

import re
from dataclasses import replace
from datetime import date
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import translation

from tests.conftest import Browser
from tests.views.past import a_year, live, today
from tracks import year as years
from tracks.cards import data
from tracks.cards.draw import draw
from tracks.models import Listener, TimeRange, Track
from tracks.year import Counted, FirstOfMonth, Year

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("drawn")]


@pytest.fixture
def year(host: Browser, monkeypatch: pytest.MonkeyPatch) -> Year:
    """A year that has every line."""
    live(Listener.objects.get(), a_year())
    found = years.look_back(Listener.objects.get(), TimeRange.SHORT_TERM, today().year)
    assert found and found.at_number_one and found.in_the_chart
    track, other = found.at_number_one.track, found.in_the_chart.track
    Track.objects.filter(pk=other.pk).update(release_date="1974", release_date_precision="year")
    other.refresh_from_db()
    whole = replace(
        found,
        climb=Counted(track=track, n=17),
        comebacks=Counted(track=other, n=3),
        oldest=other,
        wonders=[track, other],
        wonder_count=2,
        firsts=[FirstOfMonth(month=date(found.year, month, 1), track=track) for month in (3, 10)],
    )
    monkeypatch.setattr(years, "look_back", lambda listener, time_range, year: whole if year == whole.year else None)
    return whole


def test_each_line_of_the_page_leads_to_its_picture(year: Year, visitor: Browser) -> None:
    page = unescape(visitor.get(f"/year/{year.year}/", HTTP_ACCEPT_LANGUAGE="es").content.decode())
    told = re.findall(r"<li>(?:(?!</li>).)*</li>", page[page.index('class="told"') : page.index('class="pager"')], re.S)
    links = [re.findall(r'class="picture" href="([^"]*)"', line) for line in told]
    assert all(len(found) == 1 for found in links), "one for each line"
    addresses = [found[0] for found in links]
    assert [urlsplit(address).path for address in addresses] == [
        f"/year/{year.year}/{line}.png" for line in data.lines(year)
    ]
    assert len(addresses) == 9 and all(parse_qs(urlsplit(address).query) == {"lang": ["es"]} for address in addresses)
    for address, line in zip(addresses, told, strict=True):
        assert visitor.get(address).status_code == 302, "there is such a picture, and nobody draws it here"
        name = urlsplit(address).path.rpartition("/")[2].removesuffix(".png")
        said = data.of_year(Listener.objects.get(), year, name)
        assert said
        assert name.startswith("first-") or f"<b>{said['number']}</b>" in line
        assert said["title"] is None or said["title"]["text"] in line
        assert str(year.year) in said["facts"]["text"] and "by the charts kept here" in said["facts"]["text"]


def test_what_a_picture_is_kept_as_changes_with_the_figures_alone(year: Year) -> None:
    listener = Listener.objects.get()
    said = data.of_year(listener, year, "most-days")
    assert said and year.in_the_chart and said["sentence"] == f"in the chart longest: {year.in_the_chart.n} days"
    assert data.digest_of(said) == data.digest_of(data.of_year(listener, year, "most-days") or {})
    another = said | {"number": str(year.in_the_chart.n + 1)}
    assert data.digest_of(said) != data.digest_of(another)
    with translation.override("es"):
        assert data.digest_of(data.of_year(listener, year, "most-days") or {}) != data.digest_of(said)


def test_every_line_can_be_drawn(year: Year) -> None:
    pictures = set()
    for line in data.lines(year):
        said = data.of_year(Listener.objects.get(), year, line)
        assert said
        pictures.add(draw("year", said, file_format="png"))
    assert len(pictures) == len(data.lines(year))


def test_another_line_has_none(year: Year, visitor: Browser) -> None:
    for line in ("", "first-13", "first-", "number_one", "most-days-", "x" * 100):
        assert data.of_year(Listener.objects.get(), year, line) is None, line
        assert visitor.get(f"/year/{year.year}/{line}.png").status_code == 404, line
