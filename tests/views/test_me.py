"""/me/: what people say of themselves, how their connection is, and what the host may do there."""

import re
import time
from datetime import timedelta
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.contrib.auth.models import User
from django.utils import timezone

from simulator import Fault, Simulator
from tests.conftest import Browser
from tests.helpers import at_once, several_writers
from tests.people import fill, made, say, who
from tracks import handles
from tracks.etl.service import refresh
from tracks.forms import ProfileForm
from tracks.models import Artist, Listener, Notice, RefreshRun, Snapshot, Track, UserSession
from tracks.urls import urlpatterns

pytestmark = pytest.mark.django_db

HOSTILE = """</title><script>alert("x")</script>'"&{{ 7*7 }}"""


@pytest.fixture(autouse=True)
def _invited(settings: Any) -> None:
    settings.LISTENERS = "invited"


@pytest.fixture
def ana(host: Browser, simulator: Simulator) -> Browser:
    """The browser of a private listener with the handle "ana"."""
    return made(simulator, "stranger", name="Ana", handle="ana")


def page_of(browser: Browser, path: str = "/me/") -> str:
    return str(browser.get(path).content.decode())


def error_beside(page: str, field: str) -> str:
    """The message at a field, which the field itself names as its description."""
    assert re.search(rf'id="id_{field}"[^>]*aria-describedby="[^"]*id_{field}_error', page) or re.search(
        rf'aria-describedby="[^"]*id_{field}_error[^"]*"[^>]*id="id_{field}"', page
    )
    return str(re.findall(rf'id="id_{field}_error">(.*?)</div>', page, re.DOTALL)[0])


# Who may


def test_the_anonymous_are_sent_to_sign_in_and_others_are_refused(visitor: Browser) -> None:
    assert visitor.get("/me/")["Location"] == "/login"
    assert visitor.press("/me/", on="/login", name="x")["Location"] == "/login"
    visitor.force_login(User.objects.create(username="someone"))
    assert visitor.get("/me/").status_code == 403


def test_the_page_is_kept_by_nobody(ana: Browser) -> None:
    assert "no-store" in ana.get("/me/")["Cache-Control"]


def test_a_form_from_another_site_changes_nothing(ana: Browser) -> None:
    assert ana.post("/me/", {"name": "x", "handle": "x-x", "visibility": "public"}).status_code == 403
    assert who(ana).name == "Ana"


def test_a_form_of_ones_own_does_not_reach_others(host: Browser, ana: Browser) -> None:
    fill(ana, name="New", pk="1", id="1", is_host="on", state="x", account="1")
    assert not Listener.objects.get(handle="ana").is_host
    assert Listener.objects.host().name == ""  # type: ignore[union-attr]


# Name, handle, visibility


def test_what_is_saved_is_shown_again_and_stands_on_the_pages(ana: Browser, visitor: Browser) -> None:
    say(ana, name="Ana B.", handle="ana-b", visibility="public")
    page = page_of(ana)
    assert "Saved." in page and 'value="Ana B."' in page and 'value="ana-b"' in page
    assert re.search(r'value="public" checked', page)
    chart = page_of(visitor, "/@ana-b/")
    assert "What <bdi>Ana B.</bdi> plays most" in chart
    assert re.search(r"<title>Ana B.: Top 20 songs of the last 4 weeks", chart)
    assert visitor.get("/@ana/").status_code == 404  # a handle that became free leads nowhere


def test_a_host_with_a_name_is_called_by_it_also_when_alone(host: Browser, visitor: Browser, settings: Any) -> None:
    settings.LISTENERS = "host"
    assert "What the host plays most" in page_of(visitor, "/")
    page = page_of(host)
    assert 'name="visibility"' not in page and "always public" in page
    say(host, name="Hanne", visibility="private")
    assert "What <bdi>Hanne</bdi> plays most" in page_of(visitor, "/")
    assert "<title>Hanne · Top Twenty</title>" in page_of(visitor, "/feed.atom")
    assert Listener.objects.get().visibility == "public"
    assert visitor.get(f"/@{Listener.objects.get().handle}/?time_range=long_term")["Location"] == (
        "/?time_range=long_term"
    )  # fmt: skip


@pytest.mark.parametrize("handle", ["ANA-2", " ana-2 ", "@Ana-2"])
def test_capitals_blanks_and_the_at_sign_are_folded(ana: Browser, visitor: Browser, handle: str) -> None:
    say(ana, handle=handle, visibility="public")
    assert who(ana).handle == "ana-2"
    assert visitor.get("/@ANA-2/").status_code == 200


def test_an_impossible_handle_is_told_beside_the_field_and_changes_nothing(
    ana: Browser, subtests: pytest.Subtests
) -> None:
    before = Listener.objects.filter(pk=who(ana).pk).values().get()
    for handle, words in [
        ("", "required"),
        ("an", "Use 3 to 30"),
        ("a" * 31, "Use 3 to 30"),
        ("a" * 101, "at most 100"),
        ("1ana", "beginning with a letter"),
        ("-ana", "beginning with a letter"),
        ("ana b", "a-z, 0-9"),
        ("ana/b", "a-z, 0-9"),
        ("ana.json", "a-z, 0-9"),
        ("añña", "a-z, 0-9"),
        ("аnnа", "a-z, 0-9"),  # Cyrillic
        ("ana\u202e", "a-z, 0-9"),
        ("ana\0", "Null characters"),
        ("<b>ana</b>", "a-z, 0-9"),
        ("admin", "kept for the site"),
        ("ME", "Use 3 to 30"),
        ("Login", "kept for the site"),
        ("top-twenty", "kept for the site"),
    ]:
        with subtests.test(handle):
            page = fill(ana, handle=handle, name="Other", visibility="public").content.decode()
            assert words in error_beside(page, "handle")
            assert "Nothing was saved" in page
            assert "<b>ana" not in page
            assert Listener.objects.filter(pk=before["id"]).values().get() == before


@pytest.mark.database
def test_a_taken_handle_is_refused_and_that_of_who_left_is_free(
    host: Browser, ana: Browser, simulator: Simulator
) -> None:
    new = made(simulator, "new")
    assert "taken" in error_beside(fill(new, handle="ana").content.decode(), "handle")
    assert "taken" in error_beside(fill(new, handle="ANA").content.decode(), "handle")
    ana.press("/disconnect", on="/disconnect", confirm="yes")
    say(new, handle="ana")


def test_no_address_of_the_site_can_be_a_handle() -> None:
    from spotify_top.urls import urlpatterns as project

    patterns: list[Any] = [*urlpatterns, *project]
    first = {re.split(r"[/.]", str(entry.pattern))[0] for entry in patterns}
    coming = {"card", "receipt", "embed", "oembed", "year", "search", "openapi", "live", "listeners", "with", "history"}
    words = {word for word in first | coming if handles.PATTERN.fullmatch(word)}
    assert {"privacy", "listeners", "invite", "login", "accounts", "admin", "health"} <= words
    assert words <= handles.RESERVED


def test_what_is_reserved_could_else_be_a_handle() -> None:
    assert {word for word in handles.RESERVED if not handles.PATTERN.fullmatch(word)} <= {"me"}


@several_writers
@pytest.mark.django_db(transaction=True)
def test_of_two_who_take_a_handle_at_once_one_is_told_that_it_is_taken(
    host: Browser, ana: Browser, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = made(simulator, "new")
    monkeypatch.setattr(ProfileForm, "validate_unique", lambda form: None)  # both looked before either wrote
    results = at_once(lambda: fill(ana, handle="wanted"), lambda: fill(new, handle="wanted"))
    assert sorted(response.status_code for response in results) == [200, 302], results
    loser = next(response for response in results if response.status_code == 200)
    assert "taken" in error_beside(loser.content.decode(), "handle")


def test_a_name_keeps_what_can_be_seen_and_nothing_else(ana: Browser, subtests: pytest.Subtests) -> None:
    for typed, kept in [
        ("  Ana \t B\r\n", "Ana B"),
        ("A\x07n\x1ba\x9b", "Ana"),
        ("Ana\u202egnp.exe", "Anagnp.exe"),
        ("\ufeff\u200f", ""),
        ("\ufdd0Ana\uffff", "Ana"),
        ("夜行 👩‍👩‍👧 نور", "夜行 👩‍👩‍👧 نور"),
        ("x" * 80, "x" * 80),
        ("\u200b\u2060\u00ad\u200d", ""),
        ("\u3164\u2800 \u115f", ""),
        ("\u200dক্\u200dষ", "ক্\u200dষ"),
    ]:
        with subtests.test(ascii(typed)):
            say(ana, name=typed)
            assert who(ana).name == kept


@pytest.mark.parametrize("length", [81, 1000])
def test_a_longer_name_is_refused_with_a_message(ana: Browser, length: int) -> None:
    page = fill(ana, name="x" * length).content.decode()
    assert "at most 80 characters" in error_beside(page, "name")
    assert who(ana).name == "Ana"


def test_a_name_is_escaped_wherever_it_stands(host: Browser, ana: Browser, simulator: Simulator) -> None:
    say(ana, name=HOSTILE, visibility="public")
    say(host, name=HOSTILE)
    new = made(simulator, "new")
    snapshot = Snapshot.objects.filter(listener=who(ana)).latest("pk")
    paths = ["/", "/me/", "/listeners/", "/@ana/", "/@ana/artists/", "/@ana/history/", f"/@ana/history/{snapshot.pk}/",
             f"/@ana/with/{who(host).handle}/", "/feed.atom", "/@ana/feed.atom", "/site.webmanifest",
             f"/me/listeners/{who(ana).pk}/remove"]  # fmt: skip
    for browser in (host, ana, new, Browser()):
        for path in paths:
            text = page_of(browser, path)
            assert "<script>alert" not in text and "</title><script" not in text, path
    assert "&lt;script&gt;alert" in page_of(Browser(), "/@ana/")
    assert "&lt;script&gt;alert" in page_of(Browser(), "/@ana/feed.atom")


@pytest.mark.parametrize("visibility", ["", "secret", "PUBLIC"])
def test_an_unknown_visibility_is_refused(ana: Browser, visibility: str) -> None:
    assert fill(ana, visibility=visibility).status_code == 200
    assert who(ana).visibility == "private"


def test_saving_the_form_does_not_undo_what_a_refresh_wrote_meanwhile(
    ana: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = timezone.now() + timedelta(minutes=1)
    check = ProfileForm.full_clean

    def meanwhile(form: ProfileForm) -> None:
        Listener.objects.filter(handle="ana").update(lease_until=lease, state="needs_sign_in", due_at=None)
        check(form)

    monkeypatch.setattr(ProfileForm, "full_clean", meanwhile)
    say(ana, name="Ana C.")
    listener = who(ana)
    assert (listener.name, listener.lease_until, listener.state) == ("Ana C.", lease, "needs_sign_in")


def test_who_is_removed_while_saving_does_not_come_back(ana: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    save = ProfileForm.save_if_free

    def meanwhile(form: ProfileForm) -> bool:
        Listener.objects.filter(handle="ana").delete()
        return save(form)

    ana.get("/me/")
    monkeypatch.setattr(ProfileForm, "save_if_free", meanwhile)
    token = ana.cookies["csrftoken"].value
    fields = {"csrfmiddlewaretoken": token, "name": "A", "handle": "ana", "visibility": "public"}
    response = ana.post("/me/", fields)
    assert response.status_code < 500
    assert not Listener.objects.filter(is_host=False).exists()


# The connection


def test_it_tells_when_to_sign_in_again_and_how_the_last_refreshes_went(ana: Browser, simulator: Simulator) -> None:
    simulator.fault("/v1/me/top/tracks", Fault.not_registered(), times=1)
    refresh(listener=who(ana), trigger="cron", force=True)
    page = page_of(ana)
    assert "Connected; sign in again by" in page
    assert "Spotify does not let your account use this site. Ask the host" in page
    assert "refreshed" in page and "failed" in page


def test_refresh_sign_out_and_disconnect_stand_there(host: Browser, ana: Browser) -> None:
    for browser in (host, ana):
        page = page_of(browser)
        for action in ("/refresh", "/logout"):
            assert f'<form method="post" action="{action}"' in page
        assert 'href="/disconnect"' in page


def test_a_listener_refreshes_their_own_chart_alone(ana: Browser, simulator: Simulator) -> None:
    Snapshot.objects.update(
        confirmed_at=timezone.now() - timedelta(hours=1), first_seen_at=timezone.now() - timedelta(hours=2)
    )
    Listener.objects.update(refreshed_at=timezone.now() - timedelta(hours=1))
    runs = RefreshRun.objects.count()
    simulator.shuffle("stranger", "short_term")
    response = ana.press("/refresh", on="/me/")
    assert response["Location"] == "/@ana/"
    assert RefreshRun.objects.count() == runs + 1 and RefreshRun.objects.latest("pk").listener == who(ana)
    assert "2 new" in page_of(ana, "/@ana/")


def test_a_dead_token_is_told_to_its_owner_and_the_others_are_not_touched(
    host: Browser, ana: Browser, simulator: Simulator
) -> None:
    simulator.revoke()
    simulator.expire_access_tokens()
    SocialToken.objects.filter(account__listener=who(ana)).update(expires_at=timezone.now() - timedelta(hours=2))
    Listener.objects.update(refreshed_at=timezone.now() - timedelta(hours=1))
    Snapshot.objects.update(
        confirmed_at=timezone.now() - timedelta(hours=1), first_seen_at=timezone.now() - timedelta(hours=2)
    )
    ana.press("/refresh", on="/me/")
    page = page_of(ana)
    assert "Spotify no longer accepts your sign-in" in page and "the host must sign in" not in page
    assert 'action="/refresh"' not in page and 'href="/login"' in page
    assert who(host).state == "connected"


@pytest.mark.parametrize("path", ["/", "/listeners/", "/privacy", "/history/", "/nothing-here"])
def test_a_month_ahead_every_page_says_it_to_who_is_signed_in_and_to_nobody_else(
    host: Browser, ana: Browser, visitor: Browser, path: str
) -> None:
    assert "Sign in again" not in page_of(ana, path)
    Listener.objects.filter(handle="ana").update(authorized_at=timezone.now() - timedelta(days=160))
    assert "Spotify ends your sign-in on" in page_of(ana, path)
    for browser in (host, visitor):
        assert "Sign in again" not in page_of(browser, path)
    Listener.objects.filter(handle="ana").update(authorized_at=timezone.now() - timedelta(days=190))
    assert "By Spotify’s rules your sign-in ended on" in page_of(ana, path)
    Listener.objects.filter(handle="ana").update(state="needs_sign_in")
    assert "Spotify no longer accepts your sign-in" in page_of(ana, path)


def test_the_operator_learns_how_many_must_sign_in_again_and_not_who(
    host: Browser, ana: Browser, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    settings.NOTIFY_URL = "https://hook.example.com/"
    monkeypatch.setitem(
        __import__("tracks.ops.notices", fromlist=["CHANNELS"]).CHANNELS,
        Notice.Channel.WEBHOOK,
        lambda kind, text: said.append(text),
    )
    first = who(host)

    def lapse(listener: Listener) -> None:
        Listener.objects.filter(pk=listener.pk).update(state="needs_sign_in")
        RefreshRun.objects.create(
            listener=listener, trigger="cron", started_at=timezone.now(), outcome="sign_in_needed"
        )

    def an_hour_or_a_day_passes(hours: int) -> None:
        for notice in Notice.objects.all():
            Notice.objects.filter(pk=notice.pk).update(about=notice.about - timedelta(hours=hours))
        for run in RefreshRun.objects.all():
            RefreshRun.objects.filter(pk=run.pk).update(started_at=run.started_at - timedelta(hours=hours))
        refresh(listener=first, trigger="cron", force=True)

    refresh(listener=first, trigger="cron", force=True)
    assert said == []
    lapse(who(ana))
    for hours in (1, 1, 30, 30):  # the same one is told once
        an_hour_or_a_day_passes(hours)
    assert said == ["1 listener must sign in again."]
    user = User.objects.create(username="other")
    account = SocialAccount.objects.create(user=user, provider="spotify", uid="other")
    lapse(Listener.objects.create(account=account, authorized_at=timezone.now()))
    an_hour_or_a_day_passes(1)
    assert said == ["1 listener must sign in again.", "2 listeners must sign in again."]
    lapse(Listener.objects.exclude(pk=first.pk).latest("pk"))
    an_hour_or_a_day_passes(1)  # within the day
    assert len(said) == 2
    assert "ana" not in str(said).lower()


# Leaving


@pytest.mark.database
def test_a_listener_disconnects_and_leaves_nothing_while_the_others_keep_all(
    host: Browser, ana: Browser, visitor: Browser, simulator: Simulator
) -> None:
    say(ana, visibility="public")
    listener, user = who(ana), who(ana).account.user
    own = set(Track.objects.filter(placements__snapshot__listener=listener).values_list("pk", flat=True))
    kept = set(Track.objects.filter(placements__snapshot__listener__is_host=True).values_list("pk", flat=True))
    before = page_of(visitor, "/tracks.json")
    assert "Your page is gone at once" in page_of(ana, "/disconnect")
    assert ana.press("/disconnect", on="/disconnect", confirm="yes")["Location"] == "/"
    assert "Disconnected" in page_of(ana, "/")
    assert ana.get("/me/")["Location"] == "/login"
    assert visitor.get("/@ana/").status_code == 404
    assert not User.objects.filter(pk=user.pk).exists()
    assert SocialAccount.objects.count() == SocialToken.objects.count() == Listener.objects.count() == 1
    assert not Snapshot.objects.filter(listener_id=listener.pk).exists()
    assert not RefreshRun.objects.filter(listener_id=listener.pk).exists()
    assert set(Track.objects.values_list("pk", flat=True)) == kept and own - kept
    assert page_of(visitor, "/tracks.json") == before


@pytest.mark.database
def test_the_host_removes_a_listener_after_a_question_and_nothing_else_goes(
    host: Browser, ana: Browser, visitor: Browser, simulator: Simulator
) -> None:
    made(simulator, "new", handle="nell", visibility="public")
    path = f"/me/listeners/{who(ana).pk}/remove"
    titles = [track["name"] for track in ana.get("/@ana/tracks.json").json()["tracks"]]
    assert f'href="{path}"' in page_of(host)
    question = page_of(host, path)
    assert "Remove <bdi>Ana</bdi>?" in question and "cannot be undone" in question
    assert not [title for title in titles if title in question]
    assert host.press(path, on=path).status_code == 200  # without confirm=yes it asks again
    assert Listener.objects.count() == 3
    before = page_of(visitor, "/@nell/tracks.json")
    assert host.press(path, on=path, confirm="yes")["Location"] == "/me/"
    assert "Removed" in page_of(host)
    assert sorted(Listener.objects.values_list("handle", flat=True)) == sorted(["nell", who(host).handle])
    assert page_of(visitor, "/@nell/tracks.json") == before
    assert ana.get("/me/")["Location"] == "/login"
    assert host.get(path).status_code == 404
    assert UserSession.objects.filter(user=None).count() == UserSession.objects.exclude(
        user__socialaccount__listener__isnull=False
    ).count()  # fmt: skip


def test_the_host_cannot_remove_the_host(host: Browser) -> None:
    assert host.press(f"/me/listeners/{who(host).pk}/remove", on="/me/", confirm="yes").status_code == 404
    assert Listener.objects.count() == 1


def test_the_hosts_own_page_shows_that_others_are_there_and_nothing_of_their_charts(
    host: Browser, ana: Browser
) -> None:
    page = page_of(host)
    assert "@ana" in page and "Private, connected" in page
    assert "/@ana/" not in page
    mine = {track["name"] for track in host.get("/tracks.json").json()["tracks"]}
    others = {track["name"] for track in ana.get("/@ana/tracks.json").json()["tracks"]}
    assert others - mine
    assert not [name for name in others - mine if name in page]


@pytest.mark.database
def test_ten_thousand_listeners_make_no_page_without_an_end(host: Browser, django_assert_max_num_queries: Any) -> None:
    now = timezone.now()
    users = User.objects.bulk_create(User(username=f"user {n}") for n in range(300))
    accounts = SocialAccount.objects.bulk_create(
        SocialAccount(user=user, provider="spotify", uid=user.username) for user in users
    )
    Listener.objects.bulk_create(Listener(account=account, authorized_at=now) for account in accounts)
    host.get("/me/")
    with django_assert_max_num_queries(12):
        page = page_of(host)
    assert page.count("/remove") == 50 and "?page=2" in page


# The admin


@pytest.mark.database
def test_the_admin_shows_a_host_their_own_rows_and_a_superuser_all(
    host: Browser, ana: Browser, simulator: Simulator
) -> None:
    root = Browser()
    root.force_login(User.objects.create_superuser("root"))
    listener = who(ana)
    theirs = Track.objects.filter(placements__snapshot__listener=listener).exclude(
        placements__snapshot__listener__is_host=True
    )
    artist = Artist.objects.exclude(tracks__placements__snapshot__listener__is_host=True).earliest("pk")
    rows = {
        "listener": listener.pk,
        "snapshot": listener.snapshots.latest("pk").pk,
        "refreshrun": listener.runs.latest("pk").pk,
        "track": theirs.latest("pk").pk,
        "artist": artist.pk,
    }
    for name, pk in rows.items():
        for browser, status in ((host, 302), (root, 200)):
            assert browser.get(f"/admin/tracks/{name}/{pk}/change/").status_code == status, name
            ids = [str(row.pk) for row in root.get(f"/admin/tracks/{name}/?all=").context["cl"].queryset]
            assert str(pk) in ids, name
        ids = [str(row.pk) for row in host.get(f"/admin/tracks/{name}/").context["cl"].queryset]
        assert str(pk) not in ids and ids, name
    # A count over everybody's charts would tell of others' too.
    for row in host.get("/admin/tracks/artist/").context["cl"].queryset:
        own = row.tracks.filter(placements__snapshot__listener__is_host=True).distinct().count()
        assert row.track_count == own, row
    page = host.get("/admin/tracks/invitation/").content.decode()
    assert "digest" not in page and page.count('name="_selected_action"') <= 1


def test_no_filter_of_the_admin_tells_the_host_of_others_charts(host: Browser, ana: Browser) -> None:
    placement = who(ana).snapshots.latest("pk").placements.latest("pk")
    for path in (
        f"track/?placements={placement.pk}", f"track/?placements__position={placement.position}",
        f"artist/?tracks={placement.track_id}", f"artist/?tracks__spotify_id__startswith={placement.track_id[:3]}",
        f"snapshot/?placements__track={placement.track_id}", f"listener/?snapshots={placement.snapshot_id}",
        "snapshot/?listener__handle=ana", "track/?credits__gt=0", "refreshrun/?listener__account__user=1",
    ):  # fmt: skip
        response = host.get(f"/admin/tracks/{path}")
        assert response.status_code == 400 or response["Location"].endswith("?e=1"), path
    for path in ("track/?explicit__exact=1", "snapshot/?time_range__exact=short_term&first_seen_at__year=2026",
                 "refreshrun/?outcome__exact=failed", "listener/?is_host__exact=1", "track/?q=a&o=1"):  # fmt: skip
        assert host.get(f"/admin/tracks/{path}").status_code == 200, path


def test_refresh_now_reaches_nobody_elses_chart(host: Browser, ana: Browser, simulator: Simulator) -> None:
    runs = RefreshRun.objects.filter(listener=who(ana)).count()
    host.press("/admin/tracks/listener/", on="/admin/tracks/listener/", action="refresh_now",
               _selected_action=str(who(ana).pk))  # fmt: skip
    assert RefreshRun.objects.filter(listener=who(ana)).count() == runs


@several_writers
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", ["disconnects", "is removed"])
def test_who_leaves_while_being_refreshed_is_gone_and_nobody_sees_an_error_page(
    host: Browser, ana: Browser, simulator: Simulator, how: str
) -> None:
    listener = who(ana)
    simulator.calls.clear()
    simulator.fault("/v1/me/top/tracks", Fault(delay=1.0), times=1)

    def leave() -> Any:
        while not simulator.calls:
            time.sleep(0.02)
        if how == "disconnects":
            return ana.press("/disconnect", on="/disconnect", confirm="yes")
        return host.press(f"/me/listeners/{listener.pk}/remove", on="/me/", confirm="yes")

    result, response = at_once(lambda: refresh(listener=listener, trigger="cron", force=True), leave)
    assert response.status_code == 302, response
    assert not isinstance(result, Exception), result
    assert not result.ok
    assert not Listener.objects.filter(pk=listener.pk).exists()
    assert not Snapshot.objects.filter(listener_id=listener.pk).exists()
    assert not RefreshRun.objects.filter(listener_id=listener.pk).exists()
    assert host.get("/me/").status_code == 200


@pytest.mark.parametrize("path", ["/accounts/spotify/login/", "/admin/login/", "/me/"])
def test_a_form_in_another_charset_is_no_error_of_ours(ana: Browser, path: str) -> None:
    """By UTF-7, `+2AA-` is half a character, which no database and no hash takes."""
    body = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n+2AA-\r\n'
        for name in ("invitation", "username", "password", "handle", "name", "visibility")
    )
    for charset, status in (("utf-7", 400), ("UTF-8", None)):
        response = ana.post(
            path, f"{body}--b--\r\n", content_type=f"multipart/form-data; boundary=b; charset={charset}"
        )
        assert response.status_code < 500 and status in (None, response.status_code), charset
