"""The one service that refreshes: what it leaves and tells, however it ends."""

import logging
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from allauth.socialaccount.models import SocialToken
from django.db import DatabaseError, InterfaceError, OperationalError
from django.utils import timezone

from simulator import Fault, Simulator
from tests.factories import account, an_hour_passes, expire
from tests.helpers import TOP, tables
from tracks.etl.load import Change
from tracks.etl.results import RefreshResult
from tracks.etl.service import Patience, preview, refresh
from tracks.etl.signals import refresh_finished
from tracks.models import Listener, RefreshRun, Snapshot, SpotifyPause
from tracks.spotify import pace

pytestmark = pytest.mark.django_db

ALL = ["short_term", "medium_term", "long_term"]
FAILED = "The refresh failed in a way nobody foresaw; the last chart stays. The log has the details."
LOST = "The refresh took too long; another took over."


@pytest.fixture
def told() -> Iterator[list[dict[str, Any]]]:
    """What each refresh told those who follow."""
    heard: list[dict[str, Any]] = []

    def hear(sender: type, **facts: Any) -> None:
        assert sender is Listener
        del facts["signal"]
        heard.append(facts)

    refresh_finished.connect(hear)
    yield heard
    refresh_finished.disconnect(hear)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="tracks.etl.service")
    return caplog


def refresh_now(listener: Listener, *, trigger: str = "cron", **options: Any) -> RefreshResult:
    return refresh(listener=listener, trigger=trigger, **({"force": True} | options))


def last_run() -> RefreshRun:
    return RefreshRun.objects.latest("pk")


def fail(error: BaseException) -> Any:
    def instead(*args: object, **kwargs: object) -> None:
        raise error

    return instead


# When all is well


def test_a_refresh_leaves_a_run_with_its_counts_and_a_listener_who_is_up_to_date(
    listener: Listener, simulator: Simulator
) -> None:
    simulator.set_top("host", "short_term", [*simulator.accounts["host"].rankings["short_term"][:4], None, 7])
    Listener.objects.update(state=Listener.State.NEEDS_SIGN_IN, refreshed_at=None)
    started = timezone.now()
    result = refresh_now(listener)
    run = last_run()
    assert (run.listener, run.trigger, run.time_ranges) == (listener, "cron", ALL)
    assert (run.outcome, run.error_code) == ("refreshed", "")
    assert (run.extracted, run.loaded, run.rejected) == (46, 44, 2)
    assert run.rejects == [
        {"time_range": "short_term", "position": 5, "reason": "not a track"},
        {"time_range": "short_term", "position": 6, "reason": "not a track"},
    ]
    assert run.finished_at is not None and started <= run.started_at <= run.finished_at <= timezone.now()
    listener.refresh_from_db()
    assert (listener.state, listener.lease_until) == (Listener.State.CONNECTED, None)
    assert listener.refreshed_at == run.finished_at == Snapshot.objects.latest("pk").first_seen_at
    assert (result.outcome, result.error, result.error_code, result.warnings) == ("refreshed", None, "", ())
    assert result.summary == (
        "Refreshed: lists of 4, 20 and 20 songs (2 left out, as Spotify described them incompletely); "
        "0 new, 0 moved, 16 left."
    )
    assert [(part.time_range, part.extracted, part.loaded, part.change) for part in result.ranges] == [
        ("short_term", 6, 4, Change(new=0, moved=0, left=16, first=False)),
        ("medium_term", 20, 20, Change(new=0, moved=0, left=0, first=False)),
        ("long_term", 20, 20, Change(new=0, moved=0, left=0, first=False)),
    ]


def test_unchanged_is_an_outcome_of_its_own(listener: Listener) -> None:
    assert refresh_now(listener).outcome == last_run().outcome == "unchanged"


def test_each_time_range_is_asked_for_once_and_for_as_many_songs_as_the_setting_says(
    listener: Listener, simulator: Simulator, settings: Any
) -> None:
    settings.TOP_TRACKS_LIMIT = 3
    result = refresh_now(listener, time_ranges=["long_term", "short_term", "long_term"])
    assert [(call.query["time_range"], call.query["limit"]) for call in simulator.calls] == [
        ("long_term", "3"), ("short_term", "3"),
    ]  # fmt: skip
    assert [part.time_range for part in result.ranges] == last_run().time_ranges == ["long_term", "short_term"]


def test_fresh_charts_are_not_asked_for_again_unless_forced(
    listener: Listener, simulator: Simulator, told: list[dict[str, Any]]
) -> None:
    runs = RefreshRun.objects.count()
    result = refresh(listener=listener, trigger="host")
    assert (result.outcome, result.summary) == (
        "too_soon", "The chart is less than a minute old; Spotify was not asked.",
    )  # fmt: skip
    assert not simulator.calls and RefreshRun.objects.count() == runs
    assert told == [{"listener": listener, "trigger": "host", "result": result, "milliseconds": {}}]
    an_hour_passes()
    assert refresh(listener=listener, trigger="host").worked


def test_the_demos_days_are_as_short_as_its_visitors_like(listener: Listener, settings: Any) -> None:
    settings.DEMO = True
    assert refresh(listener=listener, trigger="host").worked


def test_while_another_is_at_work_nothing_is_done(
    listener: Listener, simulator: Simulator, told: list[dict[str, Any]]
) -> None:
    until = timezone.now() + timedelta(seconds=30)
    Listener.objects.update(lease_until=until)
    runs = RefreshRun.objects.count()
    result = refresh_now(listener)
    assert (result.outcome, result.summary) == (
        "busy", "Another refresh is at work; its result will show on the page.",
    )  # fmt: skip
    assert not simulator.calls and RefreshRun.objects.count() == runs
    assert Listener.objects.get().lease_until == until
    assert told[0]["result"] == result


# What is told, and to whom


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock on which every look costs 12.3456 ms."""
    ticks = iter(range(1, 1000))
    monkeypatch.setattr("tracks.etl.service.time.perf_counter", lambda: next(ticks) * 0.0123456)


@pytest.mark.usefixtures("clock")
def test_those_who_follow_hear_of_the_result_and_of_the_time_each_stage_took(
    listener: Listener, told: list[dict[str, Any]]
) -> None:
    result = refresh(listener=listener, trigger="machine", force=True)
    assert told == [
        {
            "listener": listener,
            "trigger": "machine",
            "result": result,
            "milliseconds": {"extract": 12.3, "transform": 12.3, "load": 12.3},
        }
    ]


@pytest.mark.usefixtures("clock")
def test_a_refresh_is_one_line_in_the_log_with_its_facts_beside_it(
    listener: Listener, simulator: Simulator, log: pytest.LogCaptureFixture
) -> None:
    simulator.set_top("host", "short_term", [None])
    refresh_now(listener, time_ranges=("short_term", "long_term"))
    (record,) = log.records
    facts = {
        "run": last_run().pk, "listener": listener.pk, "trigger": "cron", "time_ranges": ["short_term", "long_term"],
        "outcome": "refreshed", "error": None, "extracted": 21, "loaded": 20, "rejected": 1, "extract_ms": 12.3,
        "transform_ms": 12.3, "load_ms": 12.3,
    }  # fmt: skip
    assert {name: getattr(record, name) for name in facts} == facts
    assert record.getMessage() == "refresh " + " ".join(f"{name}={value}" for name, value in facts.items())


def test_the_line_of_a_failure_names_its_cause(
    listener: Listener, simulator: Simulator, log: pytest.LogCaptureFixture
) -> None:
    simulator.fault(TOP, Fault.json(500, {}))
    refresh_now(listener)
    assert " outcome=unavailable error=unavailable extracted=0 " in log.records[-1].getMessage()


def test_the_line_of_a_refresh_that_did_not_start_has_no_run(listener: Listener, log: pytest.LogCaptureFixture) -> None:
    refresh(listener=listener, trigger="cron")
    assert log.records[-1].getMessage().startswith(f"refresh run=None listener={listener.pk} ")


def test_a_follower_that_fails_harms_nobody(listener: Listener, told: list[dict[str, Any]]) -> None:
    broken = fail(ValueError())
    refresh_finished.connect(broken)
    try:
        assert refresh_now(listener).worked
    finally:
        refresh_finished.disconnect(broken)
    assert len(told) == 1


# When it does not work


# A connection that the database broke is closed, and with it the transaction of another kind of test.
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("error", "outcome", "code"),
    [
        (OperationalError(), "failed", "database"),
        (InterfaceError(), "failed", "database"),
        (KeyboardInterrupt(), "abandoned", "stopped"),
        (SystemExit(75), "abandoned", "stopped"),
    ],
)
def test_what_ends_the_process_is_raised_after_the_run_is_closed(
    listener: Listener, told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch,
    error: BaseException, outcome: str, code: str,
) -> None:  # fmt: skip
    monkeypatch.setattr("tracks.etl.service.load", fail(error))
    monkeypatch.setattr("tracks.etl.service.prune", fail(AssertionError("there is no time for this")))
    before = tables()
    with pytest.raises(type(error)):
        refresh_now(listener)
    run = last_run()
    assert (run.outcome, run.error_code) == (outcome, code)
    assert run.finished_at is not None
    assert Listener.objects.get().lease_until is None
    assert tables() == before
    (heard,) = told
    assert (heard["result"].outcome, heard["result"].error_code, heard["result"].summary) == (outcome, code, "")


def test_what_nobody_foresaw_becomes_a_result_and_is_logged_whole(
    listener: Listener, told: list[dict[str, Any]], log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracks.etl.service.load", fail(ZeroDivisionError()))
    result = refresh_now(listener)
    assert (result.outcome, result.error_code, result.summary) == ("failed", "internal", FAILED)
    assert (last_run().outcome, last_run().error_code) == ("failed", "internal")
    assert "ZeroDivisionError" in log.text and str(listener) in log.text
    assert told[0]["result"] == result


def test_a_lease_that_ran_out_loads_nothing(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tables()
    thief = timezone.now() + timedelta(seconds=50)

    def steal(**kwargs: object) -> str:
        Listener.objects.update(lease_until=thief)
        return ""

    monkeypatch.setattr("tracks.etl.service.stage.stage", steal)
    result = refresh_now(listener)
    assert (result.outcome, result.error_code, result.summary) == ("abandoned", "lease_lost", LOST)
    assert (last_run().outcome, last_run().error_code) == ("abandoned", "lease_lost")
    assert tables() == before
    assert Listener.objects.get().lease_until == thief


def test_an_error_of_spotify_is_the_result(listener: Listener, simulator: Simulator) -> None:
    simulator.fault(TOP, Fault.rate_limited(30))
    result = refresh_now(listener)
    assert (result.outcome, result.error_code) == (last_run().outcome, last_run().error_code)
    assert result.outcome == "rate_limited" and result.error is not None
    assert result.error.retry_seconds in range(28, 32)
    assert Listener.objects.get().state == Listener.State.CONNECTED


def test_a_sign_in_that_lapsed_discards_the_token_and_asks_for_a_new_one(
    listener: Listener, simulator: Simulator
) -> None:
    expire()
    simulator.revoke()
    assert refresh_now(listener).outcome == "sign_in_needed"
    assert Listener.objects.get().state == Listener.State.NEEDS_SIGN_IN
    assert not SocialToken.objects.exists()
    assert refresh_now(listener).outcome == "sign_in_needed"


def test_a_permission_that_is_missing_costs_no_token(listener: Listener, simulator: Simulator) -> None:
    simulator.fault(TOP, Fault.json(403, {"error": {"status": 403, "message": "Insufficient client scope"}}))
    assert refresh_now(listener).outcome == "sign_in_needed"
    assert SocialToken.objects.exists()


def test_who_signed_in_again_meanwhile_is_connected(listener: Listener, simulator: Simulator) -> None:
    expire()
    simulator.revoke()
    listener.authorized_at -= timedelta(days=1)  # as it was when the refresh began
    refresh_now(listener)
    assert Listener.objects.get().state == Listener.State.CONNECTED


def test_another_listeners_state_and_run_are_left_alone(listener: Listener, simulator: Simulator) -> None:
    other = Listener.objects.create(account=account("other"), authorized_at=listener.authorized_at)
    run = RefreshRun.objects.create(listener=other, trigger="cron", started_at=timezone.now())
    expire()
    simulator.revoke()
    refresh_now(listener)
    refresh_now(listener)
    other.refresh_from_db()
    run.refresh_from_db()
    assert (other.state, other.refreshed_at, run.outcome, run.finished_at) == ("connected", None, "running", None)


@pytest.mark.parametrize("faulty", [True, False])
def test_what_is_overdue_goes_on_its_day_whether_or_not_spotify_answers(
    listener: Listener, simulator: Simulator, settings: Any, faulty: bool
) -> None:
    settings.HISTORY_DAYS = 30
    simulator.shuffle("host", "short_term")
    refresh_now(listener)
    old = Snapshot.objects.filter(time_range="short_term").earliest("first_seen_at")
    long_ago = timezone.now() - timedelta(days=31)
    Snapshot.objects.filter(pk=old.pk).update(first_seen_at=long_ago, confirmed_at=long_ago)
    if faulty:
        simulator.fault(TOP, Fault.json(500, {}))
    refresh_now(listener)
    assert not Snapshot.objects.filter(pk=old.pk).exists()


def test_a_refresh_that_did_not_start_prunes_nothing(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracks.etl.service.prune", fail(AssertionError("nothing to do")))
    assert refresh(listener=listener, trigger="cron").outcome == "too_soon"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (DatabaseError("secret"), "The end of a refresh could not be written: DatabaseError"),
        (InterfaceError("secret"), "The end of a refresh could not be written: InterfaceError"),
        (ZeroDivisionError("the cause"), "the cause"),
    ],
)
def test_an_ending_that_cannot_be_written_is_logged_and_told(
    listener: Listener, told: list[dict[str, Any]], log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch,
    error: Exception, words: str,
) -> None:  # fmt: skip
    monkeypatch.setattr("tracks.etl.service.prune", fail(error))
    result = refresh_now(listener)
    assert result.worked and told[0]["result"] == result
    assert words in log.text and "secret" not in log.text
    assert log.records[-1].getMessage().startswith("refresh run=")


def test_a_staging_folder_that_fails_is_a_warning(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    staged = []

    def stage(*, listener_id: int, part: Any) -> str:
        staged.append((listener_id, part.time_range))
        return "" if part.time_range == "long_term" else f"{part.time_range} failed."

    monkeypatch.setattr("tracks.etl.service.stage.stage", stage)
    result = refresh_now(listener)
    assert result.worked and result.warnings == ("short_term failed.", "medium_term failed.")
    assert staged == [(listener.pk, name) for name in ALL]


# A look without writing


def test_a_preview_shows_the_charts_and_writes_nothing(listener: Listener, simulator: Simulator) -> None:
    simulator.shuffle("host", "short_term")
    before, runs = tables(), RefreshRun.objects.count()
    result = preview(listener=listener)
    assert (result.outcome, result.summary, result.ok) == ("dry_run", "Nothing was written.", True)
    assert [(part.time_range, part.loaded, part.change) for part in result.ranges] == [(name, 20, None) for name in ALL]
    assert (tables(), RefreshRun.objects.count()) == (before, runs)
    assert Listener.objects.get().lease_until is None


def test_a_preview_asks_for_each_range_once(listener: Listener, simulator: Simulator) -> None:
    preview(listener=listener, time_ranges=["long_term", "long_term"])
    assert [call.query["time_range"] for call in simulator.calls] == ["long_term"]


def test_a_preview_waits_for_nobody_and_lets_go_when_it_fails(listener: Listener, simulator: Simulator) -> None:
    simulator.fault(TOP, Fault.json(500, {}))
    assert preview(listener=listener).outcome == "unavailable"
    assert Listener.objects.get().lease_until is None
    until = timezone.now() + timedelta(seconds=30)
    Listener.objects.update(lease_until=until)
    assert preview(listener=listener).outcome == "busy"
    assert Listener.objects.get().lease_until == until


def test_a_preview_holds_the_lease_meanwhile(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    def look(*args: object, **kwargs: object) -> dict[str, Any]:
        assert refresh_now(listener).outcome == "busy"
        return {"items": []}

    monkeypatch.setattr("tracks.etl.service.extract", look)
    assert preview(listener=listener).ok


# What goes on its day


@pytest.mark.parametrize("error", [OperationalError("gone"), KeyboardInterrupt()])
def test_nothing_is_pruned_when_the_database_is_away_or_all_ends(
    listener: Listener, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    pruned: list[Listener] = []
    monkeypatch.setattr("tracks.etl.service.prune", pruned.append)
    refresh_now(listener)
    assert refresh(listener=listener, trigger="cron").outcome == "too_soon"
    assert pruned == [listener], "nor where nothing was done"
    monkeypatch.setattr("tracks.etl.service.load", fail(error))
    with pytest.raises(type(error)):
        refresh_now(listener)
    assert pruned == [listener]


def test_who_was_refreshed_between_the_look_and_the_claim_is_left_alone(
    listener: Listener, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh_now(listener)
    simulator.calls.clear()
    monkeypatch.setattr("tracks.etl.lease.look", lambda *args, **options: None)
    assert refresh(listener=listener, trigger="cron").outcome == "too_soon" and not simulator.calls


def test_a_sign_in_takes_from_what_is_kept_for_sign_ins(listener: Listener, settings: Any) -> None:
    settings.SPOTIFY_CALLS_PER_30_SECONDS = 16
    pace.take(12)
    at_once = Patience(seconds=0)
    waiting = refresh_now(listener, patience=at_once)
    assert (waiting.outcome, waiting.summary) == ("waiting", str(pace.QUOTA_IS_USED_UP))
    assert refresh_now(listener, trigger="sign_in", patience=at_once).worked


@pytest.mark.parametrize(("trigger", "first"), [("cron", False), ("sign_in", True)])
def test_a_call_that_was_not_foreseen_takes_a_place_of_its_own_kind(
    listener: Listener, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, trigger: str, first: bool
) -> None:
    simulator.fault(TOP, Fault(status=401), times=1)
    asked: list[tuple[int, bool]] = []
    wait = pace.wait

    def heard(calls: int, *, first: bool, **how: Any) -> Any:
        asked.append((calls, first))
        return wait(calls, first=first, **how)

    monkeypatch.setattr(pace, "wait", heard)
    assert refresh_now(listener, trigger=trigger).worked
    assert asked == [(3, first), (1, first), (1, first)], "a token renewed, and the call again"


def test_places_that_are_not_used_in_time_are_moved(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[tuple[int, pace.Taken]] = []

    def move(calls: int, taken: pace.Taken) -> pace.Taken:
        moved.append((calls, taken))
        return taken

    monkeypatch.setattr(pace, "GOOD_FOR", 0)
    monkeypatch.setattr(pace, "move", move)
    assert refresh_now(listener).worked
    assert [calls for calls, _ in moved] == [3, 2, 1]
    assert all(isinstance(taken, pace.Taken) for _, taken in moved)


def test_a_quota_too_small_for_one_refresh_is_a_failure(listener: Listener, settings: Any) -> None:
    settings.SPOTIFY_CALLS_PER_30_SECONDS = 2
    result = refresh_now(listener)
    assert (result.outcome, result.error_code) == ("failed", "quota_too_small")


def test_the_wait_for_places_leaves_time_for_the_calls_and_ends_with_all_else(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    over: list[bool] = []
    asked: dict[str, Any] = {}
    monkeypatch.setattr(pace, "wait", lambda calls, **how: asked.update(how, calls=calls))
    patience = Patience(seconds=100, ends_at=time.monotonic() + 10, is_over=lambda: bool(over))
    assert refresh_now(listener, patience=patience).error_code == "quota"
    assert asked["calls"] == 3 and 5 < asked["seconds"] <= 6
    assert not asked["is_over"]()
    over.append(True)
    assert asked["is_over"]()
    over.clear()
    SpotifyPause.objects.create(service="api", until=timezone.now() + timedelta(minutes=1))
    assert asked["is_over"]()
