"""Who leaves takes everything of theirs and nothing of anybody else's, also while refreshes are at work."""

import threading
import time
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from simulator import Simulator
from tests.conftest import Browser
from tests.helpers import at_once, several_writers
from tracks.etl import load as loading
from tracks.etl.prune import prune
from tracks.etl.service import refresh
from tracks.etl.transform import ArtistRow, Row, Table
from tracks.models import Artist, Credit, Listener, Notice, Placement, RefreshRun, Track, UserSession
from tracks.signin.adapter import AccountAdapter, SocialAccountAdapter
from tracks.signin.disconnect import disconnect
from tracks.signin.sessions import ANONYMOUS_SECONDS, SessionStore

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


def table(*ids: str, by: str = "") -> Table:
    """A ranking of these songs, each by an artist of its own and by one of all, or all `by` one alone."""
    band = [ArtistRow(id=by or "everybody", name="Everybody", url="")]
    rows = tuple(
        Row(
            position=position, id=name, name=name,
            artists=(*[ArtistRow(id=f"by{name}", name=name, url="")] * (not by), *band),
            album="", release_date="", release_date_precision="", duration_ms=1000, explicit=False, popularity=None,
            url=f"https://open.spotify.com/track/{name}", covers=(),
        )
        for position, name in enumerate(ids, start=1)
    )  # fmt: skip
    return Table(rows=rows, rejects=())


def join(name: str, *songs: str, days_ago: float = 0) -> Listener:
    """A second listener, with a chart of these songs."""
    user = User.objects.create(username=name)
    account = SocialAccount.objects.create(user=user, provider="spotify", uid=name)
    SocialToken.objects.create(account=account, token="x", token_secret="y")
    listener = Listener.objects.create(account=account, authorized_at=timezone.now())
    show(listener, *songs, days_ago=days_ago)
    return listener


def show(listener: Listener, *songs: str, days_ago: float = 0, by: str = "") -> None:
    """The listener's next chart."""
    moment = timezone.now() - timedelta(days=days_ago)
    with transaction.atomic():
        # As the service does it: the listener first.
        Listener.objects.filter(pk=listener.pk).update(lease_until=None)
        loading.load(listener=listener, tables={"short_term": table(*songs, by=by)}, now=moment)


def songs_of(listener: Listener) -> set[str]:
    return set(Placement.objects.filter(snapshot__listener=listener).values_list("track", flat=True))


def paused_after_the_tracks(monkeypatch: pytest.MonkeyPatch, act: threading.Event, go_on: threading.Event) -> None:
    """Loads set `act` once they have upserted artists and tracks, and place them when `go_on` is set."""
    store = loading._store_tracks

    def store_and_wait(*args: Any) -> None:
        store(*args)
        act.set()
        assert go_on.wait(20)

    monkeypatch.setattr(loading, "_store_tracks", store_and_wait)


# A load and a disconnect at once


@pytest.mark.processes
def test_a_load_at_work_and_a_disconnect_both_end_well(
    host: Browser, listener: Listener, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = join("other", "Shared", "Own")
    everything = set(Track.objects.values_list("pk", flat=True))
    loaded, go_on = threading.Event(), threading.Event()
    paused_after_the_tracks(monkeypatch, loaded, go_on)
    simulator.shuffle("host", "short_term")

    def leave() -> Any:
        assert loaded.wait(20)
        threading.Timer(0.5, go_on.set).start()
        return host.press("/disconnect", on="/disconnect", confirm="yes")

    result, response = at_once(partial(refresh, listener=listener, trigger="cron", force=True), leave)
    assert (response.status_code, response["Location"]) == (302, "/")
    assert result.ok
    assert not Listener.objects.filter(pk=listener.pk).exists()
    assert [row.account_id for row in SocialToken.objects.all()] == [other.account_id]
    assert not RefreshRun.objects.exists() and not Notice.objects.exists()
    assert not UserSession.objects.exclude(user=None).exists()
    assert list(User.objects.all()) == [other.account.user]
    assert songs_of(other) == {"Shared", "Own"}
    assert set(Track.objects.values_list("pk", flat=True)) == {"Shared", "Own"} < everything
    assert set(Artist.objects.values_list("pk", flat=True)) == {"byShared", "byOwn", "everybody"}
    assert Credit.objects.count() == 4


@pytest.mark.processes
def test_many_refreshes_and_disconnects_at_once_never_end_in_a_deadlock(
    host: Browser, listener: Listener, simulator: Simulator
) -> None:
    songs = [f"song{number}" for number in range(20)]
    for _ in range(4):
        others = [join(f"listener {number}", *songs[number:], *songs[:number]) for number in range(3)]
        results = at_once(
            partial(show, others[0], *reversed(songs)),
            partial(show, others[1], *songs[5:], *songs[:5]),
            partial(disconnect, others[2]),
            partial(disconnect, others[1]),
            partial(refresh, listener=listener, trigger="cron", force=True),
        )
        # Only who lost their listener meanwhile may fail, and by that alone.
        assert [str(result) for result in results[2:4]] == ["None", "None"]
        assert results[4].ok and not isinstance(results[0], Exception)
        assert "deadlock" not in str(results)
        assert songs_of(others[0]) == set(songs)
        disconnect(others[0])
        assert not Track.objects.filter(pk__in=songs).exists()
    assert len(Browser().get("/tracks.json").json()["tracks"]) == 20


@pytest.mark.parametrize("moment", ["pre_social_login", "pre_login"])
def test_who_disconnects_while_signing_in_elsewhere_gets_no_error(
    host: Browser, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Before the sign-in is let in or after it, and before its session is written."""
    adapter = SocialAccountAdapter if moment == "pre_social_login" else AccountAdapter
    step = getattr(adapter, moment)

    def step_and_leave(*args: Any, **kwargs: Any) -> Any:
        answer = step(*args, **kwargs)
        disconnect(Listener.objects.get())
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(adapter, moment, step_and_leave)
        assert host.sign_in().status_code == 302
    # A new beginning, or nothing at all.
    counts = {model.objects.count() for model in (Listener, User, SocialAccount, SocialToken)}
    assert len(counts) == 1 and counts == ({1} if moment == "pre_social_login" else {0})
    assert host.get("/").status_code == 200
    assert host.get("/admin/").status_code == (200 if moment == "pre_social_login" else 302)


# Two listeners


@several_writers
@pytest.mark.parametrize("by", ["", "Renamed"], ids=["the same artists", "another artist now"])
@pytest.mark.parametrize("how", ["prune", "disconnect"])
def test_what_anothers_open_load_has_just_upserted_stays(
    db: None, monkeypatch: pytest.MonkeyPatch, settings: Any, how: str, by: str
) -> None:
    settings.HISTORY_DAYS = 1
    leaving = join("leaving", "Shared", "Old", days_ago=10)
    show(leaving, "New", days_ago=9)
    staying = join("staying", "Other")
    loaded, go_on = threading.Event(), threading.Event()
    paused_after_the_tracks(monkeypatch, loaded, go_on)

    def go() -> None:
        assert loaded.wait(20)
        threading.Timer(0.5, go_on.set).start()
        prune(leaving) if how == "prune" else disconnect(leaving)

    results = at_once(partial(show, staying, "Shared", "Other", by=by), go)
    assert results == [None, None]
    assert songs_of(staying) == {"Shared", "Other"}
    assert not Track.objects.filter(pk="Old").exists()
    assert Artist.objects.filter(pk=by or "byShared").exists() and not Artist.objects.filter(pk="byOld").exists()
    assert Credit.objects.filter(track="Shared").count() == (1 if by else 2)


@several_writers
def test_what_nobody_had_and_somebody_is_about_to_have_stays(
    db: None, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.HISTORY_DAYS = 1
    leaving = join("leaving", "Old", days_ago=10)
    show(leaving, "New", days_ago=9)
    staying = join("staying", "Other")
    found = table("Found", by="Finder").rows[0]
    Track.objects.create(spotify_id=found.id, name=found.name, duration_ms=found.duration_ms, url=found.url)
    Artist.objects.create(spotify_id="Finder", name="Everybody")
    loaded, go_on = threading.Event(), threading.Event()
    paused_after_the_tracks(monkeypatch, loaded, go_on)

    def go() -> None:
        assert loaded.wait(20)
        threading.Timer(0.5, go_on.set).start()
        disconnect(leaving)

    assert at_once(partial(show, staying, "Found", by="Finder"), go) == [None, None]
    assert songs_of(staying) == {"Other", "Found"}
    assert set(Track.objects.values_list("pk", flat=True)) == {"Other", "Found"}


def test_pruning_and_leaving_take_no_song_that_others_have(db: None, settings: Any) -> None:
    settings.HISTORY_DAYS = 1
    one, two = (join(name, "Shared", name, days_ago=10) for name in ("One", "Two"))
    show(one, "Fresh")
    assert prune(one) == 1
    assert songs_of(one) == {"Fresh"} and songs_of(two) == {"Shared", "Two"}
    assert set(Track.objects.values_list("pk", flat=True)) == {"Fresh", "Shared", "Two"}
    disconnect(two)
    assert set(Track.objects.values_list("pk", flat=True)) == {"Fresh"}
    assert set(Artist.objects.values_list("pk", flat=True)) == {"byFresh", "everybody"}


# Sessions


def lapsed_sessions(count: int) -> None:
    """Sessions as a visitor leaves them, which lapsed in the last days."""
    data = SessionStore().encode({"socialaccount_states": {"x": "y" * 100}})
    now = timezone.now()
    UserSession.objects.bulk_create(
        UserSession(session_key=f"key{n:028}", session_data=data, expire_date=now - timedelta(minutes=n))
        for n in range(count)
    )


def test_disconnecting_does_not_look_into_the_sessions_of_others(
    host: Browser, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = Browser()
    elsewhere.sign_in()

    def leave(sessions: int) -> int:
        lapsed_sessions(sessions)
        with CaptureQueriesContext(connection) as queries:
            started = time.monotonic()
            disconnect(Listener.objects.get())
            assert time.monotonic() - started < 2
        assert UserSession.objects.count() == sessions
        UserSession.objects.all().delete()
        return len(queries)

    monkeypatch.setattr(SessionStore, "decode", None)
    few = leave(10)
    monkeypatch.undo()
    host.sign_in()
    monkeypatch.setattr(SessionStore, "decode", None)
    assert leave(5000) == few


@pytest.mark.parametrize("how", ["refresh", "sign_in"])
def test_lapsed_sessions_go_by_themselves(host: Browser, listener: Listener, simulator: Simulator, how: str) -> None:
    cache.clear()  # a minute has passed
    lapsed_sessions(50)
    if how == "refresh":
        refresh(listener=listener, trigger="cron")
    else:
        Browser().start_sign_in()
    assert not UserSession.objects.filter(expire_date__lt=timezone.now()).exists()
    assert UserSession.objects.filter(user=listener.account.user).exists()


def test_a_sign_in_under_way_is_remembered_for_an_hour_and_a_host_for_two_weeks(
    simulator: Simulator, transactional_db: None
) -> None:
    browser = Browser()
    address = browser.start_sign_in()
    (waiting,) = UserSession.objects.all()
    assert waiting.user is None
    assert timezone.now() + timedelta(seconds=ANONYMOUS_SECONDS) >= waiting.expire_date
    assert browser.cookies["sessionid"]["max-age"] == ANONYMOUS_SECONDS == 3600
    assert browser.come_back(address).status_code == 302
    (signed_in,) = UserSession.objects.all()
    assert signed_in.user == User.objects.get()
    assert signed_in.expire_date > timezone.now() + timedelta(days=13)
    assert browser.cookies["sessionid"]["max-age"] == 14 * 24 * 3600
    # Another key than before: nobody who knew the old one is signed in by it.
    assert signed_in.session_key != waiting.session_key
