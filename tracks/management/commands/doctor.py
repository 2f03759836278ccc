"""`manage.py doctor`: looks at everything the service needs, and says what to do about what is missing."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.core import checks
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.urls import reverse
from django.utils import timezone

from tracks.cards import draw
from tracks.models import Listener
from tracks.ops import queue
from tracks.spotify.clock import clock_ahead
from tracks.spotify.errors import AccessTokenRefused, BadCredentials, RateLimited, SpotifyError, Unavailable
from tracks.spotify.session import BoundedSession
from tracks.spotify.tokens import is_readable, read_answer

# A sign-in code lives for minutes and an access token for an hour: a clock off by less does no harm.
MOST_CLOCK_SECONDS = 60
STALE_HOURS = 24
# For both questions to Spotify together.
SPOTIFY_SECONDS = 10


class Finding(NamedTuple):
    is_fine: bool
    what: str
    cure: str = ""


class Command(BaseCommand):
    help = "Checks settings, database, Spotify and the sign-in. Exits with 0 if all is well, else with 1."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        failures = 0
        for finding in self.findings():
            failures += not finding.is_fine
            mark = self.style.SUCCESS("ok  ") if finding.is_fine else self.style.ERROR("FAIL")
            self.stdout.write(f"{mark} {finding.what}")
            if finding.cure:
                self.stdout.write(f"     {finding.cure}")
        if failures:
            raise CommandError(f"{failures} thing{'s' if failures > 1 else ''} to put right.")

    def findings(self) -> Iterator[Finding]:
        yield from settings_findings()
        yield redirect_uri_finding()
        yield from spotify_findings()
        database = database_finding()
        yield database
        if database.is_fine:
            yield from sign_in_findings()
            yield from (Finding(*found) for found in queue.look())
        if settings.CARDS:
            yield from card_findings()


def settings_findings() -> Iterator[Finding]:
    messages = checks.run_checks(include_deployment_checks=not settings.DEBUG)
    problems = [message for message in messages if not message.is_silenced()]
    for message in problems:
        yield Finding(False, f"Settings: {message.msg}", message.hint or "")
    if not problems:
        yield Finding(True, "Settings")


def redirect_uri_finding() -> Finding:
    path = reverse("spotify_callback")
    public = [host for host in settings.ALLOWED_HOSTS if host.strip("[]") not in {"127.0.0.1", "localhost", "::1"}]
    addresses = [f"https://{host.lstrip('.')}{path}" for host in public if host != "*"]
    shown = " or ".join(addresses or [f"http://127.0.0.1:{settings.PORT}{path}"])
    if public and not settings.BEHIND_PROXY:
        return Finding(
            False,
            "Redirect URI: the site takes itself for plain http, which Spotify refuses on a public address.",
            "Serve it over https behind a proxy and set BEHIND_PROXY=on.",
        )
    return Finding(True, "Redirect URI", f"Spotify's dashboard must hold exactly: {shown}")


def spotify_findings() -> Iterator[Finding]:
    """Asks what a sign-in asks: the clock, the accounts service and the Web API; nothing while Spotify says wait."""
    try:
        session: BoundedSession | None = BoundedSession(seconds=SPOTIFY_SECONDS)
    except RateLimited as error:
        yield pause_finding(error)
        return
    except (DatabaseError, InterfaceError):
        session = None  # whether Spotify said wait stands in the database
    try:
        ahead = clock_ahead().total_seconds()
    except Unavailable:
        yield Finding(False, "Spotify: no answer.", "Look at this machine's network, DNS and firewall (port 443 out).")
        return
    if abs(ahead) > MOST_CLOCK_SECONDS:
        direction = "ahead of" if ahead > 0 else "behind"
        yield Finding(
            False,
            f"Clock: {abs(ahead):.0f} s {direction} Spotify's.",
            "Set it by NTP (timedatectl set-ntp true); tokens and refreshes go by it.",
        )
    else:
        yield Finding(True, "Spotify answers, and the clocks agree")
    if session is None:
        return
    try:
        if settings.SPOTIPY_CLIENT_ID and settings.SPOTIPY_CLIENT_SECRET:
            yield credentials_finding(session)
        yield web_api_finding(session)
    except RateLimited as error:
        yield pause_finding(error)


def pause_finding(error: RateLimited) -> Finding:
    return Finding(
        False,
        f"Spotify: it asked this app to wait until {error.until:%Y-%m-%d %H:%M} UTC.",
        "Nothing to do but wait; calling earlier lengthens it.",
    )


def credentials_finding(session: BoundedSession) -> Finding:
    """Asks for a token of the app itself, and throws it away: it opens nobody's data. Raises RateLimited.

    developer.spotify.com/documentation/web-api/tutorials/client-credentials-flow
    """
    try:
        answer = session.post(
            f"{settings.SPOTIFY_ACCOUNTS_URL}/api/token",
            data={"grant_type": "client_credentials"},
            auth=(settings.SPOTIPY_CLIENT_ID, settings.SPOTIPY_CLIENT_SECRET),
        )
        read_answer(answer.json())
    except RateLimited:
        raise
    except (BadCredentials, AccessTokenRefused):
        return Finding(
            False,
            "Credentials: Spotify does not accept them.",
            "Copy SPOTIPY_CLIENT_ID and SPOTIPY_CLIENT_SECRET again from developer.spotify.com/dashboard.",
        )
    except Unavailable as error:
        return Finding(False, f"Credentials: {error}", f"It was {settings.SPOTIFY_ACCOUNTS_URL} that was asked.")
    except SpotifyError:
        return Finding(
            False,
            f"Credentials: {settings.SPOTIFY_ACCOUNTS_URL} is not Spotify's accounts service.",
            "Unset SPOTIFY_ACCOUNTS_URL, or copy the line that `python -m simulator` prints.",
        )
    return Finding(True, "Spotify accepts the app's credentials")


def web_api_finding(session: BoundedSession) -> Finding:
    """Asks who is signed in, without a token: the Web API refuses that with a 401. Raises RateLimited."""
    problem = f"Web API: there is none at {settings.SPOTIFY_API_URL}."
    try:
        session.get(f"{settings.SPOTIFY_API_URL}/me")
    except RateLimited:
        raise
    except AccessTokenRefused:
        return Finding(True, "Spotify's Web API answers")
    except Unavailable as error:
        problem = f"Web API: {error}"
    except SpotifyError:
        pass
    if not settings.SPOTIFY_API_URL.endswith("/v1"):
        return Finding(False, problem, f"SPOTIFY_API_URL lacks the /v1 at its end: {settings.SPOTIFY_API_URL}/v1")
    return Finding(False, problem, "Unset SPOTIFY_API_URL, or copy the line that `python -m simulator` prints.")


def database_finding() -> Finding:
    try:
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except (DatabaseError, InterfaceError):
        return Finding(False, "Database: it cannot be reached.", "Check DATABASE_URL, and that the server runs.")
    if pending:
        return Finding(False, f"Database: {len(pending)} migrations are pending.", "Run: manage.py migrate")
    return Finding(True, f"Database ({connection.vendor}), no migration pending")


def sign_in_findings() -> Iterator[Finding]:
    host = Listener.objects.host()
    if host is None:
        yield Finding(False, "Sign-in: nobody has signed in yet.", "Open /login on the site.")
        return
    day = f"{host.sign_in_again_by:%Y-%m-%d}"
    if host.state == Listener.State.NEEDS_SIGN_IN:
        yield Finding(False, "Sign-in: Spotify no longer accepts it.", "The host opens /login and signs in again.")
    elif not is_readable(host):
        yield Finding(
            False,
            "Sign-in: its tokens cannot be read with this SECRET_KEY.",
            "Put the former key into SECRET_KEY_FALLBACKS and run rotate_token_key, or sign in again at /login.",
        )
    elif host.lapses_soon:
        yield Finding(False, f"Sign-in: it lapses on {day}.", "The host opens /login and signs in again before then.")
    else:
        yield Finding(True, f"Sign-in, good until {day}")
    if host.refreshed_at is None:
        yield Finding(False, "Refresh: none has worked yet.", "Run: manage.py refresh_top_tracks")
    elif (timezone.now() - host.refreshed_at).total_seconds() > STALE_HOURS * 3600:
        yield Finding(
            False,
            f"Refresh: the last good one was {naturaltime(host.refreshed_at)}.",
            "Does cron run manage.py refresh_top_tracks? Its output, or Refresh runs in /admin/, says what fails.",
        )
    else:
        yield Finding(True, f"Refresh, the last good one {naturaltime(host.refreshed_at)}")


def card_findings() -> Iterator[Finding]:
    """Draws one, which loads typst into this process."""
    troubles = list(draw.troubles())
    for what, cure in troubles:
        yield Finding(False, f"Cards: {what}", cure)
    if not troubles:
        yield Finding(True, "Cards can be drawn, in every script")
