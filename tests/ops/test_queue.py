"""The queue: a real Redis, real workers and a real beat over the tests' database and the simulated Spotify."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.contrib.auth.models import User
from django.utils import timezone

from bench.service import free_port
from simulator import Fault, Simulator
from tests.conftest import ROOT, Browser, Manage, environment
from tracks.etl import schedule
from tracks.models import Dispatch, Listener, RefreshRun, SpotifyPause
from tracks.spotify.tokens import encrypt

TOP = "/v1/me/top/tracks"


def need(is_here: object, what: str) -> None:
    if not is_here:
        if os.environ.get("REQUIRE_REDIS"):
            pytest.fail(f"{what} is not here")
        pytest.skip(f"{what} is not here")


class Redis:
    """redis-server on a free loopback port, with nothing on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.start()

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.DEVNULL)
        wait_until(lambda: self.ask("PING") == "PONG")

    def ask(self, *words: str) -> str:
        command = ["redis-cli", "-p", str(self.port), *words]
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def _redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    need(shutil.which("redis-server"), "redis-server")
    pytest.importorskip("celery") if not os.environ.get("REQUIRE_REDIS") else __import__("celery")
    redis = Redis(tmp_path_factory.mktemp("redis"))
    yield redis
    redis.stop()


@pytest.fixture
def redis(_redis: Redis) -> Redis:
    if _redis.process.poll() is not None:
        _redis.start()
    _redis.ask("FLUSHALL")
    return _redis


class Queue:
    """Starts workers and beats, and hands tasks to them as beat does; in one of Redis's numbered databases."""

    def __init__(self, redis: Redis, folder: Path, number: int = 0) -> None:
        self.redis = redis
        self.number = number
        self.url = f"redis://127.0.0.1:{redis.port}/{number}"
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []

    def environment(self, **changes: str) -> dict[str, str]:
        return environment(CELERY_BROKER_URL=self.url, REFRESH_CONCURRENCY="2", **changes)

    def start(self, name: str, command: list[str], **changes: str) -> "subprocess.Popen[bytes]":
        self.log = self.folder / f"{name}-{len(self.processes)}.log"
        with self.log.open("w") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=self.environment(**changes), stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def worker(self, **changes: str) -> "subprocess.Popen[bytes]":
        process = self.start("worker", [sys.executable, "-m", "celery", "-A", "spotify_top", "worker"], **changes)
        wait_until(lambda: " ready." in self.log.read_text(), seconds=60)
        return process

    def send(self, task: str, *arguments: Any) -> None:
        from celery import Celery

        with Celery("tests", broker=self.url, set_as_current=False) as app:
            app.send_task(f"tracks.tasks.{task}", arguments, queue="top-twenty")

    def waiting(self) -> int:
        return int(self.redis.ask("-n", str(self.number), "LLEN", "top-twenty"))

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
                process.kill()
                for child in children:
                    try:
                        os.kill(int(child), signal.SIGKILL)
                    except ProcessLookupError:
                        pass
            process.wait()


@pytest.fixture
def queue(redis: Redis, tmp_path: Path, transactional_db: None, simulator: Simulator) -> Iterator[Queue]:
    queue = Queue(redis, tmp_path)
    yield queue
    queue.stop()


@pytest.fixture(scope="module")
def _standing(
    _redis: Redis, django_db_setup: None, simulated_spotify: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Queue]:
    queue = Queue(_redis, tmp_path_factory.mktemp("standing"), number=1)
    queue.worker(SPOTIFY_ACCOUNTS_URL=simulated_spotify.accounts_url, SPOTIFY_API_URL=simulated_spotify.api_url)
    yield queue
    queue.stop()


@pytest.fixture
def at_work(redis: Redis, _standing: Queue, transactional_db: None, simulator: Simulator) -> Iterator[Queue]:
    """A queue with a worker that other tests use too: it works on, and nothing is left for it to do."""
    yield _standing
    assert _standing.processes[0].poll() is None and _standing.waiting() == 0


def wait_until(is_so: Callable[[], Any], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


def connect(simulator: Simulator, number: int, **changes: Any) -> Listener:
    """A listener with a fresh token, as rows; without ever having been refreshed."""
    user = User.objects.create(username=f"listener-{number}")
    account = SocialAccount.objects.create(user=user, provider="spotify", uid=f"uid-{number}")
    grant = simulator.grant("stranger")
    SocialToken.objects.create(
        account=account,
        token=encrypt(grant["access_token"]),
        token_secret=encrypt(grant["refresh_token"]),
        expires_at=timezone.now() + timedelta(hours=1),
    )
    now = timezone.now()
    ago = timedelta(minutes=number)
    fields: dict[str, Any] = {"authorized_at": now - timedelta(days=1) - ago, "due_at": now - ago}
    return Listener.objects.create(account=account, **fields | changes)


def tokens_seen(simulator: Simulator) -> Counter[str]:
    """How many calls for top tracks came with each access token."""
    return Counter(call.headers["authorization"] for call in list(simulator.calls) if call.path == TOP)


def outcomes() -> Counter[str]:
    return Counter(RefreshRun.objects.values_list("outcome", flat=True))


def test_without_a_broker_nothing_imports_celery(db: None, manage: Manage) -> None:
    code = "import sys, spotify_top.wsgi, tracks.urls; sys.exit('celery' in sys.modules)"
    for changes in ({}, {"CELERY_BROKER_URL": "redis://127.0.0.1:1/0"}):
        result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment(**changes), timeout=60)
        assert result.returncode == 0


@pytest.mark.parametrize("part", ["worker", "beat"])
def test_a_worker_without_a_broker_says_so_in_one_line(db: None, part: str) -> None:
    pytest.importorskip("celery")
    result = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "spotify_top", part],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert result.returncode == 1
    assert result.stderr.startswith("CELERY_BROKER_URL is not set") and result.stderr.count("\n") == 1


def test_a_dispatch_refreshes_every_due_listener_once(at_work: Queue, simulator: Simulator) -> None:
    for number in range(1, 7):
        connect(simulator, number)
    later = connect(simulator, 8, due_at=timezone.now() + timedelta(minutes=5))
    gone = connect(simulator, 9, due_at=None, state="needs_sign_in")
    at_work.send("dispatch")
    at_work.send("dispatch")  # doubled
    wait_until(lambda: outcomes()["refreshed"] == 6)
    assert set(RefreshRun.objects.values_list("trigger", flat=True)) == {"queue"}
    assert list(tokens_seen(simulator).values()) == [3] * 6
    assert not RefreshRun.objects.filter(listener__in=[later, gone]).exists()
    soonest = Listener.objects.exclude(pk=gone.pk).earliest("due_at")
    assert soonest == later


def test_beat_dispatches_by_itself_and_again_after_the_broker_was_gone(
    queue: Queue, redis: Redis, simulator: Simulator
) -> None:
    connect(simulator, 1)
    queue.worker()
    code = (
        "from spotify_top.celery import app; dispatch = app.conf.beat_schedule['dispatch'];"
        " assert dispatch['schedule'] == 60; dispatch['schedule'] = 1; app.start(['beat'])"
    )
    beat = queue.start("beat", [sys.executable, "-c", code])
    wait_until(lambda: outcomes()["refreshed"] == 1)
    redis.stop()
    time.sleep(2)
    redis.start()
    connect(simulator, 2)
    wait_until(lambda: outcomes()["refreshed"] == 2, seconds=60)
    beat.terminate()
    assert beat.wait(20) == 0


def test_late_and_doubled_messages_and_those_of_who_left_cost_nothing(queue: Queue, simulator: Simulator) -> None:
    """Late: they waited before there was a worker."""
    listener, left = connect(simulator, 1), connect(simulator, 2)
    for _ in range(3):
        queue.send("refresh_listener", listener.pk)
    queue.send("refresh_listener", left.pk)
    left.delete()
    queue.worker()
    wait_until(lambda: queue.waiting() == 0 and outcomes()["refreshed"] == 1)
    time.sleep(1)
    assert list(tokens_seen(simulator).values()) == [3]
    assert "Traceback" not in queue.log.read_text()


def test_a_lost_task_is_handed_out_again_within_two_minutes(
    queue: Queue, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = connect(simulator, 1)
    assert schedule.claim_due() == [listener.pk]
    assert schedule.claim_due() == []
    # Beat comes once a minute, and the clocks of two machines differ by 5 s.
    at = timezone.now() + timedelta(seconds=55)
    monkeypatch.setattr("tracks.etl.schedule.timezone.now", lambda: at)
    assert schedule.claim_due() == [listener.pk]


def test_sigterm_lets_the_work_at_hand_end_and_exits_with_0(queue: Queue, simulator: Simulator) -> None:
    connect(simulator, 1)
    simulator.fault(TOP, Fault(delay=3), times=1)
    worker = queue.worker()
    queue.send("dispatch")
    wait_until(lambda: simulator.calls)
    started = time.monotonic()
    worker.terminate()
    assert worker.wait(25) == 0
    assert time.monotonic() - started < 20
    assert outcomes() == {"refreshed": 1}


def test_who_was_at_work_in_a_killed_worker_is_taken_up_when_the_lease_ends(queue: Queue, simulator: Simulator) -> None:
    listener = connect(simulator, 1)
    simulator.fault(TOP, Fault.hang(30), times=1)
    queue.worker()
    queue.send("dispatch")
    wait_until(lambda: simulator.calls)
    queue.stop()
    listener.refresh_from_db()
    assert listener.lease_until is not None and outcomes() == {"running": 1}
    # A minute passes.
    Listener.objects.update(lease_until=timezone.now(), handed_out_until=timezone.now())
    queue.worker()
    queue.send("dispatch")
    wait_until(lambda: outcomes()["refreshed"] == 1)
    assert outcomes() == {"abandoned": 1, "refreshed": 1}


def test_a_killed_child_harms_nobody_else(queue: Queue, simulator: Simulator) -> None:
    for number in range(1, 4):
        connect(simulator, number)
    simulator.fault(TOP, Fault.hang(30), times=1)
    worker = queue.worker()
    queue.send("dispatch")
    wait_until(lambda: outcomes()["refreshed"] == 2)
    busy = RefreshRun.objects.get(outcome="running").listener_id
    for child in Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split():
        os.kill(int(child), signal.SIGKILL)
    Listener.objects.update(lease_until=None, handed_out_until=None)
    queue.send("dispatch")
    wait_until(lambda: RefreshRun.objects.filter(listener=busy, outcome="refreshed").exists())
    assert worker.poll() is None


def test_after_a_429_tasks_give_up_and_the_listeners_are_due_after_the_pause(
    at_work: Queue, simulator: Simulator
) -> None:
    for number in range(1, 9):
        connect(simulator, number)
    simulator.fault(TOP, Fault.rate_limited(600))
    at_work.send("dispatch")
    wait_until(lambda: SpotifyPause.objects.exists() and at_work.waiting() == 0)
    wait_until(lambda: not Listener.objects.exclude(lease_until=None).exists())
    assert 1 <= len(simulator.calls) <= 2  # those that were on their way at once
    until = SpotifyPause.objects.get().until
    wait_until(lambda: Listener.objects.earliest("due_at").due_at >= until)  # type: ignore[operator]
    simulator.calls.clear()
    Listener.objects.update(due_at=timezone.now(), handed_out_until=None)
    before = RefreshRun.objects.count()
    at_work.send("dispatch")
    wait_until(lambda: at_work.waiting() == 0)
    time.sleep(1)
    assert RefreshRun.objects.count() == before and not simulator.calls


def test_with_the_broker_gone_pages_and_cron_work_and_workers_come_back(
    at_work: Queue, redis: Redis, host: Browser, simulator: Simulator, manage: Manage
) -> None:
    redis.stop()
    broker = {"CELERY_BROKER_URL": at_work.url}
    assert host.get("/").status_code == 200
    result = manage("refresh_top_tracks", "--force", **broker)
    assert (result.returncode, result.stderr) == (0, "")
    told = manage("doctor", **broker).stdout
    assert "FAIL Queue: the broker does not answer" in told
    time.sleep(3)
    redis.start()
    listener = connect(simulator, 1)
    at_work.send("dispatch")
    wait_until(lambda: RefreshRun.objects.filter(listener=listener, outcome="refreshed").exists(), seconds=60)


def test_a_worker_at_work_while_the_broker_goes_finishes_and_works_on(
    at_work: Queue, redis: Redis, simulator: Simulator
) -> None:
    connect(simulator, 1)
    simulator.fault(TOP, Fault(delay=1), times=1)
    at_work.send("dispatch")
    wait_until(lambda: simulator.calls)
    redis.stop()
    wait_until(lambda: outcomes()["refreshed"] == 1)
    redis.start()
    connect(simulator, 2)
    at_work.send("dispatch")
    wait_until(lambda: outcomes()["refreshed"] == 2, seconds=60)


def test_the_doctor_looks_at_broker_worker_and_beat(queue: Queue, host: Browser, manage: Manage) -> None:
    broker = {"CELERY_BROKER_URL": queue.url}
    told = manage("doctor", **broker).stdout
    assert "ok   Queue: the broker answers" in told
    assert "FAIL Queue: no worker answers" in told and "FAIL Queue: nothing was ever handed out" in told
    queue.worker()
    queue.send("dispatch")
    wait_until(Dispatch.objects.exists)
    told = manage("doctor", **broker).stdout
    assert "ok   Queue: 1 worker answers" in told and "ok   Queue: last handed out " in told
    Dispatch.objects.update(at=timezone.now() - timedelta(minutes=4))
    assert "FAIL Queue: last handed out " in manage("doctor", **broker).stdout
    assert "Queue" not in manage("doctor").stdout


def test_a_thousand_are_handed_out_at_a_time_longest_waiting_first(db: None, simulator: Simulator) -> None:
    users = User.objects.bulk_create(User(username=f"user-{number}") for number in range(1_200))
    accounts = SocialAccount.objects.bulk_create(SocialAccount(user=user, uid=user.username) for user in users)
    now = timezone.now()
    Listener.objects.bulk_create(
        Listener(account=account, authorized_at=now, due_at=now - timedelta(seconds=number % 7, minutes=1))
        for number, account in enumerate(accounts)
    )
    first = schedule.claim_due()
    assert len(first) == len(set(first)) == 1_000
    moments: dict[int, Any] = dict(Listener.objects.values_list("pk", "due_at"))
    order = [moments[key] for key in first]
    assert order == sorted(order)
    second = schedule.claim_due()
    assert len(second) == 200 and not set(first) & set(second)
    assert max(order) <= min(moments[key] for key in second)
