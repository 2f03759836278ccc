"""The drawing process: after a refresh and for a visitor, killed, alone and beside another, and without typst."""

import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from django.db import connection

from simulator import Simulator
from tests import factories
from tests.cards.conftest import invent
from tests.conftest import ROOT, Browser, Manage, Server, environment
from tests.helpers import at_once, wait_until
from tests.people import made, who
from tracks.cards import data, process, store
from tracks.cards.draw import CannotDraw
from tracks.etl.service import refresh
from tracks.models import Card, Listener, Snapshot
from tracks.views import share

pytestmark = pytest.mark.django_db(transaction=True)

ALL = len(data.KINDS) * 2
Woken = list["subprocess.Popen[str]"]


@pytest.fixture
def woken(drawing: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The processes that were started; none outlives its test."""
    started: Woken = []
    wake = process.wake

    def keep(**options: Any) -> Any:
        found = wake(**options)
        started.extend([found] if found else [])
        return found

    monkeypatch.setattr(process, "wake", keep)
    yield started
    for one in started:
        one.kill()
        one.wait(20)


def new_chart(simulator: Simulator, time_range: str = "short_term") -> None:
    simulator.shuffle("host", time_range)
    assert refresh(listener=Listener.objects.get(is_host=True), trigger="cron", force=True).worked


def newest(time_range: str = "short_term") -> Snapshot:
    found = store.newest(Listener.objects.host(), time_range)
    assert found
    return found


def test_a_refresh_has_the_pictures_drawn_and_waits_for_nothing(
    host: Browser, visitor: Browser, simulator: Simulator, woken: Woken
) -> None:
    new_chart(simulator)
    assert len(woken) == 1 and woken[0].poll() is None and not Card.objects.exists()
    new_chart(simulator, "long_term")
    assert len(woken) == 1, "the one at work takes what is new"
    wait_until(lambda: woken[0].returncode is not None, seconds=20)
    assert woken[0].returncode == 0
    for time_range in ("short_term", "medium_term", "long_term"):
        snapshot = newest(time_range)
        assert snapshot.cards.count() == ALL
    first = visitor.get("/card.png")
    assert first.content.startswith(b"\x89PNG") and len(first.content) > 20_000
    assert b"<desc" in visitor.get("/receipt.svg?time_range=long_term").content
    assert Card.objects.count() == 3 * ALL
    # Nothing new: nobody is woken. Then a new chart: its pictures take the place of the former ones.
    assert refresh(listener=Listener.objects.get(), trigger="cron", force=True).worked and len(woken) == 1
    new_chart(simulator)
    wait_until(lambda: newest().cards.count() == ALL, seconds=20)
    assert visitor.get("/card.png").content != first.content
    assert Card.objects.count() == 3 * ALL and newest().cards.count() == ALL


def test_a_visitor_who_comes_first_waits_for_the_picture(host: Browser, visitor: Browser, woken: Woken) -> None:
    assert visitor.get("/receipt.png").status_code == 200
    assert [one.args[-4:] for one in woken] == [["--snapshot", str(newest().pk), "--kind", "receipt.png"]]  # type: ignore[index]
    wait_until(lambda: newest().cards.count() == ALL)
    line = visitor.get(f"/year/{newest().first_seen_at.year}/most-days.png?lang=es")
    assert line.status_code == 200 and line.content.startswith(b"\x89PNG")
    assert set(newest().cards.values_list("kind", flat=True)) == {
        *data.KINDS,
        f"year-{newest().first_seen_at.year}-most-days.png",
    }
    for path in ("/year/2001/most-days.png", f"/year/{newest().first_seen_at.year}/anything.png"):
        assert visitor.get(path).status_code == 404


def test_a_private_listeners_pictures_are_drawn_when_the_owner_looks(
    host: Browser, simulator: Simulator, woken: Woken, settings: Any
) -> None:
    settings.LISTENERS = "invited"
    ana = made(simulator, "stranger", name="Ana", handle="ana")
    assert refresh(listener=who(ana), trigger="cron", force=True).worked
    assert not woken
    assert ana.get("/@ana/card.png").status_code == 200 and len(woken) == 1


def test_a_killed_process_leaves_its_place_to_the_next(host: Browser, manage: Manage, woken: Woken) -> None:
    first = process.wake()
    assert first and process.take_lock(of_one=False) is None
    wait_until(lambda: Card.objects.exists() or first.poll() is not None, seconds=20)
    os.kill(first.pid, signal.SIGKILL)
    wait_until(lambda: first.returncode is not None)
    assert Card.objects.count() % ALL == 0, "what is stored is whole"
    second = manage("draw_cards", CARDS="on")
    assert (second.returncode, second.stderr) == (0, "") and "pictures drawn" in second.stdout
    assert Card.objects.count() == 3 * ALL


@pytest.mark.database
def test_two_machines_at_once_store_each_picture_once(host: Browser) -> None:
    numbers = [store.draw_chart, store.draw_chart]
    found = at_once(*(lambda draw=draw: draw(newest().pk) for draw in numbers))
    assert found == [ALL, ALL] and newest().cards.count() == ALL


def test_a_former_snapshot_gets_no_pictures(host: Browser, simulator: Simulator, settings: Any) -> None:
    former = newest()
    new_chart(simulator)
    assert store.draw_chart(former.pk) == 0 and store.draw_chart(newest().pk) == ALL
    assert not former.cards.exists() and store.draw_chart(0) == 0


def test_a_chart_without_songs_wakes_nobody(host: Browser, drawing: None) -> None:
    factories.an_hour_passes()
    factories.charts(Listener.objects.get(), {"short_term": []})
    listener = Listener.objects.get()
    assert not store.is_missing(listener, ["short_term"]) and newest().pk not in store.missing()
    assert store.is_missing(listener, ["medium_term"]) and newest("medium_term").pk in store.missing()


@pytest.mark.database
def test_what_is_drawn_otherwise_now_is_missing(host: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    for snapshot in Snapshot.objects.all():
        invent(snapshot)
    listener = Listener.objects.get()
    assert store.missing() == [] and not store.is_missing(listener, ["short_term"])
    Listener.objects.update(changed_at=newest().confirmed_at)
    assert len(store.missing()) == 3 and store.is_missing(listener, ["short_term"])
    Card.objects.update(listener_changed_at=newest().confirmed_at)
    assert store.missing() == []
    monkeypatch.setattr(data, "design", lambda: "another")
    assert len(store.missing()) == 3
    assert newest().pk in store.missing()
    Listener.objects.update(is_host=False, visibility="private")
    assert store.missing() == [] and store.is_missing(listener, ["short_term"])


# Trouble


@pytest.fixture
def no_typst(drawing: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """The environment of a machine on which the package is not installed."""
    (tmp_path / "typst.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return {"PYTHONPATH": str(tmp_path)}


def test_without_typst_a_refresh_is_unharmed_and_the_plain_picture_stands_in(
    host: Browser,
    visitor: Browser,
    simulator: Simulator,
    woken: Woken,
    no_typst: dict[str, str],
    caplog: pytest.LogCaptureFixture,
    manage: Manage,
) -> None:
    new_chart(simulator)
    wait_until(lambda: woken[0].returncode is not None, seconds=20)
    wait_until(lambda: "typst is not installed" in caplog.text)
    assert len([line for line in caplog.messages if "could not be drawn" in line]) == 1
    started = time.monotonic()
    for _ in range(2):
        assert visitor.get("/card.png")["Location"] == "/static/tracks/icons/share.png"
    assert time.monotonic() - started < share.PATIENCE, "nobody waits for what has failed"
    assert len(woken) == 2, "nor tries it again at once"
    doctor = manage("doctor", CARDS="on", **no_typst)
    assert "Cards: no picture can be made: typst is not installed." in doctor.stdout
    assert "pip install -r requirements.txt" in doctor.stdout and doctor.returncode == 1


@pytest.mark.parametrize("error", [OSError(12, "Cannot allocate memory"), MemoryError()])
def test_a_machine_that_can_start_no_process_refreshes_all_the_same(
    host: Browser,
    visitor: Browser,
    simulator: Simulator,
    drawing: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    def refuse(*args: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr(subprocess, "Popen", refuse)
    new_chart(simulator)
    for _ in range(3):
        assert visitor.get("/card.png").status_code == 302
    told = [line for line in caplog.messages if "no process could be started" in line]
    assert len(told) == 2, "by the refresh, and once by all visitors"
    lock = process.take_lock(of_one=False)
    assert lock is not None, "the lock is given back"
    os.close(lock)


def test_a_picture_that_fails_keeps_no_other_from_being_drawn(host: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.core.management import CommandError, call_command

    bad = newest("medium_term").pk

    def draw(pk: int) -> int:
        if pk == bad:
            raise CannotDraw("a title that breaks")
        snapshot = Snapshot.objects.get(pk=pk)
        invent(snapshot)
        return ALL

    monkeypatch.setattr(store, "draw_chart", draw)
    monkeypatch.setattr("tracks.management.commands.draw_cards.stand_back", lambda **kwargs: None)
    with pytest.raises(CommandError, match="a title that breaks"):
        call_command("draw_cards")
    assert Card.objects.count() == 2 * ALL and not Card.objects.filter(snapshot=bad).exists()


def test_who_comes_while_the_lock_is_let_go_is_not_forgotten(host: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refresh that finds the lock taken relies on the process that has it."""
    from django.core.management import call_command

    for snapshot in Snapshot.objects.exclude(pk=newest().pk):
        invent(snapshot)
    late = newest("medium_term")
    late.cards.all().delete()
    answers = [[newest().pk], [], [late.pk], [late.pk], [], []]
    drawn: list[int] = []

    def draw(pk: int) -> int:
        drawn.append(pk)
        return ALL

    monkeypatch.setattr(store, "missing", lambda: answers.pop(0))
    monkeypatch.setattr(store, "draw_chart", draw)
    monkeypatch.setattr("tracks.management.commands.draw_cards.stand_back", lambda **kwargs: None)
    call_command("draw_cards")
    assert drawn == [newest().pk, late.pk] and answers == []


# The other processes


def is_drawn(address: str) -> bool:
    return requests.get(address, timeout=10, allow_redirects=False).status_code == 200


def test_no_worker_ever_loads_typst_and_no_zombie_stays(
    host: Browser, simulator: Simulator, tmp_path: Path, drawing: None
) -> None:
    """The web's workers draw nothing themselves; the process that does stands back and is gone afterwards."""
    server = Server(tmp_path, CARDS="on")
    try:
        server.wait_until_up()
        for path in ("/card.png", "/receipt.svg?time_range=long_term"):
            wait_until(partial(is_drawn, server.site + path), seconds=40)
        wait_until(lambda: not drawers(), seconds=20)
        workers = children(server.process.pid)
        assert len(workers) == 2
        for worker in workers:
            assert "typst" not in Path(f"/proc/{worker}/maps").read_text()
        # No zombie either.
        wait_until(lambda: not any(map(children, workers)))
        assert newest().cards.count() == ALL
    finally:
        server.stop()


def children(pid: int) -> list[int]:
    """The processes that this one started, and that are not yet forgotten."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
        except OSError:
            continue
    return found


def drawers() -> list[str]:
    """The drawing processes of this test's database."""
    name = str(connection.settings_dict["NAME"])
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command, variables = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()
        except OSError:
            continue
        if b"draw_cards" in command and name.encode() in variables:
            found.append(folder.name)
    return found


def test_whoever_serves_or_refreshes_imports_no_typst() -> None:
    """The web, the queue's workers and the command."""
    code = (
        "import os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'spotify_top.settings'; import django; django.setup(); "
        "import spotify_top.wsgi, spotify_top.celery, tracks.urls, tracks.tasks, tracks.management.commands.doctor; "
        "import tracks.management.commands.refresh_top_tracks, tracks.management.commands.draw_cards; "
        "print({'typst', 'noto_cjk_sans_otc'} & set(sys.modules))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(CARDS="on", CELERY_BROKER_URL="redis://127.0.0.1:6379/0"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.stdout.strip() == "set()", ran.stderr


def test_the_process_goes_last_and_is_bounded() -> None:
    """In memory and in time, whatever a picture does."""
    code = (
        "import os, resource; from tracks.management.commands import draw_cards as command; "
        "command.stand_back(nobody_waits=True); "
        "limit = resource.getrlimit(resource.RLIMIT_AS)[0]; "
        "print(limit, open('/proc/self/oom_score_adj').read().strip(), os.nice(0), flush=True); "
        "command.MOST_SECONDS = 1; command.bounded(__import__('time').sleep, 30)"
    )
    started = time.monotonic()
    ran = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", code],
        env=environment(), capture_output=True, text=True, timeout=60, cwd=ROOT,
    )  # fmt: skip
    assert ran.returncode == -signal.SIGALRM and time.monotonic() - started < 20
    assert re.match(f"2147483648 1000 {os.nice(0) + 10}\n", ran.stdout), ran.stdout + ran.stderr


def test_threads_of_a_round_start_one_process_between_them(host: Browser, woken: Woken) -> None:
    listener = Listener.objects.get()
    result = refresh(listener=listener, trigger="cron", force=True)
    found = list(woken)
    at_once(*[lambda: process.draw_after_refresh(listener=listener, result=result)] * 4)
    assert len(found) == len(woken) == 1


def test_the_command_ends_and_the_drawing_goes_on_without_it(host: Browser, manage: Manage) -> None:
    refreshed = manage("refresh_top_tracks", "--force", CARDS="on")
    assert (refreshed.returncode, refreshed.stderr) == (0, "")
    wait_until(lambda: Card.objects.count() == 3 * ALL and not drawers(), seconds=30)
