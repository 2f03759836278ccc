"""10,000 listeners with half a million placements: every read and every claim goes by an index (PostgreSQL)."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from simulator import Simulator
from tests.conftest import Browser, database_url
from tests.ops.test_queue import connect
from tracks.etl import schedule
from tracks.etl.service import keep_house, refresh
from tracks.models import Listener

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="EXPLAIN differs"),
]

BIG = ["tracks_listener", "tracks_snapshot", "tracks_placement", "tracks_refreshrun", "tracks_track",
       "socialaccount_socialaccount", "socialaccount_socialtoken"]  # fmt: skip
# As what restores a dump does: without looking up each foreign key.
FILL = """
SET session_replication_role = replica;
INSERT INTO auth_user (username, password, first_name, last_name, email, is_superuser, is_staff, is_active, date_joined)
    SELECT 'many-' || n, '', '', '', '', false, false, true, now() FROM generate_series(1, 10000) n;
INSERT INTO socialaccount_socialaccount (provider, uid, last_login, date_joined, extra_data, user_id)
    SELECT 'spotify', username, now(), now(), '{}', id FROM auth_user WHERE username LIKE 'many-%';
INSERT INTO socialaccount_socialtoken (token, token_secret, account_id, expires_at)
    SELECT 'x', 'x', id, now() FROM socialaccount_socialaccount WHERE uid LIKE 'many-%';
INSERT INTO tracks_listener (account_id, is_host, handle, name, visibility, changed_at, state, authorized_at,
                             refreshed_at, due_at, failures)
    SELECT id, false, uid, '', 'unlisted', now(), 'connected', now(), now() - random() * interval '1 hour',
           now() + (random() - 0.02) * interval '1 hour', 0
    FROM socialaccount_socialaccount WHERE uid LIKE 'many-%';
INSERT INTO tracks_track (spotify_id, name, album, release_date, release_date_precision, duration_ms, explicit, url,
                          covers)
    SELECT 'past' || n, 'Past', '', '', '', 1, false, 'https://example.com/', '[]' FROM generate_series(1, 20000) n;
INSERT INTO tracks_snapshot (listener_id, time_range, first_seen_at, confirmed_at)
    SELECT l.id, r, now() - interval '1 day', now() - interval '1 day'
    FROM tracks_listener l, unnest(ARRAY['short_term', 'medium_term', 'long_term']) r
    WHERE l.handle LIKE 'many-%';
INSERT INTO tracks_placement (snapshot_id, position, track_id, entry)
    SELECT s.id, p, 'past' || ((s.id * 7 + p) % 20000 + 1), '' FROM tracks_snapshot s, generate_series(1, 17) p
    WHERE s.first_seen_at < now() - interval '12 hours';
INSERT INTO tracks_refreshrun (listener_id, trigger, time_ranges, started_at, finished_at, outcome, extracted, loaded,
                               rejected, rejects, error_code)
    SELECT l.id, 'queue', '[]', now() - n * interval '5 days', now(), 'unchanged', 0, 0, 0, '[]', ''
    FROM tracks_listener l, generate_series(0, 9) n;
SET session_replication_role = origin;
ANALYZE;
"""

# Each kind of read of a search: by words, the near names, all songs in an order, and what happened.
QUESTIONS = ["salt lamp", "xyzzy", "longest explicit", "number one in october new since monday", "left this week",
             "back biggest climb", "most days at number one", "from the 90s"]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _leaves_no_dead_rows(django_db_setup: None) -> Iterator[None]:
    """Half a million rows that were rolled back still lie in the table's file; later tests would read through them."""
    yield
    with psycopg.connect(database_url(), autocommit=True) as vacuum:
        vacuum.execute("VACUUM")


@contextmanager
def by_index(but: str = "") -> Iterator[None]:
    """Fails for a statement in it that PostgreSQL would answer by reading a whole big table, `but` this one."""
    with CaptureQueriesContext(connection) as queries:
        yield
    statements = [query["sql"] for query in queries if query["sql"].startswith(("SELECT", "UPDATE", "DELETE", "\n"))]
    assert statements
    for sql in statements:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {sql}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
        for table in set(BIG) - {but}:
            assert f"Seq Scan on {table} " not in plan, f"{sql}\n{plan}"


def test_every_read_and_claim_goes_by_an_index(host: Browser, visitor: Browser, simulator: Simulator) -> None:
    guest = connect(simulator, 1, handle="guest", visibility="unlisted")
    refresh(listener=guest, trigger="queue")
    with connection.cursor() as cursor:
        cursor.execute(FILL.replace("%", "%%"), [])
    song = guest.snapshots.latest("first_seen_at").placements.all()[0].track
    snapshot = guest.snapshots.latest("first_seen_at").pk
    for path in ("", "tracks.json", "tracks.csv", "history.json", f"tracks/{song.pk}.json",
                 "history/", f"history/{snapshot}/", "artists/", "feed.atom",
                 f"tracks/{song.pk}/", f"artists/{song.credited_artists[0].pk}/"):  # fmt: skip
        for browser, address in ((visitor, f"/@guest/{path}"), (host, f"/{path}")):
            with by_index():
                assert browser.get(address).status_code in (200, 404), address
    for question in QUESTIONS:
        # Of 20,000 titles PostgreSQL rather reads all than goes to those of the listener one by one.
        with by_index(but="tracks_track"):
            assert visitor.get("/@guest/search.json", {"q": question}).status_code == 200
    with by_index():
        assert visitor.get("/health").status_code == 200
    with by_index():
        assert 100 < len(schedule.claim_due()) <= 400
    with by_index():
        list(Listener.objects.due(timezone.now())[:1000])
    with by_index():
        list(Listener.objects.waiting(timezone.now() - timedelta(minutes=59))[:1000])
    with by_index():
        assert refresh(listener=guest, trigger="queue", force=True).ok
    Listener.objects.filter(pk__lt=guest.pk + 20).exclude(is_host=True).update(state="needs_sign_in")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE tracks_listener")
    with by_index():
        keep_house()
