"""The songs that a question asks for, of those that stood in one of a listener's charts."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from typing import Literal

from django.db.models import Q

from tracks.models import Listener, Track
from tracks.search.meanings import (
    PLACES,
    BiggestClimb,
    By,
    ByLength,
    Explicit,
    Fared,
    InYear,
    Meaning,
    MostDays,
    Released,
    Stood,
    Words,
)
from tracks.search.names import Names, Resolver, Unknown
from tracks.search.near import near
from tracks.search.past import Past
from tracks.search.periods import Period, year
from tracks.search.question import MOST_CHARACTERS, Piece, Question, parse

# At most so many items of Spotify's in one set (its design rules).
MOST_SONGS = 20
# So many songs are asked for by their keys; of more, all are, which is quicker.
FEW = 150
# Of a question's words so many are looked for; what the songs with those have besides is found too.
MOST_NAMES = 12


@dataclass(frozen=True)
class Understood:
    """A clause: its words as they were asked, what it was taken for, and the question without it."""

    text: str
    label: str
    rest: str


@dataclass(frozen=True)
class Found:
    """A song; `figure` is its days or its places gained, where the question asks for an order by them."""

    track: Track
    figure: int = 0


@dataclass(frozen=True)
class Near:
    """A name that is written nearly as what was asked, and the question with it."""

    name: str
    question: str


@dataclass
class Answer:
    """`figures` says what the songs' figures are: "days", "climb"; with "length" or "" they have none."""

    understood: list[Understood] = field(default_factory=list)
    not_understood: list[str] = field(default_factory=list)
    found: list[Found] = field(default_factory=list)
    has_more: bool = False
    figures: str = ""
    near: list[Near] = field(default_factory=list)


def search(listener: Listener, text: str, *, now: datetime, zone: tzinfo, has_history: bool) -> Answer:
    """The answer to a cleaned question, in three queries and at most two more for each clause about the charts.

    The days in it are those of the zone. Without history it is about the charts of now.
    """
    past = Past(listener, now, zone, has_history)
    question = parse(text, past.today, has_history=has_history)
    names = question.names
    if not names and not question.pieces:
        return Answer(not_understood=question.unreadable)
    resolver = Resolver(question, Names(past.folded(names[:MOST_NAMES]) if names else {}))
    resolver.resolve()
    resolver.unknown.sort(key=lambda gap: gap.first)
    question.pieces.sort(key=lambda piece: piece.first)
    answer = Answer(
        understood=[
            Understood(
                question.text(piece.first, piece.end), piece.meaning.label, question.without(piece.first, piece.end)
            )
            for piece in question.pieces
        ],
        not_understood=[question.text(gap.first, gap.end) for gap in resolver.unknown] + question.unreadable,
    )
    keys: list[str] = []
    if question.pieces:
        keys, figures, answer.figures = _chosen(_attached(question.pieces), resolver.names, past)
        tracks = Track.objects.with_artists().in_bulk(keys[:MOST_SONGS])
        answer.found = [Found(tracks[key], figures.get(key, 0)) for key in keys[:MOST_SONGS] if key in tracks]
        answer.has_more = len(keys) > MOST_SONGS
    if names and (resolver.unknown or not keys):
        answer.near = _near(past, question, resolver.unknown)
    return answer


def _attached(pieces: list[Piece]) -> list[Meaning]:
    """What the pieces mean, with each period as that of the clause about charts before it, else of the one after it.

    Where there is none, songs are asked for that stood in the chart then; a year is that of the release.
    """
    meanings: list[Meaning] = []
    waiting: list[Period | InYear] = []
    for piece in pieces:
        meaning = piece.meaning
        if isinstance(meaning, Period | InYear):
            last = next((n for n in range(len(meanings) - 1, -1, -1) if isinstance(meanings[n], Fared)), None)
            period = meaning if isinstance(meaning, Period) else year(meaning.year)
            fared = None if last is None else meanings[last]
            if last is not None and period and isinstance(fared, Fared) and fared.period is None:
                meanings[last] = replace(fared, period=period)
            else:
                waiting.append(meaning)
        elif isinstance(meaning, Fared) and waiting:
            first = waiting.pop(0)
            meanings.append(replace(meaning, period=first if isinstance(first, Period) else year(first.year)))
        else:
            meanings.append(meaning)
    for one in waiting:
        meanings.append(Released(one.year, one.year) if isinstance(one, InYear) else Stood(PLACES, one))
    return meanings


def _chosen(meanings: list[Meaning], names: Names, past: Past) -> tuple[list[str], Mapping[str, int], str]:
    """The keys of the songs for which all of it holds, in the order asked for, and their figures with what they are.

    One more than are shown tells that there are more. Of two orders the first counts.
    """
    kept: set[str] | None = None
    conditions = Q()
    by_length: Literal["", "-"] | None = None
    figures: Mapping[str, int] = {}
    kind = ""
    for meaning in dict.fromkeys(meanings):
        match meaning:
            case Released() | Explicit():
                conditions &= meaning.condition
                continue
            case ByLength():
                if by_length is None:
                    by_length = "-" if meaning.longest_first else ""
                    kind = kind or "length"
                continue
            case Words() | By():
                found = names.of(meaning)
            case _:
                counts = past.fared(meaning)  # type: ignore[arg-type]
                found = set(counts)
                if isinstance(meaning, MostDays | BiggestClimb) and not kind:
                    figures, kind = counts, "days" if isinstance(meaning, MostDays) else "climb"
        kept = found if kept is None else kept & found
    if kept is None:
        return past.ordered(conditions, by_length=by_length, limit=MOST_SONGS + 1), figures, kind
    if len(kept) <= FEW:
        conditions &= Q(track__in=kept)
    keys = [key for key in past.ordered(conditions, by_length=by_length) if key in kept]
    return sorted(keys, key=lambda key: -figures.get(key, 0)), figures, kind


def _near(past: Past, question: Question, unknown: list[Unknown]) -> list[Near]:
    """Names for what is unknown, or where all is known and nothing is found, for the names asked for."""
    songs = past.folded([])
    asked = unknown or [
        Unknown(piece.first, piece.end) for piece in question.pieces if isinstance(piece.meaning, Words | By)
    ]
    gone = {number for gap in asked for number in range(gap.first, gap.end)}
    tokens = [question.tokens[number] for number in sorted(gone) if not question.tokens[number].is_marker]
    lines = near((word for token in tokens for word in token.folded.split()), songs)
    tracks = Track.objects.with_artists().in_bulk({line.song for line in lines})
    kept = [token.text for number, token in enumerate(question.tokens) if unknown and number not in gone]
    found = []
    for line in lines:
        track = tracks.get(line.song)
        names = [track.name, track.album, *(artist.name for artist in track.credited_artists)] if track else []
        if line.number < len(names):
            name = names[line.number]
            # In quotes a title is never taken for a clause.
            asked_for = f'"{name}"' if line.number == 0 and '"' not in name else name
            found.append(Near(name, " ".join([*kept, asked_for])[:MOST_CHARACTERS]))
    return found
