"""What the site answers to programs: these models write the JSON, and /openapi.json tells of them.

A key that is added here is in the answers and in the document at once; docs/API.md tells of it to people. The order of
the fields is that of the keys. A key that an answer may lack is not set then, and unknown values are null.
"""

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from tracks import models, songs
from tracks.models import TimeRange
from tracks.moments import utc

Moment = Annotated[
    datetime,
    PlainSerializer(utc, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "description": "UTC, to the second."}),
]
# Models keep "" for what Spotify does not say.
Text = Annotated[str | None, BeforeValidator(lambda text: text or None)]
Position = Annotated[int, Field(ge=1, description="Spotify's own: an item without a usable name leaves its out.")]


def _without_default(schema: dict[str, Any]) -> None:
    del schema["default"]


def _absent(description: str) -> Any:
    """A key that some answers do not have."""
    return Field(default=None, description=description, json_schema_extra=_without_default)


class Answer(BaseModel):
    model_config = ConfigDict(frozen=True)

    def as_json(self) -> dict[str, Any]:
        """The answer as json.dumps takes it."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class Error(Answer):
    """What went wrong, and what to do about it."""

    error: str = Field(description="A sentence for people.")


# Songs


class Artist(Answer):
    name: str
    url: Text = Field(description="On Spotify.")


class _Placed(Answer):
    position: Position


class Song(Answer):
    """A song as Spotify last described it."""

    id: str = Field(description="Spotify's.")
    name: str
    artist: str = Field(description="All credited artists in one line.")
    artists: list[Artist] = Field(description="In the order of the credits.")
    album: Text
    popularity: int | None = Field(ge=0, le=100, description="Spotify gives none in Development Mode.")
    duration_ms: int = Field(ge=0)
    duration_min: float = Field(description="To two places.")
    release_date: Text = Field(description="YYYY, YYYY-MM or YYYY-MM-DD.")
    release_year: int | None
    explicit: bool
    url: str = Field(description="On Spotify.")
    image_url: Text = Field(description="The cover, up to 300 px wide where there is one.")

    @classmethod
    def of(cls, track: models.Track, **more: Any) -> Self:
        """The answer of a track with its artists, and the fields that a subclass has besides."""
        return cls(
            **more,
            id=track.spotify_id,
            name=track.name,
            artist=track.artist,
            artists=[Artist(name=artist.name, url=artist.url) for artist in track.credited_artists],
            album=track.album,
            popularity=track.popularity,
            duration_ms=track.duration_ms,
            duration_min=float(track.duration_min),
            release_date=track.release_date,
            release_year=track.release_year,
            explicit=track.explicit,
            url=track.url,
            image_url=track.image_url,
        )


class ChartSong(Song, _Placed):
    """A song of a chart, with its position."""


class Chart(Answer):
    """A chart as it is now."""

    time_range: TimeRange
    updated_at: Moment | None = Field(description="When Spotify last confirmed it; null before the first refresh.")
    tracks: list[ChartSong] = Field(description="By position.")


class Row(Answer):
    """A song of the chart, as the earlier service gave it."""

    name: str
    artist: str
    album: Text
    popularity: int | None = Field(ge=0, le=100)
    duration_ms: int = Field(ge=0)
    release_date: Text
    duration_min: float
    release_year: int | None


# History


class FormerPlace(_Placed):
    """A song's place in a chart as it was."""

    previous_position: int | None = Field(ge=1, description="In the chart before; null if it was not there.")
    movement: Literal["up", "down", "same", "new", "back"] | None = Field(
        description="Against the chart before; null in a first chart."
    )
    id: str
    name: str
    artist: str
    url: str


class FormerChart(Answer):
    """A chart as it was. One that Spotify confirms again is not repeated: `confirmed_at` moves on."""

    id: int
    first_seen_at: Moment
    confirmed_at: Moment
    tracks: list[FormerPlace] = Field(description="By position.")

    @classmethod
    def of(cls, snapshot: models.Snapshot) -> Self:
        return cls(
            id=snapshot.pk,
            first_seen_at=snapshot.first_seen_at,
            confirmed_at=snapshot.confirmed_at,
            tracks=[
                FormerPlace(
                    position=placement.position,
                    previous_position=placement.previous_position,
                    movement=placement.movement or None,  # type: ignore[arg-type]
                    id=placement.track.spotify_id,
                    name=placement.track.name,
                    artist=placement.track.artist,
                    url=placement.track.url,
                )
                for placement in snapshot.placements.all()
            ],
        )


class History(Answer):
    """Charts as they were, newest first: a page of them."""

    time_range: TimeRange
    snapshots: list[FormerChart]
    next: str | None = Field(description="The whole address of the page with older charts; null on the last one.")


class Run(Answer):
    """UTC days in a row on which a song stood in the day's chart, which is the last one known on it."""

    first_day: date = Field(serialization_alias="from")
    last_day: date = Field(serialization_alias="until")
    peak: int = Field(ge=1, description="The best place on these days.")
    days: int = Field(ge=1)


class SongHistory(Answer):
    """How a song fared in a time range."""

    time_range: TimeRange
    position: int | None = Field(ge=1, description="In the current chart; null where it is not in it.")
    peak: int = Field(ge=1, description="The best place.")
    charts: int = Field(ge=1, description="In how many distinct charts it stood.")
    first_seen_at: Moment
    last_seen_at: Moment
    days: int = Field(ge=0, description="On how many UTC days it stood in the day's chart.")
    days_at_one: int = Field(ge=0)
    runs: list[Run] = Field(description="Oldest first.")

    @classmethod
    def of(cls, history: songs.TrackHistory) -> Self:
        return cls(
            time_range=history.time_range,
            position=history.now,
            peak=history.peak,
            charts=history.times,
            first_seen_at=history.first_seen_at,
            last_seen_at=history.last_seen_at,
            days=history.days,
            days_at_one=history.days_at_one,
            runs=[
                Run(first_day=run.first_day, last_day=run.last_day, peak=run.peak, days=run.days)
                for run in history.runs
            ],
        )


class SongWithHistory(Song):
    """A song that stands or stood in a listener's charts."""

    history: list[SongHistory] = Field(description="One for each time range where it ever stood.")


# Questions


class Search(Answer):
    """What a question found, and what was understood of it."""

    understood: list[str] = Field(description="The question's words, as they were asked, a clause each.")
    not_understood: list[str] = Field(description="Words that narrow nothing.")
    tracks: list[Song] = Field(max_length=20, description="The first 20, in the order asked for.")
    did_you_mean: list[str] = Field(max_length=3, description="Near names, where words were not understood.")


# Listeners


class PublicListener(Answer):
    """A listener whom everybody may see."""

    name: Text = Field(description="What the person calls themselves here; null for none.")
    handle: str
    is_host: bool
    url: str = Field(description="The whole address of the chart's page.")
    data_url: str = Field(description="The whole address of the chart as JSON.")
    updated_at: Moment | None
    first: ChartSong | None = Field(description="The first place of the last four weeks; null before the first song.")


class Listeners(Answer):
    """The public listeners, the host first, then by handle: a page of them."""

    listeners: list[PublicListener]
    next: str | None = Field(description="The whole address of the next page; null on the last one.")


# For machines


class RangeCounts(Answer):
    """What a refresh did of one time range; extracted is loaded and rejected together."""

    time_range: TimeRange
    extracted: int = Field(ge=0)
    loaded: int = Field(ge=0)
    rejected: int = Field(ge=0)


class Others(Answer):
    """The listeners beside the host whom the same call came to."""

    refreshed: int = Field(ge=0)
    failed: int = Field(ge=0)
    waiting: int = Field(ge=0, description="For whom there was no time or no place in the quota.")


class Refreshed(Answer):
    """A refresh that ended well, or that was not needed now."""

    outcome: Literal["refreshed", "unchanged", "busy", "too_soon"] = Field(
        description="`busy`: another refresh is at work; `too_soon`: the chart is less than a minute old."
    )
    message: str = Field(description="A sentence for people.")
    time_ranges: list[RangeCounts]
    warnings: list[str]
    others: Others | SkipJsonSchema[None] = _absent("Missing where one listener was asked for.")


class NotRefreshed(Answer):
    """A refresh that did not work. Where there was nobody to refresh, `error` and `others` stand alone."""

    outcome: (
        Literal["rate_limited", "waiting", "sign_in_needed", "unavailable", "failed", "abandoned"]
        | SkipJsonSchema[None]
    ) = _absent("With `failed` waiting does not help, and `error` says what does.")
    message: str | SkipJsonSchema[None] = _absent("As `error`.")
    time_ranges: list[RangeCounts] | SkipJsonSchema[None] = _absent("What was done before it failed.")
    warnings: list[str] | SkipJsonSchema[None] = _absent("Sentences for people.")
    error: str = Field(description="A sentence for people.")
    others: Others | SkipJsonSchema[None] = _absent("Missing where one listener was asked for.")


class DueListener(Answer):
    listener: str = Field(description="Opaque; for `POST /refresh?listener=`.")
    overdue_seconds: int


class Due(Answer):
    """The listeners whose refresh is due, longest-waiting first, 1,000 at most."""

    due: list[DueListener]


class Live(Answer):
    status: Literal["ok"]


class Health(Answer):
    status: Literal["ok"]
    database: Literal["ok"]
    last_refresh_age_seconds: int | None = Field(description="Of the host's; null before the first good refresh.")
    sign_in_again_by: Moment | None = Field(description="When Spotify ends the host's sign-in.")
    sign_in_needed: bool = Field(description="Also before the first sign-in.")


class Unhealthy(Answer):
    status: Literal["error"]
    database: Literal["unreachable"]


class OEmbed(Answer):
    """oEmbed 1.0 (oembed.com), type `rich`."""

    version: Literal["1.0"]
    type: Literal["rich"]
    title: str
    author_name: str | SkipJsonSchema[None] = _absent("Missing for a host without a name.")
    author_url: str | SkipJsonSchema[None] = _absent("Missing for a host without a name.")
    provider_name: str
    provider_url: str
    cache_age: int = Field(ge=0, description="In seconds.")
    html: str = Field(description="The frame.")
    width: int = Field(ge=1, description="In pixels.")
    height: int = Field(ge=1, description="In pixels.")
