"""Many listeners by the command and by machine: the order, the common quota, and whom one's failure does not stop."""

import logging
import math
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from allauth.socialaccount.models import SocialToken
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from simulator import Fault, Simulator
from tests.conftest import ROOT, Browser, Manage, environment
from tests.ops.test_queue import connect, tokens_seen, wait_until
from tracks.etl import schedule
from tracks.etl.results import RefreshResult
from tracks.etl.round import refresh_each
from tracks.etl.service import Patience, hand_out, keep_house, refresh
from tracks.models import Dispatch, Invitation, Listener, RefreshRun, Refusal, Snapshot, SpotifyPause, SpotifyQuota
from tracks.spotify import pace
from tracks.spotify.errors import RateLimited, Unavailable

pytestmark = pytest.mark.django_db(transaction=True)

TOP = "/v1/me/top/tracks"
TOKEN = "a-token-for-machines"


def run(*arguments: str) -> tuple[int, list[str], str]:
    """Exit code, lines of stdout, and stderr."""
    out, err = StringIO(), StringIO()
    try:
        call_command("refresh_top_tracks", *arguments, stdout=out, stderr=err)
    except CommandError as error:
        return error.returncode, out.getvalue().splitlines(), err.getvalue() + str(error)
    return 0, out.getvalue().splitlines(), err.getvalue()


@pytest.fixture
def others(listener: Listener, simulator: Simulator) -> list[Listener]:
    """Three beside the host, who was refreshed two hours ago."""
    Listener.objects.update(refreshed_at=timezone.now() - timedelta(hours=2))
    Snapshot.objects.update(
        first_seen_at=timezone.now() - timedelta(hours=3), confirmed_at=timezone.now() - timedelta(hours=2)
    )
    found = [connect(simulator, number, handle=f"guest-{number}") for number in (1, 2, 3)]
    simulator.calls.clear()
    return found


@pytest.fixture(autouse=True)
def _one_writer(settings: Any) -> None:
    """`make mutants` works on SQLite in memory, which has no more."""
    if os.environ.get("TEST_DATABASE_URL") == "memory":
        settings.REFRESH_CONCURRENCY = 1


def token_of(listener: Listener, simulator: Simulator) -> str:
    from tracks.spotify.tokens import decrypt

    return decrypt(SocialToken.objects.get(account=listener.account).token)


@pytest.mark.database
class TestCommand:
    def test_a_line_each_with_the_handle_and_one_that_counts(self, others: list[Listener]) -> None:
        code, lines, err = run()
        assert (code, err) == (0, "")
        assert {line.split(":")[0] for line in lines[:-1]} == {
            f"@{handle}" for handle in Listener.objects.values_list("handle", flat=True)
        }
        assert lines[-1] == "4 listeners: 3 refreshed, 1 unchanged."
        assert run()[1] == ["4 listeners: nobody was due."]
        assert run("--verbosity", "0", "--force")[1] == []

    def test_longest_waiting_first(self, others: list[Listener], simulator: Simulator, settings: Any) -> None:
        settings.REFRESH_CONCURRENCY = 1
        ago = {others[0].pk: 5, others[1].pk: 90, others[2].pk: None}
        for pk, minutes in ago.items():
            at = timezone.now() - timedelta(minutes=minutes) if minutes else None
            Listener.objects.filter(pk=pk).update(refreshed_at=at)
        run()
        order = list(RefreshRun.objects.filter(trigger="cron").order_by("pk").values_list("listener", flat=True))
        host = Listener.objects.get(is_host=True).pk
        assert order == [others[2].pk, host, others[1].pk, others[0].pk]

    def test_one_dead_token_one_not_allowed_one_that_hangs_stop_nobody_else(
        self, others: list[Listener], simulator: Simulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dead, refused, _ = others
        monkeypatch.setattr("tracks.etl.service.EXTRACT_SECONDS", 2)
        SocialToken.objects.filter(account=dead.account).delete()
        simulator.accounts["new"].allowed = False
        for listener, account in ((refused, "new"),):
            grant = simulator.grant(account)
            from tracks.spotify.tokens import encrypt

            SocialToken.objects.filter(account=listener.account).update(token=encrypt(grant["access_token"]))
        simulator.fault(TOP, Fault.hang(10).only("long_term"), times=1)
        code, lines, err = run()
        assert (code, err) == (0, "") or code == 75  # whoever it is that hangs
        assert Counter(RefreshRun.objects.filter(trigger="cron").values_list("outcome", flat=True)) == {
            "sign_in_needed": 1, "failed": 1, "unavailable": 1, "unchanged" if code == 0 else "refreshed": 1,
        }  # fmt: skip
        assert RefreshRun.objects.get(listener=refused).error_code == "not_allowed"
        assert len(lines) == 5
        dead.refresh_from_db()
        assert (dead.state, dead.due_at) == ("needs_sign_in", None)

    def test_the_exit_code_is_the_hosts(self, others: list[Listener], simulator: Simulator) -> None:
        host = Listener.objects.get(is_host=True)
        SocialToken.objects.filter(account=host.account).delete()
        code, lines, err = run()
        assert code == 77 and err.startswith(f"@{host.handle}: ") and err.count("\n") == 0
        assert lines[-1] == "4 listeners: 3 refreshed, 1 sign in needed."
        assert run()[0] == 77  # also when nobody else is due

    def test_named_ones_alone_and_the_worst_of_their_codes(self, others: list[Listener], simulator: Simulator) -> None:
        SocialToken.objects.filter(account=others[1].account).delete()
        assert run("--listener", "Guest-1")[:1] == (0,)
        assert RefreshRun.objects.filter(trigger="cron").count() == 1
        code, lines, _ = run("--listener", "guest-3", "--listener", "@guest-2", "--listener", "guest-3")
        assert code == 77 and lines[-1] == "2 listeners: 1 refreshed, 1 sign in needed."
        assert run("--listener", "guest-2", "--listener", "guest-3")[0] == 77
        code, _, err = run("--listener", "nobody-here")
        assert code == 1 and "nobody-here" in err

    def test_dry_run_writes_nothing_for_anybody(self, others: list[Listener]) -> None:
        before = RefreshRun.objects.count(), Snapshot.objects.count()
        code, lines, _ = run("--dry-run", "--time-range", "short_term")
        assert code == 0 and sum(" — " in line for line in lines) == 80
        assert (RefreshRun.objects.count(), Snapshot.objects.count()) == before

    def test_a_429_ends_the_round_and_what_is_left_is_taken_up_in_order(
        self, others: list[Listener], simulator: Simulator, settings: Any
    ) -> None:
        settings.REFRESH_CONCURRENCY = 1
        simulator.fault(TOP, Fault.rate_limited(600))
        code, lines, err = run()
        assert code == 75 and "next run" in err  # the host was among those left
        assert lines[-1] == "4 listeners: 1 rate limited, 3 waiting."
        assert len(simulator.calls) == 1
        SpotifyPause.objects.all().delete()
        simulator.clear_faults()
        assert run()[0] == 0
        assert RefreshRun.objects.filter(trigger="cron", outcome__in=["refreshed", "unchanged"]).count() == 4

    def test_a_database_that_refuses_one_does_not_stop_the_others(
        self, others: list[Listener], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from tracks.etl import load, service

        def refuse(*, listener: Listener, **rest: Any) -> Any:
            if listener.pk == others[0].pk:
                raise OperationalError("deadlock detected")
            return load.load(listener=listener, **rest)

        monkeypatch.setattr(service, "load", refuse)
        code, lines, _ = run()
        assert code == 0 and "1 failed" in lines[-1] and len(lines) == 5
        ((_, result),) = refresh_each(others[:1], lambda **how: refresh(trigger="cron", force=True, **how), at_once=1)
        assert result is not None and result.error_code == "database"
        assert result.summary == "The database was busy; the last chart stays. Try again later."

    def test_each_is_told_how_long_it_may_take_and_when_all_is_over(self, others: list[Listener]) -> None:
        told: list[tuple[Patience, float, bool]] = []

        def work(*, listener: Listener, patience: Patience) -> RefreshResult:
            told.append((patience, patience.ends_at - time.monotonic(), patience.is_over()))
            return RefreshResult(outcome="unchanged", summary="")

        assert len(list(refresh_each(others, work, at_once=1, seconds=60))) == 3
        for patience, seconds_left, was_over in told:
            assert patience.seconds == math.inf and 50 < seconds_left <= 60
            assert not was_over and patience.is_over()

    def test_who_got_no_place_waits_for_the_next_round(self, others: list[Listener]) -> None:
        def work(*, listener: Listener, patience: Patience) -> RefreshResult:
            return RefreshResult(outcome="waiting" if listener == others[1] else "unchanged", summary="")

        left = [listener for listener, result in refresh_each(others, work, at_once=1) if result is None]
        assert left == [others[1]]

    def test_who_was_refreshed_since_the_round_began_is_left_in_peace(
        self, others: list[Listener], simulator: Simulator
    ) -> None:
        stale = list(Listener.objects.filter(pk=others[0].pk))
        refresh(listener=others[0], trigger="cron")
        assert others[1].refreshed_at is None, "another's moment, which is as it was, counts for nothing"
        simulator.calls.clear()
        ((_, result),) = refresh_each(stale, lambda **how: refresh(trigger="cron", force=True, **how), at_once=1)
        assert result is not None and result.outcome == "too_soon" and not simulator.calls
        assert result.summary == "Another process has refreshed this chart meanwhile."


@pytest.mark.processes
class TestCommandInTime:
    def test_as_many_at_a_time_as_set(self, others: list[Listener], simulator: Simulator, settings: Any) -> None:
        simulator.fault(TOP, Fault(delay=1))
        times = {}
        for settings.REFRESH_CONCURRENCY in (1, 4):
            started = time.monotonic()
            run("--force", "--time-range", "short_term")
            times[settings.REFRESH_CONCURRENCY] = time.monotonic() - started
        assert times[1] > 4 and times[4] < times[1] - 1

    def test_it_waits_for_places_in_the_quota(
        self, others: list[Listener], simulator: Simulator, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.SPOTIFY_CALLS_PER_30_SECONDS = 6
        monkeypatch.setattr(pace, "WINDOW", 4)
        SpotifyQuota.objects.all().delete()
        assert run()[1][-1] == "4 listeners: 3 refreshed, 1 unchanged."
        at = sorted(call.at for call in simulator.calls)
        assert len(at) == 12 and all(later - earlier > 2 for earlier, later in zip(at, at[6:], strict=False))

    def test_sigterm_ends_within_seconds_and_what_is_at_work_is_finished(
        self, others: list[Listener], simulator: Simulator
    ) -> None:
        simulator.fault(TOP, Fault(delay=1))
        process = subprocess.Popen(
            [sys.executable, "manage.py", "refresh_top_tracks"],
            cwd=ROOT, env=environment(REFRESH_CONCURRENCY="1"),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        wait_until(lambda: simulator.calls)
        os.kill(process.pid, signal.SIGTERM)
        out, err = process.communicate(timeout=15)
        assert process.returncode == 75, err
        assert out.splitlines()[-1] == "4 listeners: 1 refreshed, 3 waiting."
        assert not Listener.objects.exclude(lease_until=None).exists()

    def test_sigterm_does_not_wait_for_the_quota(self, others: list[Listener], simulator: Simulator) -> None:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "refresh_top_tracks"],
            cwd=ROOT, env=environment(SPOTIFY_CALLS_PER_30_SECONDS="3"), stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        wait_until(lambda: len(simulator.calls) == 3)
        time.sleep(1)
        started = time.monotonic()
        process.terminate()
        out = process.communicate(timeout=15)[0]
        assert time.monotonic() - started < 5
        assert out.splitlines()[-1].endswith(", 3 waiting.")


class TestPace:
    @pytest.mark.processes
    def test_never_more_than_the_quota_in_any_window_over_several_processes(
        self, others: list[Listener], simulator: Simulator, manage: Manage
    ) -> None:
        """Counted at the simulator, by arrival; the third call of each is late enough to need new places.

        Shown with a window of 12 s, four of them slack as in the real one; `make rehearsal` has the real one.
        """
        for number in range(4, 10):
            connect(simulator, number)
        simulator.fault(TOP, Fault(delay=1.2).only("medium_term"))
        changes = {"SPOTIFY_CALLS_PER_30_SECONDS": "12", "REFRESH_CONCURRENCY": "3"}
        command = (
            "from django.core.management import call_command; from tracks.spotify import pace; pace.WINDOW = 12;"
            "call_command('refresh_top_tracks', verbosity=0)"
        )
        processes = [
            subprocess.Popen(
                [sys.executable, "manage.py", "shell", "--no-imports", "--command", command],
                cwd=ROOT, env=environment(**changes),
            )
            for _ in range(3)
        ]  # fmt: skip
        try:
            wait_until(lambda: len(simulator.calls) >= 18, seconds=60)
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(30)
        at = sorted(call.at for call in simulator.calls)
        gaps = [later - earlier for earlier, later in zip(at, at[12:], strict=False)]
        assert len(gaps) >= 6 and min(gaps) > 8
        assert set(tokens_seen(simulator).values()) == {3}
        assert not RefreshRun.objects.filter(outcome="unavailable").exists()

    def test_sign_ins_have_a_quarter_for_themselves_and_go_first(self, db: None, settings: Any) -> None:
        settings.SPOTIFY_CALLS_PER_30_SECONDS = 60
        while isinstance(pace.take(4), pace.Taken):
            pass
        assert sum(count for _, count in SpotifyQuota.objects.get().calls) == 44
        for _ in range(15):
            assert isinstance(pace.take(1, first=True), pace.Taken)
        assert isinstance(pace.take(1), pace.Later)

    def test_thirty_code_exchanges_a_minute_fit_in_beside_refreshes(self, db: None, settings: Any) -> None:
        """Each is two calls. While they come, refreshes get nothing: 60 calls in each window are theirs."""
        settings.SPOTIFY_CALLS_PER_30_SECONDS = 60
        assert pace.most(first=True) * 60 / pace.WINDOW >= 2 * 30

    @pytest.mark.parametrize("quota", [1, 2, 3])
    def test_a_quota_that_holds_no_refresh_says_so(
        self, listener: Listener, simulator: Simulator, settings: Any, quota: int
    ) -> None:
        settings.SPOTIFY_CALLS_PER_30_SECONDS = quota
        SocialToken.objects.update(expires_at=timezone.now())
        code, _, err = run("--force")
        assert code == 1 and ": SPOTIFY_CALLS_PER_30_SECONDS is too small: one refresh takes up to 4 calls." in err
        assert not simulator.calls

    def test_a_small_quota_is_used_to_the_full(self, listener: Listener, simulator: Simulator, settings: Any) -> None:
        settings.SPOTIFY_CALLS_PER_30_SECONDS = 4
        SocialToken.objects.update(expires_at=timezone.now())
        assert run("--force")[0] == 0
        assert len(simulator.calls) == 4

    def test_places_are_taken_before_the_lease(self, listener: Listener, settings: Any) -> None:
        settings.SPOTIFY_CALLS_PER_30_SECONDS = 3
        SpotifyQuota.objects.all().delete()
        assert isinstance(pace.take(3), pace.Taken)
        result = refresh(listener=listener, trigger="cron", force=True, patience=Patience(seconds=0))
        assert result.outcome == "waiting"
        listener.refresh_from_db()
        assert listener.lease_until is None and not RefreshRun.objects.filter(trigger="cron").exists()

    def test_no_transaction_is_open_while_somebody_waits_or_calls(
        self, listener: Listener, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[bool] = []
        take, use = pace.take, pace.Places.use

        def watched(work: Any) -> Any:
            def wrapper(*args: Any, **rest: Any) -> Any:
                seen.append(connection.in_atomic_block)
                return work(*args, **rest)

            return wrapper

        monkeypatch.setattr(pace, "take", watched(take))
        monkeypatch.setattr(pace.Places, "use", watched(use))
        assert refresh(listener=listener, trigger="cron", force=True).ok
        assert seen == [False] * 4

    def test_places_that_were_not_used_in_time_are_moved_and_not_lost(
        self, db: None, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.SPOTIFY_CALLS_PER_30_SECONDS = 3
        monkeypatch.setattr(pace, "GOOD_FOR", 0.0)
        taken = pace.take(3)
        assert isinstance(taken, pace.Taken)
        places = pace.Places(3, taken)
        time.sleep(1.1)
        places.use(seconds=0)
        ((second, count),) = SpotifyQuota.objects.get().calls
        assert second > taken.second and count == 3
        places.use(seconds=0)
        places.use(seconds=0)
        with pytest.raises(Unavailable):
            places.use(seconds=0)

    def test_a_clock_that_was_set_back_stops_nobody(self, db: None, settings: Any) -> None:
        settings.SPOTIFY_CALLS_PER_30_SECONDS = 3
        SpotifyQuota.objects.create(pk=1, calls=[[int(time.time()) + 3600, 3]])
        assert isinstance(pace.take(3), pace.Taken)


@pytest.mark.database
class TestSchedule:
    def test_after_success_the_interval_and_a_stable_jitter_that_only_lengthens(self, settings: Any) -> None:
        now = timezone.now()
        waits = []
        for pk in range(1, 200):
            due = schedule.after_success(Listener(pk=pk), now)["due_at"]
            assert due == schedule.after_success(Listener(pk=pk), now)["due_at"]
            waits.append((due - now).total_seconds() / 60)  # type: ignore[operator]
        assert 60 <= min(waits) < 61 and 65 < max(waits) <= 66 and len(set(waits)) > 190

    def test_after_a_pause_its_end_and_the_jitter(self) -> None:
        until = timezone.now() + timedelta(hours=3)
        result = RefreshResult.of_error(RateLimited(until))
        due = schedule.after_failure(Listener(pk=7), result, timezone.now())["due_at"]
        assert until <= due <= until + timedelta(minutes=6)  # type: ignore[operator]

    def test_after_an_outage_five_minutes_doubling_to_six_hours(self, listener: Listener, simulator: Simulator) -> None:
        simulator.fault(TOP, Fault.html(500))
        waits = []
        for _ in range(9):
            listener.refresh_from_db()
            refresh(listener=listener, trigger="cron", force=True)
            listener.refresh_from_db()
            waits.append(round((listener.due_at - timezone.now()).total_seconds() / 60))  # type: ignore[operator]
        assert waits == [5, 10, 20, 40, 80, 160, 320, 360, 360]
        simulator.clear_faults()
        refresh(listener=listener, trigger="cron", force=True)
        listener.refresh_from_db()
        assert listener.failures == 0

    def test_none_while_a_sign_in_is_needed_and_at_once_after_it(self, host: Browser) -> None:
        SocialToken.objects.all().delete()
        refresh(listener=Listener.objects.get(), trigger="cron", force=True)
        assert Listener.objects.get().due_at is None
        host.sign_in()
        assert Listener.objects.get().due_at > timezone.now() + timedelta(minutes=59)  # type: ignore[operator]

    def test_who_is_due_in_half_a_minute_is_not_handed_out_yet(self, others: list[Listener]) -> None:
        Listener.objects.update(due_at=timezone.now() + timedelta(seconds=30))
        assert schedule.claim_due() == []

    @pytest.mark.parametrize(("ahead", "claimed"), [(85, 0), (95, 4)])
    def test_a_hand_out_from_a_clock_that_was_wrong_is_none(
        self, others: list[Listener], ahead: int, claimed: int
    ) -> None:
        now = timezone.now()
        Listener.objects.update(due_at=now, handed_out_until=now + timedelta(seconds=ahead))
        assert len(schedule.claim_due()) == claimed

    @pytest.mark.parametrize("seconds", [-5, 5])
    def test_clocks_that_differ_by_5_seconds_refresh_nobody_twice_or_never(
        self, listener: Listener, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, seconds: int
    ) -> None:
        def off() -> datetime:
            return datetime.now(UTC) + timedelta(seconds=seconds)

        Snapshot.objects.update(first_seen_at=off() - timedelta(hours=1), confirmed_at=off() - timedelta(hours=1))
        with monkeypatch.context() as machine:
            machine.setattr("tracks.etl.service.timezone.now", off)
            assert refresh(listener=listener, trigger="cron").worked
        assert refresh(listener=listener, trigger="cron").outcome == "too_soon"
        assert len(simulator.calls) == 3
        Listener.objects.update(due_at=timezone.now() - timedelta(seconds=6), handed_out_until=None)
        with monkeypatch.context() as machine:
            machine.setattr("tracks.etl.schedule.timezone.now", off)
            assert schedule.claim_due() == [listener.pk]
        assert schedule.claim_due() == []


class TestMachines:
    @pytest.fixture
    def machine(self, settings: Any) -> Client:
        settings.REFRESH_TOKEN = TOKEN
        return Client(HTTP_HOST="127.0.0.1:8000", headers={"Authorization": f"Bearer {TOKEN}"})

    def test_the_host_and_then_the_others(self, machine: Client, others: list[Listener], simulator: Simulator) -> None:
        answer = machine.post("/refresh")
        assert answer.status_code == 200
        assert answer.json()["outcome"] == "unchanged"
        assert answer.json()["others"] == {"refreshed": 3, "failed": 0, "waiting": 0}
        assert list(tokens_seen(simulator).values()) == [3] * 4

    def test_all_within_the_time_and_the_rest_wait(
        self, machine: Client, others: list[Listener], simulator: Simulator, settings: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setattr("tracks.views.refresh.ROUND_SECONDS", 8)
        settings.REFRESH_CONCURRENCY = 1
        simulator.fault(TOP, Fault(delay=0.7))
        started = time.monotonic()
        others_counted = machine.post("/refresh").json()["others"]
        assert time.monotonic() - started < 8
        assert others_counted["waiting"] >= 1 and sum(others_counted.values()) == 3

    def test_a_hanging_spotify_is_left_in_time(
        self, machine: Client, others: list[Listener], simulator: Simulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tracks.views.refresh.ROUND_SECONDS", 7)
        simulator.fault(TOP, Fault.hang(30), times=4)
        started = time.monotonic()
        assert machine.post("/refresh").status_code == 503
        assert time.monotonic() - started < 7.5

    def test_a_429_leaves_the_others(self, machine: Client, others: list[Listener], simulator: Simulator) -> None:
        simulator.fault(TOP, Fault.rate_limited(60))
        answer = machine.post("/refresh")
        assert answer.status_code == 429 and answer.json()["others"]["waiting"] == 3
        assert len(simulator.calls) == 1

    def test_the_hosts_trouble_does_not_stop_the_others(self, machine: Client, others: list[Listener]) -> None:
        SocialToken.objects.filter(account__listener__is_host=True).delete()
        answer = machine.post("/refresh")
        assert answer.status_code == 409 and answer.json()["others"]["refreshed"] == 3

    def test_due_json_and_one_alone(self, machine: Client, others: list[Listener], simulator: Simulator) -> None:
        due = machine.get("/due.json").json()["due"]
        assert len(due) == 3  # the host was refreshed by the sign-in
        assert [entry["overdue_seconds"] // 60 for entry in due] == [3, 2, 1]
        RefreshRun.objects.filter(listener__is_host=True).update(started_at=timezone.now() - timedelta(days=91))
        key = due[0]["listener"]
        assert isinstance(key, str) and key not in {others[2].handle, others[2].account.uid}
        assert machine.post(f"/refresh?listener={key}").json()["outcome"] == "refreshed"
        assert list(tokens_seen(simulator)) == [f"Bearer {token_of(others[2], simulator)}"]
        assert len(machine.get("/due.json").json()["due"]) == 2
        assert not RefreshRun.objects.filter(listener__is_host=True).exists()  # who goes one by one keeps house too
        for wrong in ("0", "x", "٣", "9" * 40, "9" * 5000, "-1"):
            assert machine.post("/refresh", query_params={"listener": wrong}).status_code == 404
        assert Client(HTTP_HOST="127.0.0.1:8000").get("/due.json").status_code == 401


class TestHousekeeping:
    def test_rankings_go_on_their_day_also_of_who_needs_to_sign_in(
        self, others: list[Listener], simulator: Simulator
    ) -> None:
        guest = others[0]
        refresh(listener=guest, trigger="cron")
        simulator.shuffle("stranger", "short_term")
        refresh(listener=guest, trigger="cron", force=True)
        assert guest.snapshots.filter(time_range="short_term").count() == 2
        for days, snapshot in enumerate(Snapshot.objects.filter(listener=guest).order_by("-first_seen_at")):
            at = timezone.now() - timedelta(days=367 + days)
            Snapshot.objects.filter(pk=snapshot.pk).update(first_seen_at=at, confirmed_at=at)
        keep_house()
        assert guest.snapshots.count() == 4  # who is refreshed is pruned by that
        Listener.objects.filter(pk=guest.pk).update(state="needs_sign_in", due_at=None)
        keep_house()
        assert guest.snapshots.count() == 3  # the last known of each time stays

    def test_runs_go_after_90_days(self, others: list[Listener]) -> None:
        run()
        kept = RefreshRun.objects.count()
        RefreshRun.objects.create(
            listener=others[0], trigger="cron", outcome="unchanged", started_at=timezone.now() - timedelta(days=91)
        )
        RefreshRun.objects.create(
            listener=others[0], trigger="cron", outcome="unchanged", started_at=timezone.now() - timedelta(days=89)
        )
        run()
        assert RefreshRun.objects.count() == kept + 1

    def test_what_went_is_counted_also_in_several_transactions(
        self, listener: Listener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr("tracks.etl.prune.BATCH", 1)
        caplog.set_level(logging.INFO, logger="tracks.etl.service")
        for days in (91, 92, 93):
            at = timezone.now() - timedelta(days=days)
            RefreshRun.objects.create(listener=listener, trigger="cron", outcome="unchanged", started_at=at)
        keep_house()
        keep_house()
        assert caplog.messages == ["housekeeping rankings=0 runs=3"]

    def test_old_invitations_and_refusals_go(self, listener: Listener) -> None:
        now = timezone.now()
        for days in (29, 31):
            at = now - timedelta(days=days)
            Invitation.objects.create(
                made_by=listener, digest=str(days), created_at=at - timedelta(days=7), expires_at=at
            )
            Refusal.objects.create(at=at)
        keep_house()
        assert [each.digest for each in Invitation.objects.all()] == ["29"] and Refusal.objects.count() == 1

    def test_the_queues_clock_is_seen_to_go_also_while_spotify_says_wait(self, others: list[Listener]) -> None:
        until = timezone.now() + timedelta(hours=1)
        pause = SpotifyPause.objects.create(service="api", until=until)
        assert hand_out() == []
        Dispatch.objects.update(at=until - timedelta(days=1))
        pause.delete()
        SpotifyPause.objects.create(service="accounts", until=until)
        assert {one.pk for one in others} <= set(hand_out()), "a pause of sign-ins is none of refreshes"
        assert Dispatch.objects.get().at > until - timedelta(hours=2)

    def test_who_leaves_before_the_run_begins_is_no_unforeseen_failure(
        self, listener: Listener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from tracks.etl import lease

        claim = lease.claim

        def claim_and_leave(listener: Listener, *args: Any, **options: Any) -> Any:
            found = claim(listener, *args, **options)
            Listener.objects.filter(pk=listener.pk).delete()
            return found

        monkeypatch.setattr(lease, "claim", claim_and_leave)
        result = refresh(listener=listener, trigger="cron", force=True)
        assert (result.outcome, result.summary) == (
            "busy", "Another refresh is at work; its result will show on the page.",
        )  # fmt: skip
