"""What tests of several parts do and look at."""

import socket
import threading
import time
from collections.abc import Callable
from io import StringIO
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.test import Client

from simulator import Simulator
from tracks.models import Placement

# Where the simulator breaks: Simulator.fault(TOP, ...)
TOP = "/v1/me/top/tracks"
TOKEN = "/api/token"

# Who opens which page: a fixture's name, and the address.
PAGES = [("visitor", "/"), ("visitor", "/artists/"), ("visitor", "/history/"), ("visitor", "/privacy"),
         ("visitor", "/login"), ("visitor", "/nothing"), ("host", "/"), ("host", "/disconnect")]  # fmt: skip

# For tests in which two write at the same moment.
several_writers = pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")


def wait_until(true: Callable[[], object], *, seconds: float = 10) -> None:
    """Returns as soon as it is true; fails when it is not after so many seconds."""
    started = time.monotonic()
    while not true():
        waited = time.monotonic() - started
        assert waited < seconds, f"still not so after {seconds} s"
        # To ask takes of the processor that others could use.
        time.sleep(min(max(0.02, waited / 10), 0.1))


def serves(port: int, *, sockets: int = 1) -> bool:
    """Whether something listens there; with so many sockets, where the system tells (Linux)."""
    table = Path("/proc/net/tcp")
    if sockets > 1 and table.exists():
        # The fields of proc_pid_net(5): 0A is listening. Those come first; thousands that were closed may follow.
        with table.open() as lines:
            rows = map(str.split, islice(lines, 1, None))
            listening = takewhile(lambda row: row[3] == "0A", rows)
            return sum(row[1] == f"0100007F:{port:04X}" for row in listening) >= sockets
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for_call(simulator: Simulator, count: int = 1) -> None:
    """Returns when so many calls have reached Spotify."""
    wait_until(lambda: len(simulator.calls) >= count, seconds=20)


def at_once(*tasks: Callable[[], Any]) -> list[Any]:
    """What each returns or raises, each run in a thread with connections of its own."""
    results: list[Any] = [None] * len(tasks)
    barrier = threading.Barrier(len(tasks))

    def work(number: int) -> None:
        try:
            barrier.wait(10)
            results[number] = tasks[number]()
        except Exception as error:
            results[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(tasks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def tables() -> list[tuple[Any, ...]]:
    """Everything that the pages show, snapshots and placements alike."""
    return list(Placement.objects.order_by("pk").values_list("snapshot", "position", "track", "track__name"))


def names(visitor: Client, time_range: str = "short_term") -> list[str]:
    """The titles in the chart, in order."""
    return [track["name"] for track in visitor.get(f"/tracks.json?time_range={time_range}").json()["tracks"]]


def run(*arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr (the one line of a CommandError) of `refresh_top_tracks --force`."""
    out, err = StringIO(), StringIO()
    try:
        call_command("refresh_top_tracks", "--force", *arguments, stdout=out, stderr=err)
    except CommandError as error:
        return error.returncode, out.getvalue(), err.getvalue() + str(error)
    return 0, out.getvalue(), err.getvalue()
