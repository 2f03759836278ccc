"""The service as it runs in production: `python gunicorn.conf.py`, and the files that deploy it."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from simulator import Simulator
from tests.conftest import ROOT, Server, environment
from tracks.etl.service import refresh
from tracks.models import Listener

pytestmark = pytest.mark.django_db(transaction=True)


def test_serves_pages_data_and_static_files(server: Server) -> None:
    page = requests.get(f"{server.site}/", timeout=10)
    assert page.status_code == 200 and "Salt Lamp" in page.text
    assert len(requests.get(f"{server.site}/tracks.json", timeout=10).json()["tracks"]) == 20
    for address in re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text):
        assert requests.get(server.site + address, timeout=10).status_code == 200, address


def test_a_new_chart_shows_within_two_seconds_on_every_worker(server: Server, simulator: Simulator) -> None:
    def shown() -> set[str]:
        """What 20 new connections get: which worker takes one is left to the kernel."""
        return {requests.get(f"{server.site}/tracks.csv", timeout=10).text for _ in range(20)}

    (before,) = shown()
    simulator.shuffle("host", "short_term")
    assert refresh(listener=Listener.objects.get(), trigger="cron", force=True).ok
    time.sleep(2)
    (after,) = shown()
    assert after != before


def test_the_log_is_json_without_query_strings_and_forged_lines(server: Server) -> None:
    requests.get(f"{server.site}/accounts/spotify/login/callback/?code=secret-code&state=secret-state", timeout=10)
    requests.get(f"{server.site}/nothing%0A[forged]", timeout=10)
    requests.get(f"{server.site}/invite/secret-link/", timeout=10)
    requests.post(f"{server.site}/invite/secret-link/", timeout=10)
    server.stop()
    log = server.log.read_text()
    entries = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    visits = [entry for entry in entries if entry["logger"] == "gunicorn.access"]
    assert ("/accounts/spotify/login/callback/", 400) in {(entry["path"], entry["status"]) for entry in visits}
    assert all(re.fullmatch("[0-9a-f]{16}", entry["request_id"]) for entry in visits)
    assert "secret" not in log and "\n[forged]" not in log


def test_a_stop_is_quick_and_clean_also_with_idle_connections(server: Server) -> None:
    with requests.Session() as browser:
        browser.get(f"{server.site}/health", timeout=5)
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started < 12  # gunicorn would wait 20 s for those at work


def test_a_stop_waits_for_a_request_at_work(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as slow:
        slow.sendall(b"GET /tracks.json HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        slow.sendall(b"Connection: close\r\n\r\n")
        assert slow.recv(12) == b"HTTP/1.1 200"
    assert server.process.wait(25) == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [("BIND", "hunter2"), ("PORT", "hunter2"), ("PORT", "70000"), ("WEB_CONCURRENCY", "hunter2"),
     ("WEB_CONCURRENCY", "0"), ("SECRET_KEY", ""), ("DATABASE_URL", "hunter2://x")],
)  # fmt: skip
def test_a_bad_setting_ends_the_start_with_one_line(db: None, name: str, value: str) -> None:
    result = subprocess.run(
        [sys.executable, "gunicorn.conf.py"],
        cwd=ROOT, env=environment() | {name: value}, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(name) and "hunter2" not in line


def test_a_taken_port_ends_the_start_with_one_line(server: Server) -> None:
    """Another site shares its port as much as another program does not."""
    result = subprocess.run(
        [sys.executable, "gunicorn.conf.py"],
        cwd=ROOT, env=environment(PORT=str(server.port)), capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert (result.returncode, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert line == "PORT is not to be had (Address already in use): stop what uses it, or set another."


def test_static_files_are_collected_under_names_for_ever(db: None, tmp_path: Path) -> None:
    for name in ("manage.py", "spotify_top", "tracks", "templates"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    result = subprocess.run(
        [sys.executable, "manage.py", "collectstatic", "--noinput"],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    collected = {path.name for path in (tmp_path / "staticfiles/tracks").rglob("*")}
    assert any(re.fullmatch(r"site\.[0-9a-f]{12}\.css\.gz", name) for name in collected)


# The files that deploy it


def load(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text())


def test_web_and_cron_on_render_share_settings_database_and_credentials() -> None:
    blueprint = load("render.yaml")
    web, cron = blueprint["services"]
    assert (web["type"], cron["type"]) == ("web", "cron")
    group = blueprint["envVarGroups"][0]
    generated = {variable["key"] for variable in group["envVars"] if variable.get("generateValue")}
    assert generated == {"SECRET_KEY", "REFRESH_TOKEN"}
    for service in (web, cron):
        assert {"fromGroup": group["name"]} in service["envVars"]
        assert {"key": "DATABASE_URL", "fromDatabase": {"name": "top-twenty-db", "property": "connectionString"}} in (
            service["envVars"]
        )
    assert {"key": "BEHIND_PROXY", "value": "on"} in group["envVars"]
    # X-Forwarded-For: visitor, edge.
    assert {"key": "TRUSTED_PROXIES", "value": "2"} in group["envVars"]
    asked = {variable["key"] for variable in web["envVars"] if variable.get("sync") is False}
    copied = {variable["key"] for variable in cron["envVars"] if "fromService" in variable}
    assert asked == copied - {"ALLOWED_HOSTS"} == {"SPOTIPY_CLIENT_ID", "SPOTIPY_CLIENT_SECRET", "SPOTIFY_HOST_ID"}
    assert web["healthCheckPath"] == "/live" and "migrate" in web["preDeployCommand"]
    assert cron["schedule"].endswith(" * * * *") and cron["dockerCommand"].endswith("refresh_top_tracks")


def test_on_render_a_queue_changes_nothing_of_the_site_but_what_it_needs() -> None:
    plain, queue = load("render.yaml"), load("deploy/render-queue.yaml")
    site, (web, broker, worker, beat) = plain["services"][0], queue["services"]
    added = [variable for variable in web["envVars"] if variable not in site["envVars"]]
    assert [variable["key"] for variable in added] == ["REQUIREMENTS", "CELERY_BROKER_URL"]
    assert web == site | {"envVars": web["envVars"]} and plain["databases"] == queue["databases"]
    group = queue["envVarGroups"][0]["envVars"]
    assert [each for each in group if each not in plain["envVarGroups"][0]["envVars"]] == [
        {"key": "LISTENERS", "value": "invited"}
    ]
    assert (broker["type"], broker["maxmemoryPolicy"], broker["ipAllowList"]) == ("keyvalue", "noeviction", [])
    cron = plain["services"][1]
    for service in (worker, beat):
        assert service["dockerCommand"].startswith("celery -A spotify_top ")
        assert all(variable in service["envVars"] for variable in added)
        # As the command's; beat sends no notices, which name the site.
        missing = [variable["key"] for variable in cron["envVars"][1:] if variable not in service["envVars"]]
        assert missing == ([] if service is worker else ["ALLOWED_HOSTS"])


def test_compose_waits_for_the_database_and_its_tables() -> None:
    services = load("docker-compose.yml")["services"]
    by_default = {name for name, service in services.items() if "profiles" not in service}
    assert by_default == {"db", "migrate", "web", "refresher"}
    assert services["migrate"]["depends_on"]["db"] == {"condition": "service_healthy"}
    for name in ("web", "refresher", "worker"):
        assert services[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
        assert services[name]["read_only"] is True
        assert services[name]["tmpfs"] == ["/tmp:size=64m"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not here")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    units = list((ROOT / "deploy/systemd").iterdir())
    assert len(units) == 5
    for unit in units:
        # The program is not installed on this machine, nor its user.
        text = re.sub("/srv/top-twenty/.venv/bin/(python|celery)", sys.executable, unit.read_text())
        (tmp_path / unit.name).write_text(text.replace("User=top-twenty", "User=daemon"))
    result = subprocess.run(
        ["systemd-analyze", "verify", *(str(tmp_path / unit.name) for unit in units)],
        env={"PATH": os.environ["PATH"], "SYSTEMD_UNIT_PATH": f"{tmp_path}:"}, capture_output=True, text=True,
    )  # fmt: skip
    said = [line for line in result.stderr.splitlines() if "top-twenty" in line]
    assert (result.returncode, said) == (0, [])


def test_the_site_has_as_long_to_stop_as_it_takes() -> None:
    patience = int(re.search(r"graceful_timeout = (\d+)", (ROOT / "gunicorn.conf.py").read_text())[1])  # type: ignore[index]
    unit = (ROOT / "deploy/systemd/top-twenty.service").read_text()
    assert int(re.search(r"TimeoutStopSec=(\d+)", unit)[1]) > patience  # type: ignore[index]
    assert int(load("docker-compose.yml")["services"]["web"]["stop_grace_period"].rstrip("s")) > patience


def settings_read() -> set[str]:
    """The variables that the settings and the server's configuration read."""
    sources = ((ROOT / name).read_text() for name in ("spotify_top/settings.py", "gunicorn.conf.py"))
    return set(re.findall(r"""env\.\w+\(\s*["']([A-Z_]+)["']""", "".join(sources)))


@pytest.mark.parametrize("path", ["render.yaml", "deploy/render-queue.yaml", "docker-compose.yml", ".env.example"])
def test_every_setting_that_is_set_is_one_that_is_read(path: str) -> None:
    named = re.findall(r"^#?(?: *- key: | {4})?([A-Z][A-Z_]{3,})(?:=|:|$)", (ROOT / path).read_text(), re.MULTILINE)
    assert named
    # Compose's own, and the Dockerfile's.
    assert set(named) - {"POSTGRES_PASSWORD", "REQUIREMENTS"} <= settings_read()


def test_the_example_holds_no_secret() -> None:
    text = (ROOT / ".env.example").read_text()
    assert re.findall(r"^#?\w*(?:SECRET|TOKEN|PASSWORD|KEY)\w*=.+$", text, re.MULTILINE) == []


def test_every_setting_that_is_read_stands_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    names = settings_read() - {"DEMO", "DATABASE_SHARED", "RENDER_EXTERNAL_HOSTNAME"}
    assert len(names) > 15
    assert [name for name in sorted(names) if f"`{name}`" not in readme] == []


def test_the_refreshing_workflow_may_do_nothing_on_github() -> None:
    assert load(".github/workflows/refresh.yml")["permissions"] == {}


def test_the_image_runs_as_nobody_and_leaves_the_simulator_out() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^USER 10001", dockerfile, re.MULTILINE)
    assert "simulator" not in dockerfile and "simulator" not in (ROOT / ".dockerignore").read_text()


def test_the_image_is_given_all_that_is_copied_into_it() -> None:
    copied = re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    files = {name.rstrip("/") for line in copied for name in line.split()}
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert files and files == let_in


def test_no_production_code_imports_the_simulator() -> None:
    for folder in ("tracks", "spotify_top"):
        for path in (ROOT / folder).rglob("*.py"):
            if path.name != "demo.py":
                assert not re.search(r"^\s*(from|import) simulator", path.read_text(), re.MULTILINE), path
