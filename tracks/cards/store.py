"""Which pictures there are, which are missing, and how they get into the database."""

import gzip
import hashlib
from collections.abc import Collection, Iterable

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import translation

from tracks import year as years
from tracks.cards import data as words
from tracks.cards.draw import draw
from tracks.models import Card, Listener, Placement, Snapshot, TimeRange

# /year/2026/climb.png has the kind "year-2026-climb.png".
YEAR = "year-"
MOST_AT_ONCE = 1000
HAS_SONGS = Exists(Placement.objects.filter(snapshot=OuterRef("pk")))


def languages() -> list[str]:
    return [code for code, _ in settings.LANGUAGES]


def newest(listener: Listener | None, time_range: str) -> Snapshot | None:
    """The snapshot whose pictures are kept."""
    return Snapshot.objects.filter(listener=listener, time_range=time_range).newest_first().first()


def find(listener: Listener, snapshot: Snapshot, *, kind: str, language: str, design: str) -> Card | None:
    """The picture, if it is the one that would be drawn now."""
    return Card.objects.filter(
        snapshot=snapshot, kind=kind, language=language, design=design, listener_changed_at=listener.changed_at
    ).first()


def body_of(card: Card) -> bytes:
    """The picture as a file."""
    body = bytes(card.body)
    return gzip.decompress(body) if card.kind.endswith(".svg") else body


def packed(kind: str, body: bytes) -> bytes:
    """The file as it is kept."""
    return gzip.compress(body, 6, mtime=0) if kind.endswith(".svg") else body


def missing() -> list[int]:
    """Of those whose page others may see, the newest snapshots that have songs and lack a picture; the latest first.

    At most so many as go into one statement.
    """
    found = Snapshot.objects.filter(listener=OuterRef("pk")).newest_first().values("pk")
    listeners = Listener.objects.exclude(visibility=Listener.Visibility.PRIVATE)
    numbers = listeners.values_list(*(Subquery(found.filter(time_range=name)[:1]) for name in TimeRange.values))
    current = {pk for row in numbers for pk in row if pk}
    whole = _pictures().values_list("snapshot").annotate(n=Count("pk")).filter(n=_wanted()).values_list("snapshot")
    lacking = sorted(current.difference(pk for (pk,) in whole), reverse=True)[:MOST_AT_ONCE]
    return list(Snapshot.objects.filter(HAS_SONGS, pk__in=lacking).order_by("-pk").values_list("pk", flat=True))


def is_missing(listener: Listener, time_ranges: Iterable[str]) -> bool:
    """Whether a newest snapshot of these that has songs lacks a picture of its chart; one query."""
    count = _pictures().filter(snapshot=OuterRef("pk")).values("snapshot").annotate(n=Count("pk")).values("n")
    current = Snapshot.objects.current(listener, time_ranges).filter(HAS_SONGS).alias(n=Coalesce(Subquery(count), 0))
    return current.exclude(n=_wanted()).exists()


def _pictures() -> QuerySet[Card]:
    """The pictures of charts that are as they would be drawn now."""
    unchanged = F("snapshot__listener__changed_at")
    return Card.objects.filter(kind__in=words.KINDS, design=words.design(), listener_changed_at=unchanged)


def _wanted() -> int:
    """How many of them a snapshot has."""
    return len(words.KINDS) * len(settings.LANGUAGES)


def draw_chart(pk: int, kinds: Collection[str] = tuple(words.KINDS)) -> int:
    """Draws and stores the pictures of this snapshot's chart, in each language; how many. Raises CannotDraw.

    It is 0 if the snapshot is gone, has no songs, or is not the newest any more.
    """
    snapshot = Snapshot.objects.select_related("listener").filter(pk=pk).first()
    placements = list(Placement.objects.filter(snapshot=pk).with_tracks())
    if snapshot is None or not placements:
        return 0
    cards = []
    for language in languages():
        with translation.override(language):
            for kind in kinds:
                template, songs, file_format = words.KINDS[kind]
                said = words.of_chart(snapshot.listener, snapshot, placements, songs=songs)
                body = draw(template, said, file_format=file_format)
                if file_format == "svg":
                    body = words.with_words(body, said)
                cards.append(_card(snapshot, kind, language, words.design(), body))
    return _store(snapshot, cards)


def draw_line(pk: int, kind: str) -> int:
    """Draws and stores the picture of a line of a year, in each language; how many. Raises CannotDraw.

    `kind` is that of `kind_of_line`.
    """
    snapshot = Snapshot.objects.select_related("listener").filter(pk=pk).first()
    number, _, line = kind.removeprefix(YEAR).removesuffix(".png").partition("-")
    if snapshot is None or not number.isdecimal():
        return 0
    year = years.look_back(snapshot.listener, TimeRange(snapshot.time_range), int(number))
    cards = []
    for language in languages() if year else []:
        with translation.override(language):
            said = words.of_year(snapshot.listener, year, line) if year else None
            if said:
                body = draw("year", said, file_format="png")
                cards.append(_card(snapshot, kind, language, words.digest_of(said), body))
    return _store(snapshot, cards)


def kind_of_line(year: int, line: str) -> str:
    return f"{YEAR}{year}-{line}.png"


def _card(snapshot: Snapshot, kind: str, language: str, design: str, body: bytes) -> Card:
    return Card(
        snapshot=snapshot,
        kind=kind,
        language=language,
        design=design,
        listener_changed_at=snapshot.listener.changed_at,
        body=packed(kind, body),
        digest=hashlib.sha256(body).hexdigest()[:32],
    )


def _store(snapshot: Snapshot, cards: list[Card]) -> int:
    """In one short transaction: these in the place of those of the same kinds, and none of former snapshots."""
    with transaction.atomic():
        # Locked, so that it cannot go meanwhile: then the cards would refer to nothing.
        current = Snapshot.objects.select_for_update(no_key=True).filter(pk=snapshot.pk).first()
        if current is None or newest(snapshot.listener, snapshot.time_range) != current:
            return 0
        Card.objects.bulk_create(
            cards,
            update_conflicts=True,
            unique_fields=["snapshot", "kind", "language"],
            update_fields=["design", "listener_changed_at", "body", "digest"],
        )
        siblings = Card.objects.filter(snapshot__listener=snapshot.listener, snapshot__time_range=snapshot.time_range)
        siblings.exclude(snapshot=snapshot).delete()
    return len(cards)
