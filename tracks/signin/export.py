"""What is stored of a listener, to take along: one zip, made while it is sent.

What `tracks/signin/disconnect.py` would delete is in it, but for what opens doors: tokens, keys of sessions, and the
digests of invitations.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from allauth.socialaccount.models import SocialAccount, SocialToken
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Model
from django.utils import timezone

from tracks.cards import store
from tracks.etl import stage
from tracks.models import (
    Artist,
    Card,
    Credit,
    Invitation,
    Listener,
    Notice,
    Placement,
    RefreshRun,
    Snapshot,
    Track,
    UserSession,
)
from tracks.spreadsheet import neutralised

# In memory at a time: the rows of so many keys (a chart has 20), and so much of the zip.
KEYS_A_PAGE = 50
CHUNK_BYTES = 32 * 1024


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of one kind: those whose field `by` has one of the keys.

    `columns` are the names in the files, each with its field.
    """

    name: str
    model: type[Model]
    keys: Callable[[Listener], Iterable[Any]]
    columns: Mapping[str, str]
    by: str = "pk"

    def rows(self, listener: Listener) -> Iterator[tuple[Any, ...]]:
        """In pages, each in a query of its own: between them the database's connection is free for others."""
        keys = iter(sorted(self.keys(listener)))
        _give_connection_back()
        while page := list(islice(keys, KEYS_A_PAGE)):
            found = self.model._default_manager.filter(**{f"{self.by}__in": page}).order_by(self.by, "pk")
            rows = list(found.values_list(*self.columns.values()))
            _give_connection_back()
            yield from rows


def _give_connection_back() -> None:
    """Where visitors share a few (spotify_top/postgres/base.py): whoever reads slowly would keep it for long."""
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()


def _same(*fields: str) -> dict[str, str]:
    return {field: field for field in fields}


def _snapshots(listener: Listener) -> Iterable[int]:
    return listener.snapshots.values_list("pk", flat=True)


def _tracks(listener: Listener) -> Iterable[str]:
    return Placement.objects.filter(snapshot__listener=listener).values_list("track", flat=True).distinct()


def _artists(listener: Listener) -> Iterable[str]:
    stood = Credit.objects.filter(track__placements__snapshot__listener=listener)
    return stood.values_list("artist", flat=True).distinct()


TABLES = [
    Table(
        name="user",
        model=User,
        keys=lambda listener: [listener.account.user_id],
        columns=_same("username", "date_joined", "last_login", "is_staff", "is_superuser"),
    ),
    Table(
        name="account",
        model=SocialAccount,
        keys=lambda listener: [listener.account_id],
        columns={"spotify_id": "uid"} | _same("provider", "date_joined", "last_login", "extra_data"),
    ),
    Table(
        name="tokens",
        model=SocialToken,
        keys=lambda listener: SocialToken.objects.filter(account=listener.account_id).values_list("pk", flat=True),
        columns=_same("expires_at"),
    ),
    Table(
        name="sessions",
        model=UserSession,
        keys=lambda listener: UserSession.objects.filter(user=listener.account.user_id).values_list("pk", flat=True),
        columns={"expires_at": "expire_date"},
    ),
    Table(
        name="admin_log",
        model=LogEntry,
        keys=lambda listener: LogEntry.objects.filter(user=listener.account.user_id).values_list("pk", flat=True),
        columns={"at": "action_time", "about": "content_type__model"} | _same("object_repr", "change_message"),
    ),
    Table(
        name="listener",
        model=Listener,
        keys=lambda listener: [listener.pk],
        columns=_same(
            "id", "is_host", "handle", "name", "visibility", "changed_at", "state", "authorized_at", "refreshed_at",
            "lease_until", "due_at", "failures", "handed_out_until",
        ),
    ),
    Table(
        name="invitations",
        model=Invitation,
        keys=lambda listener: listener.invitations.values_list("pk", flat=True),
        columns=_same("created_at", "expires_at", "used_at"),
    ),
    Table(
        name="runs",
        model=RefreshRun,
        keys=lambda listener: listener.runs.values_list("pk", flat=True),
        columns=_same(
            "id", "trigger", "time_ranges", "started_at", "finished_at", "outcome", "extracted", "loaded", "rejected",
            "rejects", "error_code",
        ),
    ),
    Table(
        name="notices",
        model=Notice,
        keys=lambda listener: listener.notices.values_list("pk", flat=True),
        columns=_same("kind", "about", "channel", "tried_at", "sent_at"),
    ),
    Table(
        name="snapshots",
        model=Snapshot,
        keys=_snapshots,
        columns=_same("id", "time_range", "first_seen_at", "confirmed_at"),
    ),
    Table(
        name="placements",
        model=Placement,
        keys=_snapshots,
        by="snapshot",
        columns={"snapshot": "snapshot_id", "track": "track_id"} | _same("position", "previous_position", "entry"),
    ),
    Table(
        name="tracks",
        model=Track,
        keys=_tracks,
        columns={"id": "spotify_id"}
        | _same(
            "name", "album", "release_date", "release_date_precision", "duration_ms", "explicit", "popularity", "url",
            "covers",
        ),
    ),
    Table(
        name="credits",
        model=Credit,
        keys=_tracks,
        by="track",
        columns={"track": "track_id", "artist": "artist_id"} | _same("position"),
    ),
    Table(name="artists", model=Artist, keys=_artists, columns={"id": "spotify_id"} | _same("name", "url")),
]  # fmt: skip


def archive(listener: Listener) -> Iterator[bytes]:
    """The zip, in parts: each table as JSON and as CSV, the pictures, and the files of STAGING_DIR."""
    out = _Parts()
    with ZipFile(out, "w") as zipped:  # type: ignore[call-overload]
        for name, lines in _files(listener):
            info = ZipInfo(name, timezone.now().timetuple()[:6])
            info.compress_type = ZIP_DEFLATED
            with zipped.open(info, "w") as file:
                for line in lines:
                    file.write(line)
                    if out.size > CHUNK_BYTES:
                        yield out.take()
    yield out.take()


def _files(listener: Listener) -> Iterator[tuple[str, Iterable[bytes]]]:
    """The name of each file in the zip, and its lines."""
    for table in TABLES:
        yield f"{table.name}.json", _as_json(table, listener)
        yield f"{table.name}.csv", _as_csv(table, listener)
    pictures = list(Card.objects.filter(snapshot__listener=listener).order_by("pk").values_list("pk", flat=True))
    _give_connection_back()
    for pk in pictures:
        # One at a time; it may have been replaced meanwhile.
        card = Card.objects.filter(pk=pk).select_related("snapshot").first()
        _give_connection_back()
        if card:
            yield f"pictures/{card.snapshot.time_range}/{card.language}/{card.kind}", [store.body_of(card)]
    for path in stage.files(listener.pk):
        yield f"staged/{path.parent.name}/{path.name}", [path.read_bytes()]


def _as_json(table: Table, listener: Listener) -> Iterator[bytes]:
    yield b"["
    before = "\n"
    for row in table.rows(listener):
        record = dict(zip(table.columns, map(_plain, row), strict=True))
        yield f"{before}{json.dumps(record, ensure_ascii=False)}".encode()
        before = ",\n"
    yield b"\n]\n"


def _as_csv(table: Table, listener: Listener) -> Iterator[bytes]:
    yield _csv_line(table.columns)
    for row in table.rows(listener):
        yield _csv_line(json.dumps(value) if isinstance(value, (list, dict)) else _plain(value) for value in row)


def _csv_line(cells: Iterable[Any]) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow(map(neutralised, cells))
    return line.getvalue().encode()


def _plain(value: Any) -> Any:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value


class _Parts:
    """A file that only takes, as a client does: what was written stays until it is taken away."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0

    def write(self, data: bytes) -> int:
        self.parts.append(bytes(data))
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        pass

    def take(self) -> bytes:
        taken = b"".join(self.parts)
        self.parts, self.size = [], 0
        return taken
