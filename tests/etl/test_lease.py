"""Who may refresh a listener, and for how long others are kept out."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.factories import account
from tracks.etl import lease
from tracks.etl.lease import Busy, Claimed, TooSoon
from tracks.models import Listener, RefreshRun, Snapshot

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 23, 7, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ALL = ("short_term", "medium_term", "long_term")


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)


def a_listener(name: str, lease_until: datetime | None = None) -> Listener:
    return Listener.objects.create(account=account(name), authorized_at=NOW, lease_until=lease_until)


@pytest.fixture
def someone() -> Listener:
    return a_listener("someone")


def confirmed(listener: Listener, ago: timedelta, *time_ranges: str) -> None:
    for name in time_ranges:
        Snapshot.objects.create(
            listener=listener, time_range=name, first_seen_at=NOW - timedelta(days=1), confirmed_at=NOW - ago
        )


def held_until(listener: Listener) -> datetime | None:
    return Listener.objects.get(pk=listener.pk).lease_until


def test_a_lease_lasts_a_minute_and_is_one_listeners(someone: Listener) -> None:
    other = a_listener("other")
    assert lease.claim(someone, ALL, force=True) == Claimed(NOW + 60 * SECOND)
    assert held_until(someone) == NOW + 60 * SECOND
    assert held_until(other) is None


@pytest.mark.parametrize(
    ("until", "free"),
    [
        (None, True),
        (NOW - SECOND, True),
        (NOW, True),
        (NOW + SECOND, False),
        (NOW + 60 * SECOND, False),
        (NOW + 70 * SECOND, False),  # taken by a machine whose clock is a little ahead
        (NOW + 71 * SECOND, True),  # taken by a clock that was wrong
    ],
)
def test_a_lease_that_somebody_holds_keeps_others_out(until: datetime | None, free: bool) -> None:
    listener = a_listener("someone", until)
    assert lease.claim(listener, ALL, force=True) == (Claimed(NOW + 60 * SECOND) if free else Busy())
    assert held_until(listener) == (NOW + 60 * SECOND if free else until)


def test_a_listener_who_has_left_cannot_be_claimed(someone: Listener) -> None:
    gone = Listener.objects.get()
    someone.delete()
    a_listener("other")
    assert lease.claim(gone, ALL, force=True) == Busy()


@pytest.mark.parametrize(("seconds", "fresh"), [(-11, False), (-9, True), (0, True), (59, True), (60, False)])
def test_charts_confirmed_within_a_minute_are_not_asked_for_again(someone: Listener, seconds: int, fresh: bool) -> None:
    ago = seconds * SECOND
    if ago < timedelta(0):  # by a clock that was ahead
        Snapshot.objects.bulk_create(
            Snapshot(listener=someone, time_range=name, first_seen_at=NOW, confirmed_at=NOW - ago) for name in ALL
        )
    else:
        confirmed(someone, ago, *ALL)
    assert isinstance(lease.claim(someone, ALL, force=False), TooSoon if fresh else Claimed)
    assert (held_until(someone) is None) == fresh


def test_forced_it_asks_however_fresh_the_charts_are(someone: Listener) -> None:
    confirmed(someone, SECOND, *ALL)
    assert isinstance(lease.claim(someone, ALL, force=True), Claimed)


@pytest.mark.parametrize(
    ("asked", "fresh"),
    [(("short_term",), True), (("short_term", "short_term"), True), (("long_term",), False),
     (("short_term", "long_term"), False)],
)  # fmt: skip
def test_every_range_asked_for_must_be_fresh(someone: Listener, asked: Any, fresh: bool) -> None:
    confirmed(someone, SECOND, "short_term", "medium_term")
    confirmed(a_listener("other"), SECOND, *ALL)
    assert isinstance(lease.claim(someone, asked, force=False), TooSoon if fresh else Claimed)


def test_a_range_confirmed_twice_counts_once(someone: Listener) -> None:
    confirmed(someone, SECOND, "short_term")
    Snapshot.objects.create(
        listener=someone, time_range="short_term", first_seen_at=NOW - SECOND, confirmed_at=NOW - SECOND
    )
    assert isinstance(lease.claim(someone, ("short_term", "long_term"), force=False), Claimed)
    assert lease.release(someone, NOW + 60 * SECOND)
    assert isinstance(lease.claim(someone, ("short_term",), force=False), TooSoon)


def test_who_takes_over_closes_the_run_that_was_killed(someone: Listener) -> None:
    def run(listener: Listener, **facts: Any) -> RefreshRun:
        return RefreshRun.objects.create(listener=listener, trigger="cron", started_at=NOW - SECOND, **facts)

    killed, closed, others = run(someone), run(someone, outcome="refreshed"), run(a_listener("other"))
    lease.claim(someone, ALL, force=True)
    for row in (killed, closed, others):
        row.refresh_from_db()
    assert (killed.outcome, killed.error_code, killed.finished_at) == ("abandoned", "killed", NOW)
    assert (closed.outcome, closed.error_code) == ("refreshed", "")
    assert others.outcome == "running"


def test_a_lease_is_given_back_once_together_with_what_is_said(someone: Listener) -> None:
    other = a_listener("other", NOW + 60 * SECOND)
    lease.claim(someone, ALL, force=True)
    assert not lease.release(someone, NOW, refreshed_at=NOW)
    assert held_until(someone) == NOW + 60 * SECOND
    assert lease.release(someone, NOW + 60 * SECOND, refreshed_at=NOW) is True
    assert not lease.release(someone, NOW + 60 * SECOND)
    someone.refresh_from_db()
    assert (someone.lease_until, someone.refreshed_at) == (None, NOW)
    assert held_until(other) == NOW + 60 * SECOND


def test_a_look_takes_nothing_and_sees_what_a_claim_would(someone: Listener) -> None:
    other = a_listener("other", lease_until=NOW + SECOND)
    assert lease.look(other, ALL, force=True) == Busy()
    confirmed(other, SECOND, *ALL)
    assert lease.look(someone, ALL, force=False) is None
    confirmed(someone, SECOND, *ALL)
    assert lease.look(someone, ALL, force=False) == TooSoon()
    assert lease.look(someone, ALL, force=True) is None
    assert held_until(someone) is None
