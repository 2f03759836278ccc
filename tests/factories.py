"""What tests need in the database and at the simulated Spotify, each made in one line."""

from datetime import timedelta
from typing import Any

from allauth.socialaccount.models import SocialAccount, SocialToken
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from simulator import Simulator
from tracks.etl import schedule
from tracks.etl.load import load
from tracks.etl.transform import transform
from tracks.models import Listener, RefreshRun, Snapshot, TimeRange
from tracks.signin.access import Grant, connect
from tracks.signin.invitations import digest_of, invite
from tracks.spotify.tokens import encrypt


def item(number: int, **changes: Any) -> dict[str, Any]:
    """A track as Spotify sends it in Development Mode."""
    key = f"{number:022d}"
    return {
        "id": key,
        "name": f"Song {number}",
        "artists": [{"id": f"{number:021d}A", "name": "Someone", "external_urls": {}}],
        "album": {"name": "Album", "images": [], "release_date": "2020-03-01", "release_date_precision": "day"},
        "duration_ms": 215_000,
        "explicit": False,
        "external_urls": {"spotify": f"https://open.spotify.com/track/{key}"},
        **changes,
    }


def account(name: str, *, username: str = "", linked_on: str = "account_id") -> SocialAccount:
    """A Spotify account without tokens, of a user who is called `username`, or as the account is."""
    user = User.objects.create(username=username or name, password=make_password(None))
    return SocialAccount.objects.create(
        user=user, provider="spotify", uid=name, extra_data={"linked_on": linked_on, "scope": "user-top-read"}
    )


def tokens(of: SocialAccount, granted: dict[str, Any]) -> SocialToken:
    """The tokens that Spotify granted, stored as a sign-in stores them."""
    return SocialToken.objects.create(
        account=of,
        token=encrypt(granted["access_token"]),
        token_secret=encrypt(granted["refresh_token"]),
        expires_at=timezone.now() + timedelta(seconds=granted["expires_in"]),
    )


def host(simulator: Simulator) -> Listener:
    """The host after a sign-in, as rows: account, tokens, permissions, and a chart of each time range.

    tests/signin proves that a real sign-in leaves the same.
    """
    return _signed_in(simulator, "host", "user", Grant(is_host=True))


def guest(simulator: Simulator, who: str, **profile: str) -> Listener:
    """The same of one whom the host invited, and who told about themselves what `profile` says."""
    invitation = digest_of(invite(Listener.objects.get(is_host=True)))
    listener = _signed_in(simulator, who, who, Grant(is_host=False, invitation=invitation))
    for field, value in profile.items():
        setattr(listener, field, value)
    listener.save(update_fields=list(profile))
    return listener


def _signed_in(simulator: Simulator, who: str, username: str, grant: Grant) -> Listener:
    person = simulator.accounts[who]
    connected = account(person.account_id, username=username)
    tokens(connected, simulator.grant(who))
    with transaction.atomic():
        listener = connect(connected, grant)
    charts(listener, {name: person.rankings[name][:20] for name in TimeRange.values}, trigger="sign_in")
    return listener


def charts(listener: Listener, items: dict[str, list[Any]], *, trigger: str = "cron") -> RefreshRun:
    """What a refresh that found these items now would have left."""
    now = timezone.now()
    tables = {name: transform(found) for name, found in items.items()}
    with transaction.atomic():
        changes = load(listener=listener, tables=tables, now=now)
    left = schedule.after_success(listener, now)
    Listener.objects.filter(pk=listener.pk).update(refreshed_at=now, **left)
    listener.refresh_from_db()
    return RefreshRun.objects.create(
        listener=listener,
        trigger=trigger,
        time_ranges=list(items),
        started_at=now,
        finished_at=now,
        outcome="refreshed" if any(change.changed for change in changes.values()) else "unchanged",
        extracted=sum(map(len, items.values())),
        loaded=sum(len(table.rows) for table in tables.values()),
        rejected=sum(len(table.rejects) for table in tables.values()),
        rejects=[],
    )


def an_hour_passes() -> None:
    """The charts are old enough to be asked for again."""
    hour = timedelta(hours=1)
    Snapshot.objects.update(first_seen_at=F("first_seen_at") - hour, confirmed_at=F("confirmed_at") - hour)


def expire() -> None:
    """Every access token has just lapsed."""
    SocialToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
