"""What a refresh reports: in words for people, in JSON for programs."""

from typing import Any

import pytest
from django.utils import timezone

from tracks.etl.load import Change
from tracks.etl.results import RangeResult, RefreshResult, summarize
from tracks.etl.transform import transform
from tracks.models import RefreshRun
from tracks.spotify.errors import BadCredentials, RateLimited, SignInNeeded, SpotifyError, Unavailable

FIRST = Change(new=2, moved=0, left=0, first=True)
SAME = Change(new=0, moved=0, left=0, first=False)


def part(loaded: int, rejected: int = 0, change: Change | None = None, name: str = "short_term") -> RangeResult:
    """The result of a time range with so many songs and rejects."""
    items: list[Any] = [
        {"id": f"{n}", "name": "Song", "duration_ms": 1, "artists": [{"name": "Someone"}]} for n in range(loaded)
    ]
    items += [None] * rejected
    return RangeResult(time_range=name, page={"items": items}, table=transform(items), change=change)


def change(new: int = 0, moved: int = 0, left: int = 0) -> Change:
    return Change(new=new, moved=moved, left=left, first=False)


@pytest.mark.parametrize(
    ("result", "line"),
    [
        (part(2, 1), "short_term: 3 extracted, 2 loaded, 1 rejected; nothing written"),
        (part(2, 1, FIRST), "short_term: 3 extracted, 2 loaded, 1 rejected; the first chart"),
        (part(2, 1, SAME), "short_term: 3 extracted, 2 loaded, 1 rejected; unchanged"),
        (part(9, 0, change(1, 2, 3)), "short_term: 9 extracted, 9 loaded, 0 rejected; 1 new, 2 moved, 3 left"),
    ],
)
def test_the_line_of_a_time_range(result: RangeResult, line: str) -> None:
    assert result.line == line


@pytest.mark.parametrize(
    ("ranges", "sentence"),
    [
        ([part(0)], "Spotify has no top songs for this account yet; the list fills as you listen."),
        ([part(0, 0, SAME)] * 3, "Spotify has no top songs for this account yet; the list fills as you listen."),
        ([part(1, 0, FIRST)], "Refreshed: 1 song."),
        ([part(20, 0, FIRST)], "Refreshed: 20 songs."),
        ([part(20, 0, FIRST)] * 3, "Refreshed: three lists of 20 songs."),
        ([part(1, 0, FIRST)] * 2, "Refreshed: two lists of 1 song."),
        ([part(20, 0, FIRST), part(20, 0, FIRST), part(7, 0, FIRST)], "Refreshed: lists of 20, 20 and 7 songs."),
        ([part(20, 1, FIRST)], "Refreshed: 20 songs (1 left out, as Spotify described it incompletely)."),
        ([part(9, 1, FIRST)] * 2,
         "Refreshed: two lists of 9 songs (2 left out, as Spotify described them incompletely)."),
        ([part(0, 1, FIRST)], "Refreshed: 0 songs (1 left out, as Spotify described it incompletely)."),
        ([part(20, 0, SAME)] * 3, "Refreshed: three lists of 20 songs; nothing changed."),
        ([part(20, 0, change(new=1))], "Refreshed: 20 songs; 1 new, 0 moved, 0 left."),
        ([part(20, 0, change(moved=2))], "Refreshed: 20 songs; 0 new, 2 moved, 0 left."),
        ([part(20, 0, change(left=3))], "Refreshed: 20 songs; 0 new, 0 moved, 3 left."),
        ([part(20, 0, change(1, 2, 3)), part(20, 0, change(4, 5, 6)), part(20, 0, FIRST)],
         "Refreshed: three lists of 20 songs; 5 new, 7 moved, 9 left."),
    ],
)  # fmt: skip
def test_the_sentence_for_the_host(ranges: list[RangeResult], sentence: str) -> None:
    assert summarize(tuple(ranges)) == sentence


@pytest.mark.parametrize(
    ("error", "outcome", "code"),
    [
        (RateLimited(timezone.now()), "rate_limited", "rate_limited"),
        (Unavailable(), "unavailable", "unavailable"),
        (SignInNeeded(), "sign_in_needed", "sign_in_needed"),
        (BadCredentials(), "failed", "bad_credentials"),
    ],
)
def test_an_error_of_spotify_becomes_a_result_that_tells_it(error: SpotifyError, outcome: str, code: str) -> None:
    result = RefreshResult.of_error(error)
    assert (result.outcome, result.error_code, result.summary, result.error) == (outcome, code, str(error), error)
    assert not result.ok and not result.worked


@pytest.mark.parametrize("outcome", [*RefreshRun.Outcome, "busy", "too_soon", "dry_run"])
def test_what_went_well(outcome: str) -> None:
    result = RefreshResult(outcome=outcome, summary="")
    assert result.ok == (outcome in {"refreshed", "unchanged", "busy", "too_soon", "dry_run"})
    assert result.worked == (outcome in {"refreshed", "unchanged"})


def test_the_result_as_programs_read_it() -> None:
    ranges = (part(2, 1), part(3, 0, name="long_term"))
    result = RefreshResult(outcome=RefreshRun.Outcome.REFRESHED, summary="Done.", ranges=ranges, warnings=("Careful.",))
    assert result.as_json() == {
        "outcome": "refreshed",
        "message": "Done.",
        "time_ranges": [
            {"time_range": "short_term", "extracted": 3, "loaded": 2, "rejected": 1},
            {"time_range": "long_term", "extracted": 3, "loaded": 3, "rejected": 0},
        ],
        "warnings": ["Careful."],
    }
    assert type(result.as_json()["outcome"]) is str
