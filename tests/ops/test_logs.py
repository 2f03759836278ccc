"""What the log tells the operator."""

import json
import logging
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from bench.service import free_port
from simulator import Fault, Simulator
from tests.conftest import ROOT, Browser, Manage, environment
from tests.factories import an_hour_passes
from tests.helpers import serves, wait_until
from tracks.etl.service import refresh
from tracks.models import Listener, RefreshRun
from tracks.ops.logs import add_request_id, drop_secrets

pytestmark = pytest.mark.django_db


def lines(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [record for record in caplog.records if record.getMessage().startswith("refresh ")]


def test_a_refresh_logs_one_line_with_its_facts(listener: Listener, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "tracks"):
        refresh(listener=listener, trigger="cron", time_ranges=["long_term"], force=True)
    (line,) = lines(caplog)
    assert (line.run, line.listener) == (RefreshRun.objects.latest("pk").pk, listener.pk)
    assert (line.trigger, line.time_ranges, line.outcome) == ("cron", ["long_term"], "unchanged")
    assert (line.extracted, line.loaded, line.rejected, line.error) == (20, 20, 0, None)
    assert line.extract_ms > 0 and line.transform_ms > 0 and line.load_ms > 0


def test_a_failed_refresh_logs_its_cause(
    listener: Listener, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    simulator.fault("/v1/me/top/tracks", Fault(status=502))
    with caplog.at_level(logging.INFO, "tracks"):
        refresh(listener=listener, trigger="cron", force=True)
    (line,) = lines(caplog)
    assert (line.outcome, line.error) == ("unavailable", "unavailable")


def test_a_requests_id_is_on_its_lines_and_in_its_answer(host: Browser, caplog: pytest.LogCaptureFixture) -> None:
    an_hour_passes()
    caplog.handler.addFilter(add_request_id)
    with caplog.at_level(logging.INFO, "tracks"):
        response = host.press("/refresh", on="/")
    (line,) = lines(caplog)
    assert line.request_id == response["X-Request-ID"] and len(line.request_id) == 16
    assert host.get("/")["X-Request-ID"] != line.request_id


@pytest.mark.parametrize(
    ("behind", "given", "kept"),
    [
        (True, "abcd-1234-efgh", True),
        (False, "abcd-1234-efgh", False),
        (True, "short", False),
        (True, "a\nb" * 5, False),
    ],
)
def test_the_id_of_the_proxy_is_kept_only_behind_one(
    visitor: Browser, settings: Any, behind: bool, given: str, kept: bool
) -> None:
    settings.BEHIND_PROXY = behind
    assert (visitor.get("/health", HTTP_X_REQUEST_ID=given)["X-Request-ID"] == given) is kept


@pytest.mark.django_db(transaction=True)
def test_production_logs_json_and_development_readable_lines(host: Browser, manage: Manage) -> None:
    out = manage("refresh_top_tracks", "--force", "--verbosity", "2").stdout
    (entry,) = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    assert entry["level"] == "INFO" and entry["logger"] == "tracks.etl.service" and entry["request_id"] == "-"
    assert entry["outcome"] == "unchanged" and entry["time"] and entry["load_ms"] > 0
    err = manage("refresh_top_tracks", "--force", "--verbosity", "2", DEBUG="on").stderr
    assert "INFO tracks.etl.service [-] refresh run=" in err and "{" not in err.splitlines()[0]


def test_the_development_server_logs_no_query(tmp_path: Path) -> None:
    log, port = tmp_path / "log", free_port()
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"],
            cwd=ROOT, env=environment(DEBUG="on"), stdout=file, stderr=file,
        )  # fmt: skip
    try:
        wait_until(lambda: serves(port), seconds=30)
        requests.get(f"http://127.0.0.1:{port}/accounts/spotify/login/callback/?code=secret-code", timeout=20)
        # The line is written when the answer has gone out.
        wait_until(lambda: "/callback/" in log.read_text(), seconds=10)
    finally:
        process.terminate()
        process.wait(10)
    said = log.read_text()
    assert said.count("/accounts/spotify/login/callback/") == 1 and "secret-code" not in said, said
    assert re.search(r'WARNING django.server \[[0-9a-f]{16}\] "GET /accounts/', said), said


def test_no_line_holds_the_secret_of_an_invitation(caplog: pytest.LogCaptureFixture) -> None:
    for text in (
        "/invite/s3cr-et_/",
        "Gone: /invite/s3cr-et_/",
        '"GET /invite/s3cr-et_/?x=1 HTTP/1.1"',
        "/invite/s3cr-et_",
    ):
        record = logging.LogRecord("django.request", logging.WARNING, "", 1, "%s: %s", ("Gone", text), None)
        assert drop_secrets(record) and "s3cr" not in record.getMessage() and "/invite/-" in record.getMessage()
