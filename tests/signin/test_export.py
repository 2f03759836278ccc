"""/me/export: everything that is stored of a listener, for the listener alone, in flat memory."""

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.conf import settings as project
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.utils import timezone

from simulator import Simulator
from tests import factories
from tests.conftest import Browser, Server
from tests.people import invite, made, who
from tests.views.past import DAY, at, live, today
from tracks.cards import store
from tracks.etl.service import refresh
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
from tracks.signin.export import TABLES, archive

pytestmark = pytest.mark.django_db

Files = dict[str, bytes]


def opened(content: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(content)) as zipped:
        assert zipped.testzip() is None
        return {name: zipped.read(name) for name in zipped.namelist()}


def download(browser: Browser) -> bytes:
    response: Any = browser.get("/me/export")
    assert (response.status_code, response["Content-Type"]) == (200, "application/zip")
    assert "no-store" in response["Cache-Control"]
    return b"".join(response.streaming_content)


def export(browser: Browser) -> Files:
    return opened(download(browser))


def rows(files: Files, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(files[f"{name}.json"])
    return found


def cells(files: Files, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(files[f"{name}.csv"].decode(), newline="")))


@pytest.fixture
def ana(host: Browser, simulator: Simulator) -> Browser:
    return made(simulator, "stranger", name="Ana", handle="ana")


@pytest.mark.database
def test_it_has_all_of_the_listener_and_nothing_of_anybody_else(
    ana: Browser, host: Browser, simulator: Simulator
) -> None:
    me = who(ana)
    live(me, {at(today() - number * DAY): [f"Past {number}", "Past always"] for number in range(120)})
    Notice.objects.create(listener=me, kind="failing", about=timezone.now(), channel="email")
    files = export(ana)
    snapshots = me.snapshots.all()
    assert {row["id"] for row in rows(files, "snapshots")} == {one.pk for one in snapshots}
    placements = Placement.objects.filter(snapshot__in=snapshots)
    assert sorted((row["snapshot"], row["position"], row["track"]) for row in rows(files, "placements")) == sorted(
        placements.values_list("snapshot", "position", "track")
    )
    tracks = Track.objects.filter(placements__in=placements).distinct()
    assert 140 < tracks.count() < Track.objects.count()
    assert {row["id"]: row["name"] for row in rows(files, "tracks")} == dict(tracks.values_list("pk", "name"))
    credits = Credit.objects.filter(track__in=tracks)
    assert sorted((row["track"], row["artist"]) for row in rows(files, "credits")) == sorted(
        credits.values_list("track", "artist")
    )
    assert {row["id"] for row in rows(files, "artists")} == set(credits.values_list("artist", flat=True))
    assert [row["outcome"] for row in rows(files, "runs")] == ["refreshed"]
    assert [row["kind"] for row in rows(files, "notices")] == ["failing"]
    (listener,) = rows(files, "listener")
    assert (listener["name"], listener["handle"], listener["visibility"]) == ("Ana", "ana", "private")
    (account,) = rows(files, "account")
    assert (account["spotify_id"], account["extra_data"]["scope"]) == (me.account.uid, "user-top-read")
    assert len(rows(files, "tokens")) == len(rows(files, "sessions")) == 1
    whole = b"".join(files.values())
    hosts = Listener.objects.get(is_host=True)
    assert hosts.account.uid.encode() not in whole and me.account.uid.encode() in whole


@pytest.mark.database
def test_json_and_csv_say_the_same(host: Browser) -> None:
    files = export(host)
    names = {name.partition(".")[0] for name in files}
    assert names == {table.name for table in TABLES}
    for name in names:
        values, texts = rows(files, name), cells(files, name)
        assert len(values) == len(texts)
        for row, line in zip(values, texts, strict=True):
            assert list(row) == list(line)
            for column, value in row.items():
                text = line[column]
                assert (json.loads(text) if isinstance(value, (list, dict)) else text.lstrip("'")) == (
                    value if isinstance(value, (list, dict)) else "" if value is None else str(value)
                )


def test_rows_of_a_chart_stand_together_in_the_order_they_were_stored(host: Browser) -> None:
    first, second = who(host).snapshots.order_by("pk")[:2]
    Placement.objects.all().delete()
    tracks = Track.objects.all()[:2]
    for snapshot, position in ((second, 2), (second, 1), (first, 2), (first, 1)):
        Placement.objects.create(snapshot=snapshot, position=position, track=tracks[position - 1])
    assert [(row["snapshot"], row["position"]) for row in rows(export(host), "placements")] == [
        (first.pk, 2), (first.pk, 1), (second.pk, 2), (second.pk, 1)
    ]  # fmt: skip


def test_moments_are_in_utc_titles_as_they_are_and_files_of_today(host: Browser, simulator: Simulator) -> None:
    simulator.set_top("host", "short_term", [factories.item(1, name="夜行バスの窓")])
    refresh(listener=who(host), trigger="cron", force=True)
    content = download(host)
    files = opened(content)
    moment = who(host).authorized_at
    assert rows(files, "listener")[0]["authorized_at"] == moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert "夜行バスの窓".encode() in files["tracks.json"]
    with zipfile.ZipFile(io.BytesIO(content)) as zipped:
        now = timezone.now()
        for info in zipped.infolist():
            assert now - datetime(*info.date_time, tzinfo=UTC) < timedelta(minutes=2)


def test_it_is_sent_in_parts_of_the_size_that_is_set(host: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracks.signin.export.CHUNK_BYTES", 1000)
    *parts, _end = map(len, archive(who(host)))
    assert len(parts) > 7 and min(parts) > 1000 and max(parts) < 6000, parts


def test_what_opens_doors_is_not_in_it(host: Browser, settings: Any) -> None:
    settings.LISTENERS = "invited"
    secret = invite(host).split("/")[2]
    files = export(host)
    whole = b"".join(files.values())
    assert len(rows(files, "invitations")) == 1
    token = SocialToken.objects.get()
    secrets = [token.token, token.token_secret, host.cookies[project.SESSION_COOKIE_NAME].value, secret,
               Invitation.objects.get().digest, User.objects.get(pk=who(host).account.user_id).password,
               UserSession.objects.filter(user__isnull=False).get().session_data]  # fmt: skip
    assert all(secrets)
    assert [one for one in secrets if one.encode() in whole] == []


def test_a_spreadsheet_runs_nothing(host: Browser, simulator: Simulator) -> None:
    simulator.set_top("host", "short_term", [factories.item(1, name="=HYPERLINK(1)")])
    refresh(listener=who(host), trigger="cron", force=True)
    assert "'=HYPERLINK(1)" in [row["name"] for row in cells(export(host), "tracks")]
    assert "=HYPERLINK(1)" in [row["name"] for row in rows(export(host), "tracks")]


def test_staged_files_are_stored_of_the_listener_too(host: Browser, settings: Any, tmp_path: Path) -> None:
    settings.STAGING_DIR = tmp_path
    refresh(listener=who(host), trigger="cron", force=True)
    files = export(host)
    staged = {name: content for name, content in files.items() if name.startswith("staged/")}
    assert len(staged) == 6
    assert staged["staged/short_term/raw_spotify.json"] == next(tmp_path.glob("*/short_term/raw*")).read_bytes()


def test_pictures_are_in_it_as_they_are_served(host: Browser) -> None:
    snapshot = who(host).snapshots.get(time_range="long_term")
    for kind, body in (("card.png", b"a picture"), ("receipt.svg", b"<svg/>")):
        Card.objects.create(
            snapshot=snapshot,
            kind=kind,
            language="es",
            listener_changed_at=timezone.now(),
            body=store.packed(kind, body),
        )
    files = export(host)
    found = {name: content for name, content in files.items() if name.startswith("pictures/")}
    assert found == {
        "pictures/long_term/es/card.png": b"a picture", "pictures/long_term/es/receipt.svg": b"<svg/>"
    }  # fmt: skip


def test_it_is_for_the_listener_alone(host: Browser, visitor: Browser, ana: Browser) -> None:
    response = visitor.get("/me/export")
    assert (response.status_code, response["Location"]) == (302, "/login")
    root = Browser()
    root.force_login(User.objects.create_superuser("root"))
    assert root.get("/me/export").status_code == 403
    assert host.post("/me/export").status_code in (403, 405)
    for browser in (host, ana):
        assert rows(export(browser), "listener")[0]["id"] == who(browser).pk


def test_the_own_page_and_the_privacy_page_name_it(host: Browser, visitor: Browser) -> None:
    assert re.search(r'<a href="/me/export" download>Download everything</a>', host.get("/me/").content.decode())
    assert "“Download everything” on your page" in visitor.get("/privacy").content.decode()


def test_it_is_limited(host: Browser, settings: Any) -> None:
    settings.RATELIMIT_ENABLE = True
    cache.clear()
    answers = [host.get("/me/export", headers={"Accept": "text/html"}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[-1]["Retry-After"] == "60"


@pytest.mark.parametrize("model", [Listener, SocialAccount, User, Snapshot])
def test_whatever_belongs_to_a_listener_is_in_it(model: Any) -> None:
    """A new table fails here, until somebody has decided what of it a listener gets."""
    # The pictures are files of their own; allauth's addresses never get a row here, as none is asked for.
    besides = {"Card", "EmailAddress"}
    owned = {relation.related_model.__name__ for relation in model._meta.related_objects}
    assert owned - {table.model.__name__ for table in TABLES} - besides == set()


@pytest.mark.parametrize("table", [table for table in TABLES if table.model.__module__ == "tracks.models"])
def test_every_field_is_in_it(table: Any) -> None:
    kept_back = {
        Listener: {"account"}, RefreshRun: {"listener"}, Snapshot: {"listener"}, Notice: {"listener", "id"},
        Invitation: {"made_by", "digest", "id"}, UserSession: {"session_key", "session_data", "user"},
        Placement: {"id"}, Credit: {"id"}, Track: {"artists", "folded"}, Artist: set(),
    }[table.model]  # fmt: skip
    fields = {field.name for field in table.model._meta.get_fields() if field.concrete}
    given = {field.removesuffix("_id") if field != "spotify_id" else field for field in table.columns.values()}
    assert fields - given == kept_back


@pytest.mark.django_db(transaction=True)
@pytest.mark.processes
def test_a_slow_reader_holds_no_connection(host: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    live(
        who(host),
        {at(today() - number * DAY): [f"Past {number} {place}" for place in range(20)] for number in range(99)},
    )
    listener = Listener.objects.select_related("account").get()
    # As the server has it: spotify_top/postgres/base.py.
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
    monkeypatch.setattr("tracks.signin.export.CHUNK_BYTES", 1000)
    connection.close()
    parts = archive(listener)
    held = [connection.connection is not None for _ in parts]
    assert len(held) > 5 and not any(held)


@pytest.fixture
def busy_year(host: Browser) -> Listener:
    """Three ranges that changed each day of a year, and a refresh each hour."""
    listener = who(host)
    tracks = Track.objects.bulk_create(
        Track(spotify_id=f"year{n}", name=f"Year {n}" * 10, duration_ms=1, url="https://open.spotify.com/")
        for n in range(2000)
    )
    first = timezone.now() - timedelta(days=366)
    listener.snapshots.all().delete()
    snapshots = Snapshot.objects.bulk_create(
        Snapshot(
            listener=listener, time_range=time_range, first_seen_at=first + day * DAY, confirmed_at=first + day * DAY
        )
        for time_range in ("short_term", "medium_term", "long_term")
        for day in range(365)
    )
    Placement.objects.bulk_create(
        (
            Placement(snapshot=snapshot, position=place, track=tracks[(number * 7 + place) % 2000])
            for number, snapshot in enumerate(snapshots)
            for place in range(1, 21)
        ),
        batch_size=5000,
    )
    RefreshRun.objects.bulk_create(
        RefreshRun(listener=listener, trigger="cron", started_at=first + n * timedelta(hours=1), outcome="unchanged")
        for n in range(8760)
    )
    return listener


def memory(server: Server, kind: str) -> list[int]:
    """In KiB, of each worker: VmRSS is what it holds now, VmHWM the most it ever held."""
    workers = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    found = (re.search(rf"{kind}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text()) for pid in workers)
    return [int(one[1]) for one in found if one]


@pytest.fixture
def workers(busy_year: Listener, tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    server.wait_until_up()
    yield server
    server.process.kill()
    server.process.wait()


@pytest.mark.django_db(transaction=True)
@pytest.mark.processes
def test_a_year_of_three_ranges_does_not_grow_the_worker(host: Browser, workers: Server) -> None:
    cookies = {project.SESSION_COOKIE_NAME: host.cookies[project.SESSION_COOKIE_NAME].value}
    for _ in range(6):  # both workers have everything loaded
        requests.get(f"{workers.site}/me/", cookies=cookies, timeout=20)
    before = memory(workers, "VmHWM")
    answer = requests.get(f"{workers.site}/me/export", cookies=cookies, timeout=60)
    after = memory(workers, "VmHWM")
    files = opened(answer.content)
    assert (len(rows(files, "placements")), len(rows(files, "runs"))) == (3 * 365 * 20, 8761)
    assert sum(map(len, files.values())) > 5_000_000
    grown = [now - then for now, then in zip(after, before, strict=True)]
    assert max(grown) < 6 * 1024, (before, after)
