"""`manage.py refresh_top_tracks`, as cron runs it: what Spotify does, and what happens then."""

import json
import time
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from allauth.socialaccount.models import SocialToken
from django.core.management import call_command
from django.utils import timezone

from simulator import Fault, Simulator
from tests.conftest import Browser, Manage
from tests.factories import expire
from tests.helpers import TOKEN, TOP, names, run
from tracks.etl.service import refresh
from tracks.models import Artist, Listener, RefreshRun, Snapshot, SpotifyPause, Track
from tracks.spotify.tokens import decrypt

pytestmark = pytest.mark.django_db

# What it does when all is well


@pytest.mark.database
def test_prints_a_line_for_each_range_with_counts_and_changes(listener: Listener, simulator: Simulator) -> None:
    simulator.shuffle("host", "short_term")
    code, out, _ = run()
    lines = out.splitlines()
    assert code == 0
    assert "short_term: 20 extracted, 20 loaded, 0 rejected; 2 new, " in lines[0] and "2 left" in lines[0]
    assert lines[1].endswith("medium_term: 20 extracted, 20 loaded, 0 rejected; unchanged")
    assert len(lines) == 3


@pytest.mark.database
def test_an_unchanged_ranking_only_confirms_the_snapshot(listener: Listener) -> None:
    before = Snapshot.objects.get(time_range="short_term")
    run()
    after = Snapshot.objects.get(time_range="short_term")
    assert after.first_seen_at == before.first_seen_at and after.confirmed_at > before.confirmed_at
    assert RefreshRun.objects.order_by("-pk")[0].outcome == RefreshRun.Outcome.UNCHANGED


@pytest.mark.database
def test_a_changed_ranking_becomes_a_new_snapshot_and_the_old_one_stays(host: Browser, simulator: Simulator) -> None:
    before = names(host)
    simulator.shuffle("host", "short_term")
    run("--time-range", "short_term")
    assert names(host) != before
    old, new = Snapshot.objects.filter(time_range="short_term").order_by("first_seen_at")
    assert [p.track.name for p in old.placements.with_tracks()] == before
    assert [p.track.name for p in new.placements.with_tracks()] == names(host)


def test_asks_only_for_the_ranges_named(listener: Listener, simulator: Simulator) -> None:
    run("--time-range", "long_term", "--time-range", "short_term")
    assert [call.query["time_range"] for call in simulator.calls] == ["long_term", "short_term"]
    assert {call.query["limit"] for call in simulator.calls} == {"20"}


@pytest.mark.database
def test_a_table_less_than_a_minute_old_is_not_asked_for_again(listener: Listener, simulator: Simulator) -> None:
    out = StringIO()
    call_command("refresh_top_tracks", stdout=out)
    assert "less than a minute old" in out.getvalue()
    assert not simulator.calls
    Snapshot.objects.update(
        first_seen_at=timezone.now() - timedelta(minutes=3), confirmed_at=timezone.now() - timedelta(seconds=61)
    )
    call_command("refresh_top_tracks", stdout=StringIO())
    assert len(simulator.calls) == 3


def test_dry_run_prints_the_table_and_stores_nothing(
    listener: Listener, simulator: Simulator, settings: Any, tmp_path: Path
) -> None:
    settings.STAGING_DIR = tmp_path
    simulator.shuffle("host", "short_term")
    before = (list(Snapshot.objects.values()), RefreshRun.objects.count(), Track.objects.count())
    code, out, _ = run("--dry-run", "--time-range", "short_term")
    assert code == 0
    assert out.count(" — ") == 20 and "nothing written" in out
    assert (list(Snapshot.objects.values()), RefreshRun.objects.count(), Track.objects.count()) == before
    assert not list(tmp_path.iterdir())
    assert Listener.objects.get().lease_until is None


def test_verbosity_0_is_silent_and_2_names_the_rejects(listener: Listener, simulator: Simulator) -> None:
    simulator.set_top("host", "short_term", [None])
    assert run("--verbosity", "0")[1] == ""
    assert "1. rejected: not a track" in run("--verbosity", "2")[1]


def test_stages_the_raw_answer_and_the_clean_table(listener: Listener, settings: Any, tmp_path: Path) -> None:
    settings.STAGING_DIR = tmp_path
    run()
    run()
    folder = tmp_path / f"listener-{listener.pk}" / "medium_term"
    assert sorted(path.name for path in folder.iterdir()) == ["clean_spotify.csv", "raw_spotify.json"]
    assert len(json.loads((folder / "raw_spotify.json").read_text())["items"]) == 20
    lines = (folder / "clean_spotify.csv").read_text().splitlines()
    assert lines[0].startswith("position,id,name,artist") and len(lines) == 21


def test_an_unwritable_staging_folder_is_reported_and_does_not_stop_the_load(
    listener: Listener, simulator: Simulator, settings: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    settings.STAGING_DIR = tmp_path / "file"
    simulator.shuffle("host", "short_term")
    code, out, err = run()
    assert code == 0 and "2 new" in out
    assert "Staging files of short_term were not written" in err


@pytest.mark.database
def test_the_database_holds_what_the_listener_hears_and_not_more(listener: Listener, simulator: Simulator) -> None:
    assert Artist.objects.count() == len({c for t in Track.objects.all() for c in t.artists.all()})


# Tokens


@pytest.mark.database
def test_an_expired_access_token_is_renewed_without_anyone_present(host: Browser, simulator: Simulator) -> None:
    old = decrypt(SocialToken.objects.get().token_secret)
    expire()
    assert run()[0] == 0
    token = SocialToken.objects.get()
    assert decrypt(token.token_secret) != old and decrypt(token.token_secret) in simulator.refresh_tokens
    assert token.expires_at > timezone.now() + timedelta(minutes=59)
    assert [call.path for call in simulator.calls] == [TOKEN, TOP, TOP, TOP]


def test_an_answer_without_a_refresh_token_keeps_the_old_one(listener: Listener, simulator: Simulator) -> None:
    simulator.rotate = False
    old = decrypt(SocialToken.objects.get().token_secret)
    expire()
    assert run()[0] == 0
    assert decrypt(SocialToken.objects.get().token_secret) == old


@pytest.mark.database
def test_a_rotated_refresh_token_is_stored_before_anything_else(listener: Listener, simulator: Simulator) -> None:
    expire()
    simulator.fault(TOP, Fault.html(500))
    assert run()[0] == 75
    simulator.clear_faults()
    assert decrypt(SocialToken.objects.get().token_secret) in simulator.refresh_tokens
    assert run()[0] == 0


def test_401_on_an_unexpired_token_renews_once_and_tries_once_more(listener: Listener, simulator: Simulator) -> None:
    simulator.expire_access_tokens()
    assert run("--time-range", "short_term")[0] == 0
    assert [call.path for call in simulator.calls] == [TOP, TOKEN, TOP]


def test_401_again_after_a_renewal_means_later(listener: Listener, simulator: Simulator) -> None:
    simulator.fault(TOP, Fault.json(401, {"error": {"status": 401, "message": "The access token expired"}}))
    assert run("--time-range", "short_term")[0] == 75
    assert [call.path for call in simulator.calls] == [TOP, TOKEN, TOP]


@pytest.mark.database
def test_invalid_grant_discards_the_token_and_asks_to_sign_in_again(host: Browser, simulator: Simulator) -> None:
    before = names(host)
    expire()
    simulator.revoke()
    code, _, err = run()
    assert code == 77 and "must sign in again" in err
    assert not SocialToken.objects.exists()
    assert Listener.objects.get().state == Listener.State.NEEDS_SIGN_IN
    assert b"sign in again" in host.get("/").content
    assert names(Browser()) == before
    assert b"sign in again" not in Browser().get("/").content
    simulator.calls.clear()
    assert run()[0] == 77
    assert not simulator.calls


@pytest.mark.database
def test_invalid_grant_in_a_dry_run_writes_nothing(listener: Listener, simulator: Simulator) -> None:
    expire()
    simulator.revoke()
    assert run("--dry-run")[0] == 77
    assert SocialToken.objects.exists()
    assert Listener.objects.get().state == Listener.State.CONNECTED


def test_a_rotated_token_lost_on_the_way_asks_to_sign_in_again(listener: Listener, simulator: Simulator) -> None:
    expire()
    simulator.fault(TOKEN, Fault(after=True), times=1)
    assert run()[0] == 75
    code, _, err = run()
    assert code == 77 and "sign in again" in err


def test_a_changed_secret_key_asks_to_sign_in_again(host: Browser, settings: Any, simulator: Simulator) -> None:
    old = settings.SECRET_KEY
    settings.SECRET_KEY = "another key"
    code, _, err = run()
    assert code == 77 and "SECRET_KEY" in err
    assert SocialToken.objects.exists()
    assert Browser().get("/").status_code == 200
    settings.SECRET_KEY_FALLBACKS = [old]
    assert run()[0] == 0
    assert Listener.objects.get().state == Listener.State.CONNECTED


@pytest.mark.parametrize("rotate", [True, False])
def test_a_renewal_encrypts_with_the_newest_key_so_that_the_old_one_may_go(
    listener: Listener, settings: Any, simulator: Simulator, rotate: bool
) -> None:
    simulator.rotate = rotate
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "a new key"
    expire()
    assert run()[0] == 0
    settings.SECRET_KEY_FALLBACKS = []
    expire()
    assert run()[0] == 0


def test_tokens_appear_in_no_log_at_any_level(
    visitor: Browser, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    import logging

    for name in ("spotipy", "urllib3", "requests", "allauth", "tracks", "django", "oauthlib"):
        caplog.set_level(logging.DEBUG, logger=name)
    caplog.set_level(logging.DEBUG)
    simulator.issued.clear()
    visitor.sign_in()
    expire()
    run()
    assert simulator.issued
    assert not [secret for secret in simulator.issued if secret in caplog.text]


# What goes wrong, and what happens then


@pytest.mark.database
def test_one_failing_range_loads_none_of_them(host: Browser, simulator: Simulator) -> None:
    before = names(host)
    simulator.shuffle("host", "short_term")
    simulator.fault(TOP, Fault.html(500).only("long_term"))
    assert run()[0] == 75
    assert names(host) == before


@pytest.mark.database
@pytest.mark.parametrize("seconds", [30, 86_400])
@pytest.mark.parametrize("quota", [True, False])
def test_429_is_remembered_for_the_whole_app_and_nobody_waits(
    listener: Listener, simulator: Simulator, seconds: int, quota: bool
) -> None:
    simulator.fault(TOP, Fault.rate_limited(seconds, quota=quota))
    started = time.monotonic()
    assert run()[0] == 75
    assert time.monotonic() - started < 10
    pause = SpotifyPause.objects.get().until - timezone.now()
    assert timedelta(seconds=seconds - 10) < pause <= timedelta(seconds=seconds)
    simulator.clear_faults()
    simulator.calls.clear()
    code, _, err = run()
    assert code == 75 and "asked this app to wait until" in err
    assert run("--dry-run")[0] == 75
    assert not simulator.calls
    SpotifyPause.objects.update(until=timezone.now())
    assert run()[0] == 0


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [(None, 55, 60), ("soon", 55, 60), ("-5", 55, 60), ("0", 55, 60), ("9" * 30, 30 * 86_400 - 5, 30 * 86_400),
     ("Wed, 21 Oct 2099 07:28:00 GMT", 30 * 86_400 - 5, 30 * 86_400), ("Wed, 21 Oct 2015 07:28:00 GMT", 55, 60)],
)  # fmt: skip
def test_any_retry_after_makes_a_sensible_pause(
    listener: Listener, simulator: Simulator, value: str | None, least: int, most: int
) -> None:
    simulator.fault(TOP, Fault.rate_limited(value))
    assert run()[0] == 75
    assert least <= (SpotifyPause.objects.get().until - timezone.now()).total_seconds() <= most


@pytest.mark.database
def test_a_later_429_never_shortens_a_pause(listener: Listener, simulator: Simulator) -> None:
    from tracks.spotify.pause import Service, remember_pause

    far = timezone.now() + timedelta(hours=5)
    remember_pause(Service.API, far)
    remember_pause(Service.API, timezone.now() + timedelta(seconds=5))
    assert SpotifyPause.objects.get().until == far


def test_an_unusable_address_means_later(listener: Listener, settings: Any) -> None:
    settings.SPOTIFY_API_URL = "http://127.0.0.1:1/v1"
    assert run()[0] == 75
    settings.SPOTIFY_API_URL = "https://no-such-host.invalid/v1"
    assert run()[0] == 75


@pytest.mark.parametrize(
    "fault", [Fault.hang(60), Fault(drip_headers=0.5), Fault(drip_body=0.5)], ids=["hang", "headers", "body"]
)
def test_one_deadline_bounds_whatever_drips(
    listener: Listener, simulator: Simulator, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracks.etl.service.EXTRACT_SECONDS", 1)
    simulator.fault(TOP, fault)
    started = time.monotonic()
    code, _, err = run()
    assert code == 75 and "took too long" in err
    assert 0.9 < time.monotonic() - started < 12


def test_the_deadline_is_one_for_all_ranges(
    listener: Listener, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracks.etl.service.EXTRACT_SECONDS", 1.5)
    simulator.fault(TOP, Fault(delay=0.8))
    assert run("--time-range", "short_term")[0] == 0
    assert run("--time-range", "short_term", "--time-range", "long_term")[0] == 75


@pytest.mark.database
def test_fewer_than_20_and_none_are_no_error(host: Browser, simulator: Simulator) -> None:
    simulator.set_top("host", "short_term", simulator.accounts["host"].rankings["short_term"][:7])
    simulator.set_top("host", "long_term", [])
    code, out, _ = run()
    assert code == 0
    assert "short_term: 7 extracted, 7 loaded, 0 rejected; 0 new, 0 moved, 13 left" in out
    assert b"only 7 songs" in host.get("/").content
    page = host.get("/?time_range=long_term")
    assert page.status_code == 200 and b"no top songs for this time yet" in page.content


@pytest.mark.database
def test_rejects_are_kept_with_their_reasons_and_positions_stay(host: Browser, simulator: Simulator) -> None:
    top = simulator.accounts["host"].rankings["short_term"]
    local = {**top[1], "id": None, "external_urls": {}}
    withdrawn = {**top[2], "name": "", "album": {"name": "", "images": []}, "artists": [{"name": "", "id": "x"}]}
    simulator.set_top("host", "short_term", [top[0], None, local, withdrawn, top[0], top[3]])
    assert "6 extracted, 2 loaded, 4 rejected" in run("--time-range", "short_term")[1]
    latest = RefreshRun.objects.order_by("-pk")[0]
    assert (latest.extracted, latest.loaded, latest.rejected) == (6, 2, 4)
    assert [(reject["position"], reject["time_range"]) for reject in latest.rejects] == [
        (position, "short_term") for position in (2, 3, 4, 5)
    ]
    assert all(reject["reason"] for reject in latest.rejects)
    assert [track["position"] for track in host.get("/tracks.json").json()["tracks"]] == [1, 6]


@pytest.mark.database
def test_both_shapes_of_an_answer_load(host: Browser, simulator: Simulator) -> None:
    assert {track["popularity"] for track in host.get("/tracks.json").json()["tracks"]} == {None}
    simulator.extended = True
    assert run()[0] == 0
    assert None not in {track["popularity"] for track in host.get("/tracks.json").json()["tracks"]}


def test_a_spotify_that_sends_more_than_asked_is_cut_to_the_limit(
    listener: Listener, simulator: Simulator, settings: Any
) -> None:
    items = simulator.accounts["host"].rankings["short_term"][:30]
    simulator.fault(TOP, Fault.json(200, {"items": items, "total": 900}))
    assert "20 extracted, 20 loaded" in run("--time-range", "short_term")[1]
    settings.TOP_TRACKS_LIMIT = 3
    assert "3 extracted, 3 loaded" in run("--time-range", "short_term")[1]


def test_nobody_has_signed_in_yet(db: None, simulator: Simulator) -> None:
    code, _, err = run()
    assert code == 77 and "Nobody has signed in yet" in err


@pytest.mark.database
def test_an_unforeseen_error_is_a_failed_run_and_not_a_traceback(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracks.etl.service.load", lambda **kwargs: 1 / 0)
    code, _, err = run()
    assert code == 1 and "The log has the details" in err
    assert Listener.objects.get().lease_until is None
    assert RefreshRun.objects.order_by("-pk")[0].error_code == "internal"


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_one_listeners_failure_does_not_stop_the_next(listener: Listener, simulator: Simulator) -> None:
    from allauth.socialaccount.models import SocialAccount
    from django.contrib.auth.models import User

    user = User.objects.create(username="second")
    account = SocialAccount.objects.create(user=user, provider="spotify", uid="second")
    second = Listener.objects.create(account=account, authorized_at=timezone.now())
    token = SocialToken.objects.get()
    SocialToken.objects.create(
        account=account, token=token.token, token_secret=token.token_secret, expires_at=token.expires_at
    )
    SocialToken.objects.filter(pk=token.pk).delete()
    code, out, err = run("--force")
    assert code == 77 and f"@{listener.handle}: " in err
    assert f"@{second.handle}: Refreshed: " in out
    assert out.splitlines()[-1] == "2 listeners: 1 refreshed, 1 sign in needed."


@pytest.mark.parametrize("limit", [1, 20])
def test_a_refresh_of_one_range_takes_at_most_30_queries(
    listener: Listener, simulator: Simulator, settings: Any, django_assert_max_num_queries: Any, limit: int
) -> None:
    settings.TOP_TRACKS_LIMIT = limit
    simulator.shuffle("host", "short_term")
    with django_assert_max_num_queries(30 + 8) as queries:  # with SAVEPOINTs of the test's own transaction
        refresh(listener=listener, trigger="cron", time_ranges=["short_term"], force=True)
    own = [query for query in queries.captured_queries if "SAVEPOINT" not in query["sql"]]
    assert len(own) <= 30, [query["sql"][:80] for query in own]


# As a process of its own


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_works_from_cron_with_nobody_signed_in(host: Browser, simulator: Simulator, manage: Manage) -> None:
    expire()
    result = manage("refresh_top_tracks", "--force")
    assert (result.returncode, result.stderr) == (0, ""), result.stderr
    lines = result.stdout.splitlines()
    (log,) = (json.loads(line) for line in lines if line.startswith("{"))
    assert len(lines) == 4 and log["outcome"] == "unchanged"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("fault", "code"), [(Fault.html(500), 75), (Fault.not_registered(), 1), (Fault.rate_limited(86_400), 75)]
)
def test_exit_codes_and_one_line_on_stderr(
    host: Browser, simulator: Simulator, manage: Manage, fault: Fault, code: int
) -> None:
    simulator.fault(TOP, fault)
    result = manage("refresh_top_tracks", "--force", DEBUG="off")
    assert result.returncode == code
    assert "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) == 1, result.stderr


def test_an_unreachable_database_means_later_and_shows_no_secret(
    db: None, simulator: Simulator, manage: Manage
) -> None:
    started = time.monotonic()
    result = manage("refresh_top_tracks", DATABASE_URL="postgres://joe:hunter2@127.0.0.1:1/nothing")
    assert result.returncode == 75 and time.monotonic() - started < 12
    assert "database cannot be reached" in result.stderr
    assert "hunter2" not in result.stderr and "Traceback" not in result.stderr


def test_a_database_without_tables_says_migrate(db: None, simulator: Simulator, manage: Manage, tmp_path: Path) -> None:
    result = manage("refresh_top_tracks", DATABASE_URL=f"sqlite:///{tmp_path}/empty.sqlite3")
    assert result.returncode == 1 and "manage.py migrate" in result.stderr and "Traceback" not in result.stderr
