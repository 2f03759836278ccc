"""`make screenshots`: the pictures of the README, of the current build."""

from pathlib import Path
from typing import Any

from simulator import Simulator
from tests import factories
from tests.browser.conftest import Visitor
from tests.conftest import ROOT
from tracks.management.past import live_through
from tracks.models import Placement, Snapshot

FOLDER: Path = ROOT / "docs" / "screenshots"


def test_screenshots(visit: Visitor, simulator: Simulator) -> None:
    factories.host(simulator)
    live_through(days=30, shuffle=lambda time_range: simulator.shuffle("host", time_range))
    newest = Snapshot.objects.filter(time_range="short_term").latest("first_seen_at")
    placements = Placement.objects.filter(snapshot=newest)
    song = max(placements, key=lambda placement: placement.track.placements.count()).track
    wide: Any = {"viewport": {"width": 1100, "height": 1000}}
    phone: Any = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2}
    for name, path, options in (
        ("chart", "/", wide),
        ("song", f"/tracks/{song.pk}/", wide),
        ("chart-phone-dark", "/", phone | {"color_scheme": "dark"}),
    ):
        page = visit(**options).page
        page.goto(path)
        page.wait_for_load_state("networkidle")
        page.screenshot(path=FOLDER / f"{name}.png")
