"""What the errors say to people and machines."""

from datetime import UTC, datetime, timedelta

import pytest

from tracks.spotify.errors import (
    RateLimited,
    RequestRefused,
    SignInNeeded,
    SpotifyError,
    Unavailable,
)

NOW = datetime(2026, 11, 23, 7, tzinfo=UTC)


def test_an_error_says_its_own_sentence_unless_another_is_given() -> None:
    assert str(Unavailable()) == "Spotify could not be reached; the last chart stays. Try again later."
    assert str(Unavailable("Another.")) == str(SignInNeeded("Another.")) == "Another."
    assert str(SignInNeeded()).startswith("Spotify no longer accepts the stored sign-in")


@pytest.mark.parametrize(
    ("left", "seconds"),
    [(timedelta(seconds=30), 31), (timedelta(seconds=30.9), 31), (timedelta(0), 1), (-timedelta(seconds=9), 1)],
)
def test_a_pause_says_until_when_and_in_how_many_whole_seconds(
    monkeypatch: pytest.MonkeyPatch, left: timedelta, seconds: int
) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)
    error = RateLimited(NOW + left)
    assert (error.until, error.retry_seconds) == (NOW + left, seconds)
    assert str(error) == (
        f"Spotify asked this app to wait until {NOW + left:%Y-%m-%d %H:%M:%S} UTC; the last chart stays, and nobody "
        "calls before then."
    )


def test_a_refusal_names_its_status() -> None:
    assert str(RequestRefused(418)) == (
        "Spotify refused the request with status 418; the last chart stays. Please report this."
    )


def test_waiting_helps_where_spotify_fails_and_nowhere_else() -> None:
    assert Unavailable().retry_seconds == 60
    assert [error.retry_seconds for error in (SpotifyError(), SignInNeeded(), RequestRefused(400))] == [None] * 3
