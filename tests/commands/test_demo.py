"""`manage.py demo`: the service with invented songs, which leaves nothing behind and touches no real site."""

import os
import re
import signal
import socket
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.core.management import CommandError, call_command
from django.utils.html import escape

from bench.service import free_port
from tests.conftest import ROOT, Manage
from tests.helpers import serves, wait_until

SECONDS = 40


@dataclass(frozen=True)
class Visit:
    """What one demo printed and served, and what was left when it had stopped."""

    port: int
    printed: str
    page: str
    records: int
    missing: str
    listeners: str
    others: list[int]
    presses: list[str]
    charts: list[list[str]]
    client_id: str
    folders: list[str]
    code: int
    goodbye: str
    errors: str
    left: list[str]
    serving: bool
    real: list[str]


@contextmanager
def demo(folder: Path, port: int) -> Iterator["subprocess.Popen[str]"]:
    """A demo started as from a terminal where a real site is set up; its temporary folder is made in `folder`."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "manage.py", "demo", "--port", str(port)],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "PYTHON_DOTENV_DISABLED": "1",
            "TMPDIR": str(folder),
            "SECRET_KEY": "the real site's key",
            "DEBUG": "on",
            "BEHIND_PROXY": "on",
            "DATABASE_URL": f"sqlite:///{folder}/real.sqlite3",
            "SPOTIPY_CLIENT_ID": "real-client",
            "SPOTIPY_CLIENT_SECRET": "real-secret",
            "SPOTIFY_HOST_ID": "real-host",
            "STAGING_DIR": str(folder),
            "SITE_NAME": "The real site",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )
    try:
        yield process
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.communicate()


def demo_folders(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("top-twenty-demo-*")]


def stop(process: "subprocess.Popen[str]", how: signal.Signals) -> None:
    """Ctrl-C reaches everything that runs in a terminal; SIGTERM is sent to one process."""
    if how == signal.SIGINT:
        os.killpg(process.pid, how)
    else:
        process.send_signal(how)


def token(page: str) -> str:
    found: str = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[0]
    return found


def press_refresh(site: str) -> tuple[list[str], list[list[str]]]:
    """Signs in as a visitor of the demo does, and presses Refresh twice: the pages, and the charts before and after."""
    with requests.Session() as browser:

        def chart() -> list[str]:
            return [track["name"] for track in browser.get(f"{site}/tracks.json", timeout=10).json()["tracks"]]

        page = browser.get(f"{site}/login", timeout=10).text
        consent = browser.post(f"{site}/accounts/spotify/login/", {"csrfmiddlewaretoken": token(page)}, timeout=10)
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', consent.text))
        answer = {name: unescape(value) for name, value in hidden.items()} | {"account": "host", "decision": "agree"}
        page = browser.post(consent.url.partition("?")[0], answer, timeout=20).text
        pages, charts = [], [chart()]
        for _ in range(2):
            page = browser.post(f"{site}/refresh", {"csrfmiddlewaretoken": token(page)}, timeout=20).text
            pages.append(page)
            charts.append(chart())
    return pages, charts


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> Visit:
    """One demo from its start to its end, by Ctrl-C."""
    folder, port = tmp_path_factory.mktemp("demo"), free_port()
    with demo(folder, port) as process:
        assert process.stdout
        printed = ""
        for line in process.stdout:
            printed += line
            if "Ctrl-C" in line:
                break
        assert "Ctrl-C" in printed, process.communicate()[1]
        site = f"http://127.0.0.1:{port}"
        page = requests.get(f"{site}/", timeout=10).text
        records = len(requests.get(f"{site}/tracks.json", timeout=10).json()["tracks"])
        missing = requests.get(f"{site}/nothing-here", timeout=10).text
        listeners = requests.get(f"{site}/listeners/", timeout=10).text
        addresses = ("/@stan/", "/@nell/", "/@hanne/with/stan/")
        others = [requests.get(site + address, timeout=10).status_code for address in addresses]
        presses, charts = press_refresh(site)
        with requests.Session() as browser:
            answer = browser.post(
                f"{site}/accounts/spotify/login/",
                {"csrfmiddlewaretoken": token(browser.get(f"{site}/login", timeout=10).text)},
                allow_redirects=False,
                timeout=10,
            )
        folders = demo_folders(folder)
        stop(process, signal.SIGINT)
        goodbye, errors = process.communicate(timeout=SECONDS)
    return Visit(
        port=port,
        printed=printed,
        page=page,
        records=records,
        missing=missing,
        listeners=listeners,
        others=others,
        presses=presses,
        charts=charts,
        client_id=parse_qs(urlsplit(answer.headers["Location"]).query)["client_id"][0],
        folders=folders,
        code=process.returncode,
        goodbye=goodbye,
        errors=errors,
        left=demo_folders(folder),
        serving=serves(port),
        real=[path.name for path in folder.iterdir()],
    )


def test_prints_twenty_numbered_songs_and_the_address(visit: Visit) -> None:
    songs = re.findall(r"^ *(\d+)\. \S.* — \S.*$", visit.printed, re.MULTILINE)
    assert [int(number) for number in songs] == list(range(1, 21))
    assert f"Open http://127.0.0.1:{visit.port}/ in a browser" in visit.printed


def test_serves_the_chart_under_a_ribbon_that_says_the_data_are_invented(visit: Visit) -> None:
    # A landmark: what stands in none is hard to come upon with a screen reader.
    assert '<aside class="ribbon">Demo data' in visit.page and visit.records == 20
    first = re.search(r"^ *1\. (.*) — ", visit.printed, re.MULTILINE)
    assert first and escape(first[1]) in visit.page
    assert '<span class="move ' in visit.page


def test_three_listeners_are_there_the_host_a_public_and_a_private_one(visit: Visit) -> None:
    assert re.findall(r"<h2>.*?<bdi>(.*?)</bdi>", visit.listeners) == ["Hanne", "Stan"]
    assert visit.others == [200, 404, 200]
    assert f"127.0.0.1:{visit.port}/@hanne/with/stan/" in visit.printed


def test_number_one_has_a_title_in_latin_script(visit: Visit) -> None:
    first = re.search(r"^ *1\. (.*) — ", visit.printed, re.MULTILINE)
    assert first and all(unicodedata.name(letter).startswith("LATIN") for letter in first[1] if letter.isalpha())
    assert re.search("[A-Za-z]", first[1])


def test_each_press_of_refresh_is_another_day_and_says_what_changed(visit: Visit) -> None:
    before, *after = visit.charts
    for page, chart in zip(visit.presses, after, strict=True):
        assert len(set(chart) - set(before)) == 2
        assert re.search(r"Refreshed: three lists of 20 songs; 6 new, \d+ moved, 6 left\.", page)
        assert page.count('class="move new"') + page.count('class="move back"') == 2
        assert 'class="move up"' in page and 'class="move down"' in page
        before = chart


def test_a_mistyped_address_gets_the_sites_own_page(visit: Visit) -> None:
    assert "There is no such page" in visit.missing and "URLconf" not in visit.missing


def test_stops_cleanly_and_leaves_nothing_behind(visit: Visit) -> None:
    assert (visit.code, visit.errors) == (0, "")
    assert visit.goodbye.strip() in {"", "Stopped."}
    assert len(visit.folders) == 1 and visit.left == []
    assert not visit.serving


def test_uses_no_setting_of_a_real_site(visit: Visit) -> None:
    assert visit.client_id == "demo-client"
    assert "The real site" not in visit.page
    assert visit.real == []


def test_the_clone_line_of_the_readme_reaches_git_as_it_stands(tmp_path: Path) -> None:
    line = re.findall(r"^git clone .*$", (ROOT / "README.md").read_text(), re.MULTILINE)[0]
    git = tmp_path / "git"
    git.write_text('#!/bin/sh\nfor word; do echo "$word"; done\nmkdir "$3"\n')
    git.chmod(0o755)
    result = subprocess.run(
        ["/bin/sh", "-c", line], cwd=tmp_path, env={"PATH": f"{tmp_path}:/bin"}, capture_output=True, text=True
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.split("\n")[:3] == ["clone", "https://github.com/OWNER/spotify_top", "top-twenty"]


@pytest.mark.parametrize(
    ("how", "is_up"), [(signal.SIGINT, False), (signal.SIGTERM, False), (signal.SIGTERM, True)], ids=str
)
def test_a_stop_while_it_still_starts_is_clean_too(tmp_path: Path, how: signal.Signals, is_up: bool) -> None:
    port = free_port()
    with demo(tmp_path, port) as process:
        wait_until(lambda: serves(port) if is_up else demo_folders(tmp_path), seconds=SECONDS)
        stop(process, how)
        printed, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    # Python may drop and report the exception that stops it, where it happens to be raised inside a finalizer.
    if "Exception ignored" not in errors:
        assert (printed.strip(), errors) == ("Stopped." if how == signal.SIGINT else "", "")
    assert list(tmp_path.iterdir()) == []
    assert not serves(port)


def test_refuses_to_run_without_debug(manage: Manage) -> None:
    result = manage("demo", "--port", str(free_port()), DEBUG="off")
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert "DEBUG=on" in result.stderr


def test_a_taken_port_is_one_line(manage: Manage) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = manage("demo", "--port", str(port), DEBUG="on")
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert f"Port {port} is taken" in result.stderr


@pytest.mark.parametrize("port", [0, -1, 65_536])
def test_a_port_that_cannot_be_is_one_line(settings: Any, port: int) -> None:
    settings.DEBUG = True
    with pytest.raises(CommandError, match=r"^--port must be from 1 to 65535\.$"):
        call_command("demo", port=port)
