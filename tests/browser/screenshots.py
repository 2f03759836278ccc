"""`make screenshots`: the pictures of the README, of the current build."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser as Chromium

from simulator import Simulator
from tests import factories
from tests.browser.conftest import Visit, Visitor
from tests.conftest import ROOT, Browser, Server
from tests.people import made, say
from tracks.cards import store
from tracks.management.past import live_through, remember
from tracks.models import Placement, Snapshot

FOLDER: Path = ROOT / "docs" / "screenshots"


def test_screenshots(visit: Visitor, simulator: Simulator, settings: Any) -> None:
    factories.host(simulator)
    remember(days=364, days_of_others=0)
    live_through(days=2, shuffle=lambda time_range: simulator.shuffle("host", time_range))
    newest = Snapshot.objects.filter(time_range="short_term").latest("first_seen_at")
    placements = Placement.objects.filter(snapshot=newest)
    song = max(placements, key=lambda placement: placement.track.placements.count()).track
    settings.SITE_URL = "https://top.example.com"
    store.draw_chart(newest.pk)
    for kind in ("card.png", "receipt.png"):
        (FOLDER / kind).write_bytes(newest.cards.get(kind=kind, language="en").body)
    wide: Any = {"viewport": {"width": 1100, "height": 1000}}
    phone: Any = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2}
    for name, path, options in (
        ("chart", "/", wide),
        ("song", f"/tracks/{song.pk}/", wide),
        ("chart-phone-dark", "/", phone | {"color_scheme": "dark"}),
        ("history", "/history/", {"viewport": {"width": 1240, "height": 1150}}),
        ("compare", "/history/compare", {"viewport": {"width": 1000, "height": 900}}),
        ("year", f"/year/{newest.confirmed_at.year}/", {"viewport": {"width": 1000, "height": 900}}),
    ):
        page = visit(**options).page
        page.goto(path)
        page.wait_for_load_state("networkidle")
        page.screenshot(path=FOLDER / f"{name}.png")


@pytest.mark.django_db(transaction=True)
def test_screenshots_of_listeners(
    chromium: Chromium, host: Browser, simulator: Simulator, settings: Any, tmp_path: Path
) -> None:
    settings.LISTENERS = "invited"
    say(host, name="Hanne", handle="hanne")
    ana = made(simulator, "stranger", name="Ana", handle="ana", visibility="public")

    def listen(time_range: str) -> None:
        for name in ("host", "stranger"):
            simulator.shuffle(name, time_range)

    live_through(days=14, shuffle=listen)
    server = Server(tmp_path, LISTENERS="invited")
    server.wait_until_up()
    try:
        for name, path, height in (
            ("listeners", "/listeners/", 760),
            ("meeting", "/@hanne/with/ana/", 900),
            ("me", "/me/", 1150),
        ):
            visit = Visit(chromium, server.site, viewport={"width": 1000, "height": height})
            if name == "me":
                session = ana.cookies["sessionid"].value
                visit.context.add_cookies([{"name": "sessionid", "value": session, "url": server.site}])
            visit.page.goto(path)
            visit.page.wait_for_load_state("networkidle")
            visit.page.screenshot(path=FOLDER / f"{name}.png")
            visit.context.close()
    finally:
        server.process.kill()
        server.process.wait()
