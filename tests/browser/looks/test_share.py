"""The Share part of the chart in a real browser: with its pictures, its fields and the phone's own sheet."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser as Chromium

from tests.browser.conftest import Visit, violations
from tests.conftest import Server
from tests.helpers import wait_until
from tracks.models import Card, Snapshot

pytestmark = pytest.mark.django_db

SHEET = """
window.shared = [];
navigator.canShare = ({ files }) => files.every((file) => file.type === "image/png");
navigator.share = async ({ url, files = [] }) => { window.shared.push({ url, files: files.map((f) => f.size) }); };
"""


@pytest.fixture
def for_stories() -> bytes:
    """The one for stories."""
    card = Card.objects.get(
        snapshot=Snapshot.objects.filter(time_range="short_term").latest("first_seen_at"),
        kind="card-tall.png",
        language="en",
    )
    return bytes(card.body)


def test_the_share_part_with_script_without_and_on_a_phone(
    chromium: Chromium, site: Server, for_stories: bytes
) -> None:
    for options in ({"viewport": {"width": 1280, "height": 1000}}, {"viewport": {"width": 360, "height": 800}},
                    {"viewport": {"width": 360, "height": 800}, "color_scheme": "dark"}):  # fmt: skip
        visit = Visit(chromium, site.site, **options)
        visit.page.goto("/")
        assert not [address for address in visit.requests if ".png?" in address], "nothing is fetched unasked"
        visit.page.get_by_text("Share this chart").click()
        pictures = visit.page.locator(".pictures img")
        for picture in pictures.all():
            picture.scroll_into_view_if_needed()
        visit.page.wait_for_load_state("networkidle")
        assert all(picture.evaluate("image => image.naturalWidth") > 800 for picture in pictures.all())
        assert visit.width_beyond_screen() == 0
        assert violations(visit.page) == ""
        assert visit.errors == []
        visit.context.close()
    visit = Visit(chromium, site.site, java_script_enabled=False)
    visit.page.goto("/")
    visit.page.get_by_text("Share this chart").click()
    assert not visit.page.locator(".share button:visible").count()
    with visit.page.expect_download() as download:
        visit.page.get_by_role("link", name="For stories").click()
    assert download.value.suggested_filename.endswith("-tall.png")
    assert Path(download.value.path()).read_bytes() == for_stories
    visit.context.close()


def test_the_phones_sheet_gets_the_picture_and_the_clipboard_the_address(
    chromium: Chromium, site: Server, for_stories: bytes
) -> None:
    visit = Visit(chromium, site.site, permissions=["clipboard-read", "clipboard-write"])
    visit.page.add_init_script(SHEET)
    visit.page.goto("/")
    visit.page.get_by_text("Share this chart").click()

    def shared() -> list[Any]:
        visit.page.get_by_role("button", name="Share…").click()
        return list(visit.page.evaluate("window.shared"))

    wait_until(lambda: {"url": f"{site.site}/", "files": [len(for_stories)]} in shared())
    visit.page.locator("button[data-copy=share-embed]").click()
    visit.page.get_by_role("button", name="Copied").wait_for()
    assert visit.page.evaluate("navigator.clipboard.readText()").startswith(f'<iframe src="{site.site}/embed/"')
    assert visit.errors == []
    visit.context.close()
