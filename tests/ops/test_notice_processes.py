"""Notices as cron sends them: in processes of their own, which are stopped midway or meet each other."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.utils import timezone

from tests.conftest import ROOT, Manage, environment
from tests.deploy.test_production import load
from tests.ops.test_notices import lapses_in
from tracks.models import Listener, Notice, RefreshRun

pytestmark = pytest.mark.django_db(transaction=True)


class SlowHook:
    """A server that keeps what is posted to it, and answers after `seconds`."""

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []
        self.seconds = 0.0
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.posts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                time.sleep(hook.seconds)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

            def handle_error(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def hook(listener: Listener) -> Iterator[SlowHook]:
    lapses_in(5)
    hook = SlowHook()
    yield hook
    hook.server.shutdown()
    hook.server.server_close()


@pytest.fixture
def start(hook: SlowHook) -> Iterator[Callable[[], "subprocess.Popen[str]"]]:
    """Starts the command with that hook."""
    started: list[subprocess.Popen[str]] = []

    def run() -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "manage.py", "refresh_top_tracks", "--force"],
            cwd=ROOT, env=environment(NOTIFY_URL=hook.url), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def wait_for_post(hook: SlowHook) -> None:
    deadline = time.monotonic() + 20
    while not hook.posts:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_stop_while_the_hook_hangs_loses_no_notice(hook: SlowHook, start: Callable[[], Any], manage: Manage) -> None:
    hook.seconds = 30
    process = start()
    wait_for_post(hook)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 75
    # The refresh itself was done by then.
    assert RefreshRun.objects.latest("pk").outcome == "unchanged"
    assert Notice.objects.get(channel="webhook", kind="sign_in_7_days").sent_at is None
    hook.seconds = 0
    for _ in range(2):
        assert manage("refresh_top_tracks", "--force", NOTIFY_URL=hook.url).returncode == 0
    assert [post["kind"] for post in hook.posts] == ["sign_in_7_days"] * 2
    assert Notice.objects.get(channel="webhook", kind="sign_in_7_days").sent_at is not None


@pytest.mark.database
def test_two_runs_at_once_send_one_notice(hook: SlowHook, start: Callable[[], Any]) -> None:
    hook.seconds = 2
    processes = [start(), start()]
    assert [process.wait(30) for process in processes] == [0, 0]
    assert [post["kind"] for post in hook.posts] == ["sign_in_7_days"]


def test_on_render_the_notices_of_cron_link_to_the_site(hook: SlowHook, manage: Manage) -> None:
    """With what render.yaml gives the job, where Render fills in the name of the web service."""
    blueprint = load("render.yaml")
    (group,) = blueprint["envVarGroups"]
    web, cron = blueprint["services"]
    given = {variable["key"]: variable["value"] for variable in group["envVars"] if "value" in variable}
    for variable in cron["envVars"]:
        source = variable.get("fromService", {})
        if source.get("envVarKey") == "RENDER_EXTERNAL_HOSTNAME":
            assert (source["type"], source["name"]) == (web["type"], web["name"])
            given[variable["key"]] = "my-songs.onrender.com"
    result = manage("refresh_top_tracks", "--force", **given, NOTIFY_URL=hook.url)
    assert result.returncode == 0, result.stderr
    assert hook.posts[0]["sign_in_url"] == "https://my-songs.onrender.com/login"


def test_a_hook_that_never_stops_answering_holds_nobody(hook: SlowHook, start: Callable[[], Any]) -> None:
    """It has answered: how much it says after that is nobody's concern."""
    write = threading.Event()

    def endless(handler: Any) -> None:
        hook.posts.append(json.loads(handler.rfile.read(int(handler.headers["Content-Length"]))))
        handler.send_response(200)
        handler.end_headers()
        while not write.wait(0.5):
            handler.wfile.write(b"and another thing ")

    hook.server.RequestHandlerClass.do_POST = endless  # type: ignore[attr-defined]
    started = timezone.now()
    try:
        assert start().wait(15) == 0
    finally:
        write.set()
    assert timezone.now() - started < timedelta(seconds=15)
    assert Notice.objects.get(channel="webhook", kind="sign_in_7_days").sent_at
