"""The examples in /openapi.json: made of the models themselves, so that they hold."""

from datetime import UTC, date, datetime
from typing import Any

from tracks.api import answers
from tracks.models import TimeRange


def _song(kind: type[answers.Song], **more: Any) -> Any:
    return kind(
        **more,
        id="6WnTgRvbdm1xMHh7vYyzOy",
        name="Salt Lamp",
        artist="Ines Aldana, Tomo",
        artists=[
            answers.Artist(name="Ines Aldana", url="https://open.spotify.com/artist/4dpARuHxo51G3z768sgnrY"),
            answers.Artist(name="Tomo", url=None),
        ],
        album="Salt Lamp",
        popularity=None,
        duration_ms=215_000,
        duration_min=3.58,
        release_date="2024-05",
        release_year=2024,
        explicit=False,
        url="https://open.spotify.com/track/6WnTgRvbdm1xMHh7vYyzOy",
        image_url="https://i.scdn.co/image/ab67616d00001e02",
    )


NOW = datetime(2026, 11, 23, 8, 17, 3, tzinfo=UTC)
SONG: answers.ChartSong = _song(answers.ChartSong, position=1)
CHART = answers.Chart(time_range=TimeRange.SHORT_TERM, updated_at=NOW, tracks=[SONG])
ROW = answers.Row(**SONG.model_dump(include=set(answers.Row.model_fields)))
HISTORY = answers.History(
    time_range=TimeRange.SHORT_TERM,
    snapshots=[
        answers.FormerChart(
            id=317,
            first_seen_at=datetime(2026, 11, 21, 6, 17, 2, tzinfo=UTC),
            confirmed_at=NOW,
            tracks=[
                answers.FormerPlace(
                    position=1,
                    previous_position=3,
                    movement="up",
                    id=SONG.id,
                    name=SONG.name,
                    artist=SONG.artist,
                    url=SONG.url,
                )
            ],
        )
    ],
    next="https://top.example.com/history.json?time_range=short_term&cursor=643b6a4b2c380",
)
TRACK: answers.SongWithHistory = _song(
    answers.SongWithHistory,
    history=[
        answers.SongHistory(
            time_range=TimeRange.SHORT_TERM,
            position=1,
            peak=1,
            charts=4,
            first_seen_at=datetime(2026, 11, 2, 6, 17, 1, tzinfo=UTC),
            last_seen_at=NOW,
            days=12,
            days_at_one=3,
            runs=[
                answers.Run(first_day=date(2026, 11, 2), last_day=date(2026, 11, 8), peak=4, days=7),
                answers.Run(first_day=date(2026, 11, 19), last_day=date(2026, 11, 23), peak=1, days=5),
            ],
        )
    ],
)
SEARCH = answers.Search(
    understood=["salt lamp", "from 2024"],
    not_understood=["please"],
    tracks=[answers.Song(**SONG.model_dump(exclude={"position"}))],
    did_you_mean=[],
)
LISTENERS = answers.Listeners(
    listeners=[
        answers.PublicListener(
            name="Ana",
            handle="ana",
            is_host=False,
            url="https://top.example.com/@ana/",
            data_url="https://top.example.com/@ana/tracks.json",
            updated_at=NOW,
            first=SONG,
        )
    ],
    next=None,
)
COUNTS = [answers.RangeCounts(time_range=TimeRange.SHORT_TERM, extracted=20, loaded=19, rejected=1)]
REFRESHED = answers.Refreshed(
    outcome="refreshed",
    message="Refreshed: 19 songs; 2 new, 5 moved, 2 left.",
    time_ranges=COUNTS,
    warnings=[],
    others=answers.Others(refreshed=2, failed=0, waiting=1),
)


RATE_LIMITED = answers.NotRefreshed(
    outcome="rate_limited",
    message="Spotify allows no more calls for now; the next is in 3 minutes.",
    time_ranges=[],
    warnings=[],
    error="Spotify allows no more calls for now; the next is in 3 minutes.",
)
UNAVAILABLE = answers.NotRefreshed(
    outcome="unavailable",
    message="Spotify cannot be reached; try again later.",
    time_ranges=[],
    warnings=[],
    error="Spotify cannot be reached; try again later.",
)
NOBODY = answers.NotRefreshed(
    error="Nobody has signed in yet; the host must sign in on the site first.",
    others=answers.Others(refreshed=0, failed=0, waiting=0),
)
DUE = answers.Due(due=[answers.DueListener(listener="7", overdue_seconds=90)])
HEALTH = answers.Health(
    status="ok",
    database="ok",
    last_refresh_age_seconds=1260,
    sign_in_again_by=datetime(2027, 5, 23, 8, 17, 1, tzinfo=UTC),
    sign_in_needed=False,
)


OEMBED = answers.OEmbed(
    version="1.0",
    type="rich",
    title="Ana: Top 20 songs of the last 4 weeks",
    author_name="Ana",
    author_url="https://top.example.com/@ana/",
    provider_name="Top Twenty",
    provider_url="https://top.example.com/",
    cache_age=86_400,
    html='<iframe src="https://top.example.com/@ana/embed/?rows=7" title="Ana" width="480" height="595"></iframe>',
    width=480,
    height=595,
)
