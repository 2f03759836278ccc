"""What stands on a picture, in the active language: plain data for the templates beside this file."""

import functools
import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date
from html import escape
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, ngettext_lazy

from tracks.addresses import chart_url
from tracks.cards.draw import Format
from tracks.models import Listener, Placement, Snapshot, TimeRange, Track
from tracks.templatetags.chart import headline
from tracks.year import Counted, Year

# The pictures of a chart, by the end of their address: the template, how many songs at most, and the format.
KINDS: Mapping[str, tuple[str, int, Format]] = {
    "card.png": ("card", 5, "png"),
    "card-tall.png": ("card-tall", 10, "png"),
    "receipt.png": ("receipt", 20, "png"),
    "receipt.svg": ("receipt", 20, "svg"),
}
CONTENT_TYPES = {"png": "image/png", "svg": "image/svg+xml"}

LOGO = Path(__file__).parent.parent / "static/tracks/icons/spotify-black.svg"
SPOTIFY = "https://open.spotify.com/"

# Code 39 (ISO/IEC 16388): nine bars and spaces each, 1 is a wide one.
CODE_39 = {
    "0": "000110100", "1": "100100001", "2": "001100001", "3": "101100000", "4": "000110001", "5": "100110000",
    "6": "001110000", "7": "000100101", "8": "100100100", "9": "001100100", "*": "010010100",
}  # fmt: skip


@functools.cache
def design() -> str:
    """A short digest of all that makes a picture look as it does, but the chart and the listener."""
    found = hashlib.sha256(f"{settings.SITE_NAME} {settings.SITE_URL}".encode())
    for file in sorted([*Path(__file__).parent.glob("*.*"), LOGO]):
        found.update(file.read_bytes())
    return found.hexdigest()[:12]


def version(listener: Listener, snapshot: int) -> str:
    """What tells the pictures of a chart from all others, for their addresses: `?v=`."""
    look = hashlib.sha256(f"{design()} {listener.changed_at.isoformat()}".encode()).hexdigest()[:8]
    return f"{snapshot}-{look}"


def digest_of(data: Mapping[str, Any]) -> str:
    """A short digest of what a picture says, and of the design."""
    return hashlib.sha256(f"{design()} {json.dumps(data, sort_keys=True)}".encode()).hexdigest()[:12]


def of_chart(listener: Listener, snapshot: Snapshot, placements: list[Placement], *, songs: int) -> dict[str, Any]:
    """What the pictures of a chart say, with this many songs of it at most."""
    shown = placements[:songs]
    seconds = sum(_seconds(placement.track) for placement in shown)
    time_range = TimeRange(snapshot.time_range)
    return _of_site(listener, time_range, snapshot.first_seen_at.date()) | {
        "facts": said(_("Top songs on Spotify, %(range)s") % {"range": time_range.in_sentence}),
        "headline": headline(time_range, len(placements)),
        "songs": [_song(placement) for placement in shown],
        "songs-label": _("Songs"),
        "total-label": _("Playing time"),
        "total": _length(seconds),
        "thanks": _("Thank you for listening"),
        "number": str(snapshot.pk),
        "bars": bars(str(snapshot.pk)),
    }


def of_year(listener: Listener, year: Year, line: str) -> dict[str, Any] | None:
    """What the picture of a line of the year says; None if the year has no such line."""
    told = _told(year, line)
    if told is None:
        return None
    number, track, sentence, names = told
    return _of_site(listener, year.time_range, year.last_day) | {
        "facts": said(
            _("Top songs on Spotify in %(year)s, by the charts kept here, %(range)s")
            % {"year": year.year, "range": year.time_range.in_sentence}
        ),
        "number": number,
        "title": said(track.name) if track else None,
        "artist": said(track.artist if track else names),
        "sentence": sentence,
        "address": said(_shown(chart_url(listener, "year", year.year, time_range=year.time_range))),
    }


def lines(year: Year) -> list[str]:
    """The names of the year's lines, as their pictures' addresses have them."""
    named: list[tuple[str, object]] = [
        ("number-one", year.at_number_one), ("most-days", year.in_the_chart), ("climb", year.climb),
        ("comebacks", year.comebacks), ("oldest", year.oldest), ("songs", year.songs), ("wonders", year.wonders),
    ]  # fmt: skip
    return [name for name, found in named if found] + [f"first-{first.month.month}" for first in year.firsts]


def _told(year: Year, line: str) -> tuple[str, Track | None, str, str] | None:
    """The number, the song, the rest of the sentence, and the songs' names where it is about several."""
    if line not in lines(year):
        return None
    counted: dict[str, tuple[Counted | None, Any]] = {
        "number-one": (
            year.at_number_one,
            ngettext_lazy("at number one longest: %(n)d day", "at number one longest: %(n)d days", "n"),
        ),
        "most-days": (
            year.in_the_chart,
            ngettext_lazy("in the chart longest: %(n)d day", "in the chart longest: %(n)d days", "n"),
        ),
        "climb": (
            year.climb,
            ngettext_lazy(
                "the biggest climb from one chart to the next: %(n)d place",
                "the biggest climb from one chart to the next: %(n)d places",
                "n",
            ),
        ),
        "comebacks": (
            year.comebacks,
            ngettext_lazy("came back most often: %(n)d time", "came back most often: %(n)d times", "n"),
        ),
    }
    found, sentence = counted.get(line, (None, ""))
    if found:
        return str(found.n), found.track, sentence % {"n": found.n}, ""
    if line == "oldest" and year.oldest:
        return str(year.oldest.release_year), year.oldest, _("the oldest release"), ""
    if line == "songs":
        songs = ngettext("%(n)d song in these charts,", "%(n)d different songs in these charts,", year.songs)
        artists = ngettext("by %(n)d artist", "by %(n)d different artists", year.artists)
        return str(year.songs), None, f"{songs % {'n': year.songs}} {artists % {'n': year.artists}}", ""
    if line == "wonders":
        n = year.wonder_count
        sentence = ngettext("%(n)d song for one day only", "%(n)d songs for one day only", n) % {"n": n}
        return str(n), None, sentence, ", ".join(track.name for track in year.wonders)
    first = next(first for first in year.firsts if line == f"first-{first.month.month}")
    month = date_format(first.month, "YEAR_MONTH_FORMAT")
    return date_format(first.month, "M"), first.track, _("the first new song of %(month)s") % {"month": month}, ""


def _of_site(listener: Listener, time_range: TimeRange, day: date) -> dict[str, Any]:
    return {
        "whose": said(listener.called or settings.SITE_NAME),
        "site": said(settings.SITE_NAME),
        "address": said(_shown(chart_url(listener, "index", time_range=time_range))),
        "date": date_format(day, "DATE_FORMAT"),
        "logo": LOGO.read_text(),
    }


def _shown(path: str) -> str:
    """An address of the site as people write it."""
    return (settings.SITE_URL.partition("://")[2] + path).rstrip("/")


def _song(placement: Placement) -> dict[str, Any]:
    track = placement.track
    return {
        "position": placement.position,
        "title": said(track.name),
        "artist": said(track.artist),
        "length": _length(_seconds(track)),
        "url": track.url if track.url.startswith(SPOTIFY) else "",
    }


def _seconds(track: Track) -> int:
    """Rounded, so that the lengths that are shown add up to the total that is shown."""
    return (track.duration_ms + 500) // 1000


def _length(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}" if minutes >= 60 else f"{minutes}:{seconds:02}"


def said(text: str) -> dict[str, Any]:
    """A line of text with its direction (that of its first letter with one), and whose Chinese characters it has."""
    strong = (unicodedata.bidirectional(letter) for letter in text)
    direction = next((found for found in strong if found in ("L", "R", "AL")), "L")
    return {"text": text, "rtl": direction != "L", "cjk": _cjk(text)}


def _cjk(text: str) -> str:
    """Which of the fonts for Chinese characters: they look different in each country."""
    if any("\u3040" <= letter <= "\u30ff" for letter in text):
        return "JP"
    return "KR" if any("\uac00" <= letter <= "\ud7a3" for letter in text) else "SC"


def bars(number: str) -> list[int]:
    """The widths of the bars and spaces of a number in Code 39, black first: 1, or 3 for a wide one."""
    widths: list[int] = []
    for character in f"*{number}*":
        widths += [3 if wide == "1" else 1 for wide in CODE_39[character]] + [1]
    return widths[:-1]


def with_words(svg: bytes, data: Mapping[str, Any]) -> bytes:
    """The receipt for those who cannot see it: typst draws letters as shapes, so the words are added beside them."""
    songs = data["songs"]
    title = f"{data['whose']['text']}: {data['headline']}"
    told = [f"{_in_words(song)}, {song['length']}" for song in songs]
    told += [
        data["facts"]["text"],
        f"{data['total-label']} {data['total']}",
        data["date"],
        data["address"]["text"],
        f"No. {data['number']}",
    ]
    names = {escape(song["url"]): escape(_in_words(song)) for song in songs}
    text = svg.decode()
    for url, name in names.items():
        text = text.replace(f'<a href="{url}"', f'<a aria-label="{name}" href="{url}"')
    head, end, shapes = text.partition(">")
    words = f'<title id="title">{escape(title)}</title><desc id="words">{escape(_sentences(told))}</desc>'
    return f'{head} aria-labelledby="title" aria-describedby="words"{end}{words}{shapes}'.encode()


def _in_words(song: Mapping[str, Any]) -> str:
    name, artist = song["title"]["text"], song["artist"]["text"]
    return f"{song['position']}. {name} – {artist}" if artist else f"{song['position']}. {name}"


def _sentences(parts: Iterable[str]) -> str:
    return "; ".join(parts)
