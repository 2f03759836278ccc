"""deploy/airflow/dags/top_twenty.py in a real Airflow, against the running site and the simulated Spotify.

`make test-airflow` runs it. The name keeps it from `make test`, which has no Airflow.
"""

import json
import os
import re
import select
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from django.utils import timezone

from bench.service import free_port
from simulator import Fault, Simulator
from tests import factories
from tests.conftest import ROOT, Browser, Server
from tests.helpers import TOP, at_once, wait_for_call, wait_until
from tests.ops.test_queue import connect
from tracks.models import Listener, RefreshRun, Track

pytestmark = pytest.mark.django_db(transaction=True)

BIN = ROOT / ".venv-airflow/bin"
TOKEN = "a-token-that-nobody-guesses-7Qx"

# The runs that made the follower run since the scheduler began, and what they told it.
FOLLOWED = """
    SELECT event.source_run_id, event.extra FROM asset_event event
    JOIN dagrun_asset_event ON event_id = event.id JOIN dag_run follower ON follower.id = dag_run_id
    WHERE follower.dag_id = 'follower' AND follower.state = 'success' AND event.source_run_id LIKE 'scheduled%'
"""
CARELESS = """
import logging

from airflow.sdk import Asset, Connection, dag, task


@dag(schedule=[Asset("top_twenty_charts")])
def careless():
    @task
    def tell():
        logging.getLogger("careless").info("The token: %s", Connection.get("top_twenty").password)

    tell()


careless()
"""


@dataclass(frozen=True)
class Run:
    """How a run of the DAG ended: its state, its tasks' states in order of their map index, and what it logged."""

    id: str
    state: str
    tasks: dict[str, list[str]]
    tries: dict[str, int]
    log: str


class Airflow:
    """Airflow with a database of its own, and a process that runs the DAG."""

    def __init__(self, home: Path, site: Server) -> None:
        self.home, self.site = home, site
        self.log = home / "stderr"
        dags = home / "dags"
        dags.mkdir()
        shutil.copy(ROOT / "deploy/airflow/dags/top_twenty.py", dags)
        (dags / "follower.py").write_text(documented("python"))
        (dags / "careless.py").write_text(CARELESS)
        port = free_port()
        self.environment = {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "HOME": str(home),
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__PARALLELISM": "8",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
        }
        self.command("db", "migrate")
        address = {"https": "http", "top.example.com": "127.0.0.1", "443": str(site.port), "THE_REFRESH_TOKEN": TOKEN}
        command = re.search(r"airflow (connections add .*?[^\\])\n", documented(""), re.DOTALL)
        assert command
        words = command[1].replace("\\\n", "").split()
        self.command(*[address.pop(word, word) for word in words])
        assert not address, "the documented command names each once"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [BIN / "python", ROOT / "tests/airflow/runs.py"],
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def command(self, *arguments: str) -> None:
        result = subprocess.run([BIN / "airflow", *arguments], env=self.environment, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr

    def run(self, *, connection: str = "", shortened: bool = False) -> Run:
        assert self.process.stdin and self.process.stdout
        logged = self.log.stat().st_size
        how = {"connection": connection, "shortened": shortened}
        self.process.stdin.write(json.dumps(how) + "\n")
        self.process.stdin.flush()
        is_done, _, _ = select.select([self.process.stdout], [], [], 120)
        answer = self.process.stdout.readline() if is_done else ""
        with self.log.open() as log:
            log.seek(logged)
            text = log.read()
        assert answer, text
        ended = json.loads(answer)
        tasks: dict[str, list[str]] = {}
        tries: dict[str, int] = {}
        for name, state, number in self.rows(
            "SELECT task_id, state, try_number FROM task_instance WHERE run_id = ? ORDER BY task_id, map_index",
            ended["run"],
        ):
            tasks.setdefault(name, []).append(state)
            tries[name] = max(tries.get(name, 0), number)
        return Run(ended["run"], ended["state"], tasks, tries, text)

    def rows(self, query: str, *values: str) -> list[Any]:
        database = sqlite3.connect(self.home / "airflow.db")
        try:
            return database.execute(query, values).fetchall()
        finally:
            database.close()

    def told(self, run: Run) -> list[dict[str, int]]:
        """What came with the asset, each time that the run emitted it."""
        found = self.rows("SELECT extra FROM asset_event WHERE source_run_id = ?", run.id)
        return [json.loads(extra) for (extra,) in found]

    def counted(self, run: str) -> dict[str, int]:
        """What the last task of the run found."""
        ((value,),) = self.rows("SELECT value FROM xcom WHERE run_id = ? AND task_id = 'sum_up'", run)
        counts: dict[str, int] = json.loads(value)
        return counts

    @contextmanager
    def standalone(self) -> Iterator[None]:
        """Scheduler, triggerer, API server and workers, as separate processes."""
        with (self.home / "standalone").open("w") as log:
            process = subprocess.Popen(
                [BIN / "airflow", "standalone"],
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)
            # Some outlive their parent.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def stop(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def documented(language: str) -> str:
    """The blocks of code in the chapter about Airflow of docs/OPERATIONS.md, in this language."""
    chapter = (ROOT / "docs/OPERATIONS.md").read_text().split("\n## Airflow\n")[1].split("\n## ")[0]
    return "\n".join(re.findall(rf"^```{language}\n(.*?)^```$", chapter, re.DOTALL | re.MULTILINE))


@pytest.fixture(scope="module")
def site(
    django_db_setup: None, simulated_spotify: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    server = Server(
        tmp_path_factory.mktemp("site"),
        REFRESH_TOKEN=TOKEN,
        LISTENERS="invited",
        SPOTIFY_ACCOUNTS_URL=simulated_spotify.accounts_url,
        SPOTIFY_API_URL=simulated_spotify.api_url,
    )
    server.wait_until_up()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def airflow(site: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    airflow = Airflow(tmp_path_factory.mktemp("airflow"), site)
    yield airflow
    airflow.stop()


@pytest.fixture
def hanne(host: Browser, simulator: Simulator) -> Listener:
    """The host, whose refresh is due."""
    listener = Listener.objects.get()
    listener.name, listener.handle = "Hanne Vertsdóttir", "hannes-own-handle"
    listener.save()
    make_due()
    return listener


@pytest.fixture
def stan(hanne: Listener, simulator: Simulator) -> Listener:
    """Another listener, whose refresh is due too."""
    listener = factories.guest(simulator, "stranger", name="Stan Strange", handle="stans-own-handle")
    make_due()
    return listener


def make_due() -> None:
    factories.an_hour_passes()
    Listener.objects.update(due_at=timezone.now() - timedelta(minutes=1))


def let_sign_in_die(listener: Listener, simulator: Simulator) -> None:
    """As after six months: neither token of this listener is good any more."""
    account = next(name for name, one in simulator.accounts.items() if one.account_id == listener.account.uid)
    for known in (simulator.access_tokens, simulator.refresh_tokens):
        for token in [token for token, about in known.items() if about.account == account]:
            del known[token]


def test_refreshes_everybody_who_is_due_and_tells_who_follows(
    airflow: Airflow, hanne: Listener, stan: Listener, simulator: Simulator
) -> None:
    simulator.shuffle("host")
    run = airflow.run()
    assert run.state == "success"
    assert run.tasks == {
        "due": ["success"],
        "refresh": ["success"] * 2,
        "sum_up": ["success"],
        "tell_others": ["success"],
    }
    assert airflow.counted(run.id) == {"refreshed": 1, "unchanged": 1}
    assert RefreshRun.objects.filter(trigger="machine").count() == 2
    assert airflow.told(run) == [{"changed": 1}]
    assert ("follower",) in airflow.rows("SELECT target_dag_id FROM asset_dag_run_queue")


def test_no_chart_changed_is_told_to_nobody(airflow: Airflow, hanne: Listener) -> None:
    run = airflow.run()
    assert (run.state, run.tasks["refresh"], run.tasks["tell_others"]) == ("success", ["success"], ["skipped"])
    assert airflow.counted(run.id) == {"unchanged": 1} and airflow.told(run) == []


def test_nobody_due_is_nothing_to_do(airflow: Airflow, hanne: Listener, simulator: Simulator) -> None:
    Listener.objects.update(due_at=timezone.now() + timedelta(hours=1))
    simulator.calls.clear()
    run = airflow.run()
    assert run.state == "success"
    assert run.tasks == {"due": ["success"], "refresh": ["skipped"], "sum_up": ["skipped"], "tell_others": ["skipped"]}
    assert not simulator.calls and not RefreshRun.objects.filter(trigger="machine").exists()


def test_another_run_at_it_is_no_failure(airflow: Airflow, hanne: Listener) -> None:
    Listener.objects.update(lease_until=timezone.now() + timedelta(seconds=50))
    run = airflow.run()
    assert (run.state, run.tasks["refresh"], airflow.counted(run.id)) == ("success", ["success"], {"busy": 1})


def test_waits_for_spotify_without_holding_a_worker(airflow: Airflow, hanne: Listener, simulator: Simulator) -> None:
    simulator.fault(TOP, Fault.rate_limited(7), times=1)
    simulator.calls.clear()
    run = airflow.run()
    assert (run.state, airflow.counted(run.id)) == ("success", {"unchanged": 1})
    assert run.log.count("Pausing task as DEFERRED.") == 1 and "asked again in 0:00:0" in run.log
    (first, *_), second = [call.at for call in simulator.calls], simulator.calls[-3].at
    assert second - first >= 7 and run.tries["refresh"] == 1


def test_does_not_wait_longer_than_a_run_may(airflow: Airflow, hanne: Listener, simulator: Simulator) -> None:
    simulator.fault(TOP, Fault.rate_limited(86_400), times=1)
    run = airflow.run()
    assert (run.state, run.tasks["refresh"], run.tries["refresh"]) == ("failed", ["failed"], 1)
    assert "DEFERRED" not in run.log and "A later one takes listener" in run.log


def test_waits_for_a_spotify_that_is_away(airflow: Airflow, hanne: Listener, simulator: Simulator) -> None:
    simulator.fault(TOP, Fault.html(503), times=1)
    run = airflow.run(shortened=True)
    assert (run.state, airflow.counted(run.id)) == ("success", {"unchanged": 1})
    assert run.log.count("Pausing task as DEFERRED.") == 1 and "asked again in 0:01:00" in run.log


def test_waits_for_nothing_where_waiting_does_not_help(airflow: Airflow, hanne: Listener, simulator: Simulator) -> None:
    simulator.fault(TOP, Fault.not_registered())
    run = airflow.run()
    assert (run.state, run.tasks["refresh"], run.tries["refresh"]) == ("failed", ["failed"], 1)
    assert "DEFERRED" not in run.log
    assert "status 503. Spotify does not let this account use the app: add the account under User Management" in run.log


def test_one_with_a_dead_sign_in_fails_at_once_and_stops_nobody(
    airflow: Airflow, hanne: Listener, stan: Listener, simulator: Simulator
) -> None:
    let_sign_in_die(stan, simulator)
    simulator.shuffle("host")
    run = airflow.run()
    assert run.state == "failed" and sorted(run.tasks["refresh"]) == ["failed", "success"]
    assert (run.tries["refresh"], run.tasks["sum_up"], airflow.told(run)) == (1, ["failed"], [{"changed": 1}])
    assert (
        f"no longer accepts the sign-in of listener {stan.pk}. Only a new one by that person, on the site," in run.log
    )
    assert "1 refreshed, 1 failed. The log of each" in run.log
    # Nor does it fail again and again.
    assert airflow.run().tasks["due"] == ["success"]
    assert airflow.run().tasks["refresh"] == ["skipped"]


def test_a_wrong_token_fails_at_once(airflow: Airflow, hanne: Listener) -> None:
    run = airflow.run(connection=f"generic://:wrong@127.0.0.1:{airflow.site.port}/http")
    assert (run.state, run.tasks["due"], run.tasks["refresh"]) == ("failed", ["failed"], ["upstream_failed"])
    assert run.tries["due"] == 1 and airflow.told(run) == []
    assert "make the password of the connection top_twenty the site's REFRESH_TOKEN" in run.log


def test_another_site_fails_at_once(airflow: Airflow, simulated_spotify: Simulator) -> None:
    run = airflow.run(
        connection=simulated_spotify.api_url.replace("http://", "generic://:x@").split("/v1")[0] + "/http"
    )
    assert (run.state, run.tasks["due"], run.tries["due"]) == ("failed", ["failed"], 1)
    assert "Do schema, host and port of the connection top_twenty lead to the site?" in run.log


def test_a_site_that_is_away_is_tried_three_times(airflow: Airflow) -> None:
    run = airflow.run(connection=f"generic://:{TOKEN}@127.0.0.1:{free_port()}/http", shortened=True)
    assert (run.state, run.tasks["due"], run.tries["due"]) == ("failed", ["failed"], 3)


def test_who_has_left_meanwhile_is_skipped(
    airflow: Airflow, hanne: Listener, stan: Listener, simulator: Simulator
) -> None:
    # While one is refreshed, the other leaves.
    simulator.fault(TOP, Fault(delay=3), times=1)
    simulator.calls.clear()

    def leave() -> None:
        wait_for_call(simulator)
        bearer = simulator.calls[0].headers["authorization"].removeprefix("Bearer ")
        at_work = simulator.accounts[simulator.access_tokens[bearer].account]
        SocialAccount.objects.exclude(uid=at_work.account_id).delete()

    run, _ = at_once(airflow.run, leave)
    assert isinstance(run, Run), run
    assert run.state == "success" and sorted(run.tasks["refresh"]) == ["skipped", "success"]
    assert airflow.counted(run.id) == {"unchanged": 1, "left the site": 1}
    assert "has left the site." in run.log


def test_a_scheduler_refreshes_four_at_a_time_waits_elsewhere_and_starts_who_follows(
    airflow: Airflow, hanne: Listener, stan: Listener, simulator: Simulator
) -> None:
    for number in range(1, 5):
        connect(simulator, number)
    # Spotify says wait to the first call, and takes its time with the others.
    simulator.fault(TOP, Fault.rate_limited(8), *[Fault(delay=2)] * 18)
    with airflow.standalone():
        wait_until(lambda: airflow.rows(FOLLOWED), seconds=150)
        # What a careless DAG logs of the connection is masked.
        careless = airflow.home / "logs/dag_id=careless"
        wait_until(lambda: any("The token: ***" in path.read_text() for path in careless.rglob("*.log")), seconds=60)
    ((run, changed),) = airflow.rows(FOLLOWED)
    assert run.startswith("scheduled__") and json.loads(changed) == {"changed": 4}
    assert airflow.counted(run) == {"unchanged": 2, "refreshed": 4}
    done = RefreshRun.objects.filter(outcome__in=["refreshed", "unchanged"], trigger="machine")
    most = max(done.filter(started_at__lte=one.started_at, finished_at__gt=one.started_at).count() for one in done)
    assert done.count() == 6 and most in (3, 4)
    logs = airflow.home.glob(f"logs/dag_id=top_twenty/run_id={run}/task_id=refresh/*/attempt=1.log")
    waits = [path.read_text().count("Pausing task as DEFERRED.") for path in logs]
    # Who waits counts among the four, so that the others do not ask in vain.
    assert len(waits) == 6 and max(waits) == 1 and sum(waits) <= 4


def test_airflow_keeps_and_logs_nothing_of_a_person_nor_the_token(
    airflow: Airflow, hanne: Listener, stan: Listener, simulator: Simulator
) -> None:
    simulator.shuffle("host")
    let_sign_in_die(stan, simulator)
    run = airflow.run()
    # Of all runs so far.
    kept = {path: path.read_bytes() for path in airflow.home.rglob("*") if path.is_file()}
    # Airflow 3.3.2 masks a task's log, but not always what its scheduler repeats of it on its own output.
    lines = kept[airflow.home / "standalone"].splitlines()
    kept[airflow.home / "standalone"] = b"\n".join(line for line in lines if b"[careless]" not in line)
    assert len(lines) > 100
    database = b"".join(text for path, text in kept.items() if path.name.startswith("airflow.db"))
    assert run.id.encode() in database and run.log.encode() in kept[airflow.log]
    private = {TOKEN, *simulator.issued}
    for listener in (hanne, stan):
        private |= {listener.name, listener.handle, listener.account.uid}
    for track in Track.objects.all():
        private |= {track.pk, track.name} if len(track.name) > 8 else {track.pk}
    assert len(private) > 60
    assert [(word, path) for word in private for path, text in kept.items() if word.encode() in text] == []
