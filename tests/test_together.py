"""What stands in two places and has to say the same in both."""

import json
import re

import pytest

from tests.conftest import ROOT, Browser
from tracks.etl.lease import LEASE
from tracks.etl.service import EXTRACT_SECONDS


@pytest.mark.django_db
def test_the_documented_song_has_the_keys_of_a_real_one(host: Browser, visitor: Browser) -> None:
    section = (ROOT / "docs/API.md").read_text().partition("## `/tracks.json`")[2]
    example = json.loads(section.partition("```json")[2].partition("```")[0])
    answer = visitor.get("/tracks.json").json()
    assert (list(example), list(example["tracks"][0])) == (list(answer), list(answer["tracks"][0]))


def test_the_slowest_refresh_ends_well_within_its_lease() -> None:
    assert LEASE.total_seconds() >= 3 * EXTRACT_SECONDS


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/ARCHITECTURE.md", "docs/PERFORMANCE.md"])
def test_every_file_that_a_document_names_is_there(name: str) -> None:
    roots = "bench|deploy|docs|locale|simulator|spotify_top|templates|tests|tracks"
    named = set(re.findall(rf"`((?:{roots})/[\w./-]+)`", (ROOT / name).read_text()))
    assert named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
