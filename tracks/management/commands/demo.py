"""`manage.py demo`: the whole service on this machine, with invented songs from a simulated Spotify."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import requests
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

START_SECONDS = 30
# Of listening, before the demo begins: of the host's a year, so that a year ago can be looked at. The last days are
# refreshes.
PAST_DAYS, PAST_DAYS_OF_OTHERS = 364, 60
DAYS = 2
# Accounts of the simulator, with what they call themselves here.
HOST = "host"
PEOPLE = {
    HOST: {"name": "Hanne", "handle": "hanne"},
    "stranger": {"name": "Stan", "handle": "stan", "visibility": "public"},
    "new": {"name": "Nell", "handle": "nell", "visibility": "private"},
}
INVITATION = re.compile(r'id="new-invitation"[^>]* value="([^"]+)"')


class Command(BaseCommand):
    help = "Starts the site with a simulated Spotify and a database of its own, signs in, and prints the top 20."
    requires_system_checks = []
    is_over = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="the site's port on 127.0.0.1 (default: 8000)")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("The demo lets anybody sign in as the host, so it runs only with DEBUG=on.")
        try:
            from simulator import Simulator
        except ModuleNotFoundError:
            raise CommandError(
                "The simulator/ folder is missing: run the demo from a clone of the repository."
            ) from None
        if not 1 <= options["port"] <= 65_535:
            raise CommandError("--port must be from 1 to 65535.")
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.stop)
        self.site = f"http://127.0.0.1:{options['port']}"
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", options["port"]))
            except OSError:
                raise CommandError(
                    f"Port {options['port']} is taken: stop what uses it, or choose another: make demo PORT=8080."
                ) from None
        try:
            with tempfile.TemporaryDirectory(prefix="top-twenty-demo-") as folder, Simulator() as simulator:
                environment = self.environment(Path(folder), simulator)
                self.manage(environment, "migrate", "--verbosity", "0")
                self.serve(environment, simulator)
        except KeyboardInterrupt:
            self.stdout.write("\nStopped.")

    def stop(self, number: int, frame: Any) -> None:
        # Python drops an exception that happens to be raised inside a finalizer: what waits last asks again.
        self.is_over = True
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit

    def serve(self, environment: dict[str, str], simulator: Any) -> None:
        """Runs the site, signed in, until somebody stops it."""
        # Its errors stay in view; its greeting would drown the chart.
        server = subprocess.Popen(
            self.command("runserver", "--noreload", self.site[7:]), env=environment, stdout=subprocess.DEVNULL
        )
        try:
            self.wait_until_up(server)
            simulator.auto_approve = True
            self.sign_in_everybody(simulator)
            simulator.auto_approve, simulator.current = False, HOST
            self.live_through(environment, simulator)
            # From now on each refresh finds another day of listening.
            simulator.restless = True
            self.print_chart()
            self.stdout.write(f"\nWho is here: {self.site}/listeners/")
            self.stdout.write(f"What two have in common: {self.site}/@hanne/with/stan/")
            self.stdout.write(f"A page of one's own: {self.site}/me/ as Hanne (host), Stan (public) or Nell (private).")
            self.stdout.write(f"\nOpen {self.site}/ in a browser. Ctrl-C stops the demo and forgets everything.")
            self.stdout.flush()
            if not self.is_over:
                server.wait()
        finally:
            server.terminate()
            server.wait()

    def environment(self, folder: Path, simulator: Any) -> dict[str, str]:
        """This process's own, without any setting of a real site, with those of the demo."""
        kept = {
            name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "SYSTEMROOT", "TERM"}
        }
        return kept | {
            "PYTHON_DOTENV_DISABLED": "1",
            "PYTHONUNBUFFERED": "1",
            "SECRET_KEY": "the demo has no secrets, and its database is gone when it stops",
            "DEBUG": "on",
            "DEMO": "on",
            "PORT": self.site.rpartition(":")[2],
            "LISTENERS": "invited",
            "SPOTIFY_CALLS_PER_30_SECONDS": "100000",
            "DATABASE_URL": f"sqlite:///{folder / 'demo.sqlite3'}",
            "SPOTIPY_CLIENT_ID": simulator.client_id,
            "SPOTIPY_CLIENT_SECRET": simulator.client_secret,
            "SPOTIFY_ACCOUNTS_URL": simulator.accounts_url,
            "SPOTIFY_API_URL": simulator.api_url,
        }

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-W", "ignore", str(settings.BASE_DIR / "manage.py"), *arguments]

    def live_through(self, environment: dict[str, str], simulator: Any) -> None:
        """A year of listening, so that there is movement and a history to see."""
        code = [
            "from tracks.management import past",
            f"past.remember(days={PAST_DAYS}, days_of_others={PAST_DAYS_OF_OTHERS})",
            f"past.live_through_at({simulator.url!r}, days={DAYS}, accounts={list(PEOPLE)})",
        ]
        # Nobody looks at the pictures of those days.
        self.manage(environment | {"CARDS": "off"}, "shell", "--no-imports", "--command", "; ".join(code))

    def manage(self, environment: dict[str, str], *arguments: str) -> None:
        # In a session of its own, Ctrl-C stops it through this process, without a traceback.
        process = subprocess.Popen(
            self.command(*arguments), env=environment, start_new_session=True, stderr=subprocess.PIPE, text=True
        )
        try:
            _, errors = process.communicate()
        finally:
            # It writes into the folder that is deleted next.
            process.kill()
            process.wait()
        if process.returncode:
            self.stderr.write(errors)
            raise CommandError(f"manage.py {arguments[0]} failed; its message is above.")

    def wait_until_up(self, server: "subprocess.Popen[bytes]") -> None:
        for _ in range(START_SECONDS * 10):
            if server.poll() is not None:
                raise CommandError("The site did not start; its message is above.")
            try:
                if requests.get(f"{self.site}/health", timeout=5).ok:
                    return
            except requests.ConnectionError:
                time.sleep(0.1)
        raise CommandError(f"The site did not answer within {START_SECONDS} s.")

    def sign_in_everybody(self, simulator: Any) -> None:
        """The host, and who comes by the host's invitations; each says who they are."""
        with requests.Session() as host:
            for account, profile in PEOPLE.items():
                simulator.current = account
                if account == HOST:
                    self.introduce(host, f"{self.site}/login", profile)
                    continue
                found = INVITATION.search(self.press(host, f"{self.site}/me/", "/me/invitations/"))
                if found is None:
                    raise CommandError("The host's page shows no invitation.")
                with requests.Session() as guest:
                    self.introduce(guest, found[1], profile)

    def introduce(self, browser: requests.Session, page: str, profile: dict[str, str]) -> None:
        """Signs in by the button on this page; the refresh is part of it. Then tells the name."""
        self.press(browser, page, "/accounts/spotify/login/")
        self.press(browser, f"{self.site}/me/", "/me/", **profile)

    def press(self, browser: requests.Session, page: str, form: str, **fields: str) -> str:
        """Opens the page, presses the button of this form on it as a browser would, and returns the page after that."""
        text = browser.get(page, timeout=10).text
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', text))
        answer = browser.post(f"{self.site}{form}", data=hidden | fields, timeout=30)
        if not answer.ok:
            raise CommandError(f"{form} failed with status {answer.status_code}.")
        return answer.text

    def print_chart(self) -> None:
        chart = requests.get(f"{self.site}/tracks.json", timeout=10).json()
        self.stdout.write(f"\nThe top {len(chart['tracks'])} of the last 4 weeks, at {self.site}/\n\n")
        for track in chart["tracks"]:
            self.stdout.write(f"{track['position']:>4}. {track['name']} — {track['artist']}")
