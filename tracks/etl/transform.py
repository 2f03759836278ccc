"""From Spotify's items to validated rows and rejects. Pure: no database, clock or network."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, Field, ValidationError
from pydantic_core import PydanticCustomError

from tracks import derived
from tracks.folding import folded_song

TEXT_LIMIT = 1000
DAY_MS = 24 * 3600 * 1000
# Spotify gives three sizes of a cover.
MOST_COVERS = 10


@dataclass(frozen=True, kw_only=True)
class ArtistRow:
    id: str
    name: str
    url: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One song as it is stored. Empty text and None mean that Spotify does not say."""

    position: int
    id: str
    name: str
    artists: tuple[ArtistRow, ...]
    album: str
    release_date: str
    release_date_precision: str
    duration_ms: int
    explicit: bool
    popularity: int | None
    url: str
    covers: tuple[dict[str, Any], ...]

    @property
    def duration_min(self) -> Decimal:
        return derived.minutes(self.duration_ms)

    @property
    def release_year(self) -> int | None:
        return derived.year(self.release_date)

    @property
    def folded(self) -> str:
        return folded_song(self.name, self.album, [artist.name for artist in self.artists])


@dataclass(frozen=True, kw_only=True)
class Reject:
    position: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Table:
    rows: tuple[Row, ...]
    rejects: tuple[Reject, ...]


def transform(items: Iterable[Any]) -> Table:
    """Every item becomes a row or a reject with its reason; positions are Spotify's own, counted from 1."""
    rows: list[Row] = []
    rejects: list[Reject] = []
    first_at: dict[str, int] = {}
    for position, raw in enumerate(items, start=1):
        try:
            item = _Item.model_validate(raw)
        except ValidationError as error:
            rejects.append(Reject(position=position, reason=_reason(error)))
            continue
        if item.id in first_at:
            rejects.append(Reject(position=position, reason=f"the same track as at position {first_at[item.id]}"))
            continue
        first_at[item.id] = position
        rows.append(_row(position, item))
    return Table(rows=tuple(rows), rejects=tuple(rejects))


def _reason(error: ValidationError) -> str:
    """The reasons in our own words; pydantic's for a value that is no object at all."""
    reasons = [details["msg"] if details["type"] == "reject" else "not a track" for details in error.errors()]
    return "; ".join(dict.fromkeys(reasons))


def _reject(reason: str) -> PydanticCustomError:
    return PydanticCustomError("reject", reason)


def _text(value: Any) -> str:
    """The text without control characters, or "" for what is no text. Raises for text that no database could take."""
    if not isinstance(value, str):
        return ""
    if len(value) > TEXT_LIMIT:
        raise _reject(f"text over {TEXT_LIMIT:,} characters")
    if value.isprintable():  # nothing of what follows
        return value
    if re.search("[\ud800-\udfff]", value):
        raise _reject("unreadable characters in a text")
    # C0 and C1 (Unicode, 23.1): no page shows them, and a feed with one is not XML. Those that part words are a blank.
    return re.sub("[\0-\x1f\x7f-\x9f]", "", re.sub("[\t-\r\x85]+", " ", value))


def _id(value: Any) -> str:
    text = _text(value)
    if not re.fullmatch(r"[0-9A-Za-z]+", text):
        raise _reject("no Spotify id (a local or withdrawn track)")
    return text


def _title(value: Any) -> str:
    text = _text(value)
    if not text.strip():
        raise _reject("no title")
    return text


def _whole(value: Any) -> int | None:
    """A whole number, also one written as 215000.0; None for anything else."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _duration(value: Any) -> int:
    duration = _whole(value)
    if duration is None or not 0 <= duration <= DAY_MS:
        raise _reject("no usable duration")
    return duration


def _popularity(value: Any) -> int | None:
    popularity = _whole(value)
    return popularity if popularity is not None and 0 <= popularity <= 100 else None


def _width(value: Any) -> int | None:
    width = _whole(value)
    return width if width is not None and 0 < width < 100_000 else None


def _object(value: Any) -> Any:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[Any]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []


def _named(value: Any) -> list[Any]:
    artists = [artist for artist in _objects(value) if _text(artist.get("name")).strip()]
    if not artists:
        raise _reject("no named artist")
    return artists


Text = Annotated[str, BeforeValidator(_text)]


class _Links(BaseModel):
    spotify: Text = ""


class _Image(BaseModel):
    url: Text = ""
    width: Annotated[int | None, BeforeValidator(_width)] = None


class _Artist(BaseModel):
    id: Text = ""
    name: Text = ""
    external_urls: Annotated[_Links, BeforeValidator(_object)] = _Links()


class _Album(BaseModel):
    name: Text = ""
    release_date: Text = ""
    release_date_precision: Text = ""
    images: Annotated[list[_Image], BeforeValidator(_objects)] = []


class _Item(BaseModel):
    """An item of GET /v1/me/top/tracks: what is required of it, and what may be missing."""

    id: Annotated[str, BeforeValidator(_id), Field(validate_default=True)] = ""
    name: Annotated[str, BeforeValidator(_title), Field(validate_default=True)] = ""
    artists: Annotated[list[_Artist], BeforeValidator(_named), Field(validate_default=True)] = []
    duration_ms: Annotated[int, BeforeValidator(_duration), Field(validate_default=True)] = -1
    album: Annotated[_Album, BeforeValidator(_object)] = _Album()
    explicit: Annotated[bool, BeforeValidator(lambda value: value is True)] = False
    popularity: Annotated[int | None, BeforeValidator(_popularity)] = None
    external_urls: Annotated[_Links, BeforeValidator(_object)] = _Links()


def _row(position: int, item: _Item) -> Row:
    release_date, precision = _release(item.album.release_date, item.album.release_date_precision)
    return Row(
        position=position,
        id=item.id,
        name=item.name,
        artists=_artists(item.artists),
        album=item.album.name,
        release_date=release_date,
        release_date_precision=precision,
        duration_ms=item.duration_ms,
        explicit=item.explicit,
        popularity=item.popularity,
        url=_link(item.external_urls) or f"https://open.spotify.com/track/{item.id}",
        covers=_covers(item.album.images),
    )


def _artists(artists: list[_Artist]) -> tuple[ArtistRow, ...]:
    """The credited artists in order, each once. One without an id is known by a digest of the name."""
    rows: dict[str, ArtistRow] = {}
    for artist in artists:
        if re.fullmatch(r"[0-9A-Za-z]+", artist.id):
            key, url = artist.id, _link(artist.external_urls) or f"https://open.spotify.com/artist/{artist.id}"
        else:
            key, url = "name:" + hashlib.sha256(artist.name.encode()).hexdigest()[:22], ""
        rows.setdefault(key, ArtistRow(id=key, name=artist.name, url=url))
    return tuple(rows.values())


def _link(links: _Links) -> str:
    """The link if it leads to Spotify, else "": a page must not send anyone elsewhere."""
    return links.spotify if links.spotify.startswith("https://open.spotify.com/") else ""


def _covers(images: list[_Image]) -> tuple[dict[str, Any], ...]:
    """The usable pictures, largest first; one of unknown width comes last."""
    usable = [image for image in images[:MOST_COVERS] if _is_image_address(image.url)]
    usable.sort(key=lambda image: image.width or 0, reverse=True)
    return tuple({"url": image.url, "width": image.width} for image in usable)


def _is_image_address(url: str) -> bool:
    if re.search(r"\s|,$", url):  # what parts the addresses of a srcset
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname == "127.0.0.1")
    except ValueError:
        return False


def _release(value: str, precision: str) -> tuple[str, str]:
    """The release date as Spotify gave it, with its precision; two empty texts for one that is no date ("0000")."""
    if not re.fullmatch(r"[0-9]{4}(-[0-9]{2}){0,2}", value):
        return "", ""
    try:
        date.fromisoformat(value + "-01-01"[len(value) - 4 :])
    except ValueError:
        return "", ""
    given = {4: "year", 7: "month", 10: "day"}[len(value)]
    coarser = [known for known in ("year", "month", "day") if known in (precision, given)]
    return value, coarser[0]
