"""The admin: who may look, what it shows, and that nobody changes there what the refresh owns."""

import html
import re
from datetime import timedelta
from itertools import product
from typing import Any
from urllib.parse import quote

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib import admin
from django.contrib.admin.utils import quote as admin_quote
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.db.models import Model
from django.utils import timezone

from simulator import Fault, Simulator
from tests.conftest import Browser
from tracks.models import (
    Artist,
    Credit,
    Invitation,
    Listener,
    Placement,
    RefreshRun,
    Snapshot,
    SpotifyPause,
    TimeRange,
    Track,
)
from tracks.signin.invitations import invite

pytestmark = pytest.mark.django_db

OWNED = [Artist, Invitation, Listener, RefreshRun, Snapshot, Track]
REGISTERED = list(admin.site._registry)


def by_name(value: object) -> str | None:
    return value._meta.model_name if isinstance(value, type) and issubclass(value, Model) else None


def folder(model: type[Model]) -> str:
    return f"/admin/{model._meta.app_label}/{model._meta.model_name}/"


def pages(model: type[Model]) -> list[str]:
    """The list of a model, its first row and that row's history."""
    row = model._default_manager.order_by("pk")[0]
    page = f"{folder(model)}{quote(admin_quote(str(row.pk)))}/"
    return [folder(model), f"{page}change/", f"{page}history/"]


def everything() -> list[list[dict[str, Any]]]:
    return [list(model._default_manager.order_by("pk").values()) for model in (*OWNED, Credit, Placement)]


@pytest.fixture
def superuser(db: None) -> Browser:
    browser = Browser()
    browser.force_login(User.objects.create_superuser("root"))
    return browser


@pytest.fixture
def staff(host: Browser, simulator: Simulator) -> Browser:
    """The host, after a refresh with rejects, on a site with a group."""
    top = simulator.accounts["host"].rankings["short_term"]
    simulator.set_top("host", "short_term", [top[0], None, {**top[1], "id": None}, top[3]])
    call_command("refresh_top_tracks", "--force", "--verbosity", "0")
    simulator.calls.clear()
    invite(Listener.objects.get())
    Group.objects.create(name="friends")
    return host


# Who may look


def test_a_superuser_opens_every_page_and_meets_no_token(
    staff: Browser, superuser: Browser, simulator: Simulator, subtests: pytest.Subtests
) -> None:
    token = SocialToken.objects.get()
    assert simulator.issued
    for model in REGISTERED:
        for path in pages(model):
            with subtests.test(path):
                response = superuser.get(path)
                assert response.status_code == 200
                text = response.content.decode()
                assert not [secret for secret in (*simulator.issued, token.token, token.token_secret) if secret in text]
                assert simulator.accounts["host"].account_id not in text


def test_the_host_opens_every_page_of_what_the_refresh_owns_and_no_other(
    staff: Browser, simulator: Simulator, subtests: pytest.Subtests
) -> None:
    for model in REGISTERED:
        for path in pages(model):
            with subtests.test(path):
                response = staff.get(path)
                assert response.status_code == (200 if model in OWNED else 403)
                assert not [secret for secret in simulator.issued if secret in response.content.decode()]


@pytest.mark.parametrize("path", ["/admin/", *(folder(model) for model in REGISTERED)])
def test_an_anonymous_visitor_is_sent_to_the_admins_sign_in(visitor: Browser, path: str) -> None:
    assert visitor.get(path)["Location"] == f"/admin/login/?next={path}"


@pytest.mark.parametrize("path", ["/admin/", folder(Listener), folder(User)])
def test_a_user_who_is_no_staff_cannot_enter(visitor: Browser, path: str) -> None:
    visitor.force_login(User.objects.create_user("stranger"))
    assert visitor.get(path)["Location"] == f"/admin/login/?next={path}"


def test_staff_without_permissions_sees_nothing(visitor: Browser) -> None:
    visitor.force_login(User.objects.create_user("clerk", is_staff=True))
    assert visitor.get("/admin/").status_code == 200
    assert {visitor.get(folder(model)).status_code for model in REGISTERED} == {403}


@pytest.mark.parametrize("model", [SocialToken, SocialApp, SocialAccount, EmailAddress, SpotifyPause], ids=by_name)
def test_what_holds_secrets_or_is_of_no_use_is_not_registered(superuser: Browser, model: type[Model]) -> None:
    assert not admin.site.is_registered(model)
    assert superuser.get(folder(model)).status_code == 404


def test_createsuperuser_makes_a_user_who_signs_in_with_a_password(
    visitor: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "correct horse battery")
    call_command("createsuperuser", "--noinput", "--username=root", "--email=root@example.com", "--verbosity=0")
    sign_in = {"on": "/admin/login/", "username": "root", "next": "/admin/tracks/"}
    wrong = visitor.press("/admin/login/", password="wrong horse battery", **sign_in)
    assert wrong.status_code == 200 and b"errornote" in wrong.content
    assert visitor.get("/admin/").status_code == 302
    right = visitor.press("/admin/login/", password="correct horse battery", **sign_in)
    assert right["Location"] == "/admin/tracks/"
    assert visitor.get("/admin/tracks/").status_code == 200
    assert visitor.press("/admin/logout/", on="/admin/")["Location"] == "/"
    assert visitor.get("/admin/").status_code == 302


def test_the_admins_sign_in_leads_to_no_other_site(visitor: Browser) -> None:
    User.objects.create_superuser("root", password="correct horse battery")
    response = visitor.press(
        "/admin/login/",
        on="/admin/login/",
        username="root",
        password="correct horse battery",
        next="https://evil.example/",
    )
    assert response["Location"] == "/"


# What nobody changes


@pytest.mark.parametrize("who", ["superuser", "staff"])
def test_rows_that_the_refresh_owns_are_not_added_changed_or_deleted(
    staff: Browser, superuser: Browser, who: str, subtests: pytest.Subtests
) -> None:
    browser = {"superuser": superuser, "staff": staff}[who]
    before = everything()
    fields = {"name": "changed", "state": "needs_sign_in", "outcome": "failed", "spotify_id": "x", "_save": "Save"}
    offers = re.compile(r'name="_save"|class="deletelink|tracks/\w+/add/|delete_selected')
    for model in OWNED:
        with subtests.test(by_name(model)):
            row = model._default_manager.order_by("pk")[0]
            change = pages(model)[1]
            assert browser.press(f"{folder(model)}add/", on="/admin/", **fields).status_code == 403
            assert browser.press(change, on="/admin/", **fields).status_code == 403
            assert browser.press(change.replace("change/", "delete/"), on="/admin/", post="yes").status_code == 403
            delete = {"action": "delete_selected", "_selected_action": str(row.pk), "post": "yes"}
            browser.press(folder(model), on=folder(model), **delete)
            assert everything() == before
            for path in pages(model):
                assert not offers.search(browser.get(path).content.decode()), path


# What it shows


def cells(page: Any, name: str) -> list[str]:
    """The texts of a read-only field of all rows of an inline table."""
    found = re.findall(rf'<td class="field-{name}">(.*?)</td>', page.content.decode(), re.DOTALL)
    return [html.unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in found]


@pytest.mark.parametrize("time_range", TimeRange.values)
def test_a_snapshot_shows_its_placements_in_order(staff: Browser, time_range: str) -> None:
    for snapshot in Snapshot.objects.filter(time_range=time_range):
        placements = list(snapshot.placements.with_tracks())
        page = staff.get(f"{folder(Snapshot)}{snapshot.pk}/change/")
        assert cells(page, "position") == [str(placement.position) for placement in placements]
        assert cells(page, "track") == [placement.track.name for placement in placements]


def test_a_track_shows_its_artists_in_order(staff: Browser) -> None:
    track = next(track for track in Track.objects.all() if len(track.credited_artists) > 2)
    page = staff.get(f"{folder(Track)}{admin_quote(track.pk)}/change/")
    assert cells(page, "artist") == [artist.name for artist in track.credited_artists]


def test_a_run_shows_its_counts_and_its_rejects_with_their_reasons(staff: Browser) -> None:
    run = RefreshRun.objects.get(rejected=2)
    page = html.unescape(staff.get(f"{folder(RefreshRun)}{run.pk}/change/").content.decode())
    assert len(run.rejects) == 2
    for reject in run.rejects:
        assert f'"position": {reject["position"]}' in page and reject["reason"] in page
    assert (run.extracted, run.loaded) == (44, 42)
    for field, count in (("extracted", 44), ("loaded", 42), ("rejected", 2)):
        assert re.search(rf'field-{field}">.*?<div class="readonly">{count}</div>', page, re.DOTALL)


@pytest.mark.database
@pytest.mark.parametrize(
    ("path", "found"),
    [
        (f"{folder(Track)}?q=Salt Lamp", "Salt Lamp"),
        (f"{folder(Track)}?q=Østvold", "Salt Lamp"),
        (f"{folder(Artist)}?q=maren", "Maren Østvold"),
    ],
)
def test_search_finds_songs_and_artists_by_name(staff: Browser, path: str, found: str) -> None:
    page = staff.get(path)
    assert found in page.content.decode()
    assert page.context["cl"].result_count < page.context["cl"].root_queryset.count()


@pytest.mark.database
def test_filters_leave_the_rows_that_match(staff: Browser, subtests: pytest.Subtests) -> None:
    for path, expected in {
        f"{folder(Snapshot)}?time_range__exact=short_term": 2,
        f"{folder(Snapshot)}?time_range__exact=long_term": 1,
        f"{folder(Snapshot)}?first_seen_at__year=1999": 0,
        f"{folder(RefreshRun)}?trigger__exact=sign_in": 1,
        f"{folder(RefreshRun)}?outcome__exact=refreshed": 2,
        f"{folder(RefreshRun)}?outcome__exact=failed": 0,
        f"{folder(Listener)}?state__exact=connected&is_host__exact=1": 1,
        f"{folder(Listener)}?state__exact=needs_sign_in": 0,
    }.items():
        with subtests.test(path):
            assert staff.get(path).context["cl"].result_count == expected


HOSTILE = [
    "' OR 1=1 --",
    '"; DROP TABLE tracks_track; --',
    "\0",
    "%",
    "\\",
    "x" * 5000,
    "<script>x()",
    "-1",
    "9" * 30,
    "💿",
]
# One for each way to fail: as SQL, as text, as a number.
FOR_EVERY_FIELD = ["' OR 1=1 --", "\0", "9" * 30]


def test_hostile_input_is_neither_an_error_nor_markup(
    staff: Browser, superuser: Browser, subtests: pytest.Subtests
) -> None:
    for model, value in product(OWNED, HOSTILE):
        fields = ["q", "pk"]
        if value in FOR_EVERY_FIELD:
            fields += ["p", "o", "e", "_facets", "pk__in", "nothing"]
            fields += [f"{name}__exact" for name in admin.site._registry[model].list_filter if isinstance(name, str)]
            if hierarchy := admin.site._registry[model].date_hierarchy:
                fields += [f"{hierarchy}__{part}" for part in ("year", "month", "day")]
        for field in fields:
            with subtests.test(by_name(model), field=field, value=value[:20]):
                response = superuser.get(folder(model), {field: value})
                assert response.status_code in {200, 302, 400}
                assert b"<script>x()" not in response.content
        with subtests.test(by_name(model), value=value[:20]):
            assert superuser.get(f"{folder(model)}{quote(value, safe='')}/change/").status_code in {302, 404}


@pytest.mark.database
def test_a_search_is_text_and_not_sql(staff: Browser) -> None:
    assert staff.get(folder(Track), {"q": "' OR 1=1 --"}).context["cl"].result_count == 0


@pytest.mark.parametrize(
    ("model", "lookup"),
    [
        (Listener, "account__socialtoken__token__startswith"),
        (Listener, "account__uid__startswith"),
        (Listener, "account__user__password__startswith"),
        (Snapshot, "listener__account__socialtoken__token_secret__startswith"),
        (RefreshRun, "listener__account__user__password__startswith"),
    ],
)
def test_filters_do_not_reach_tokens_or_passwords(staff: Browser, model: type[Model], lookup: str) -> None:
    assert staff.get(folder(model), {lookup: "g"}).status_code == 400


# Refresh now


def refresh_now(browser: Browser, *listeners: Listener) -> Any:
    browser.get(folder(Listener))
    data = {
        "csrfmiddlewaretoken": browser.cookies["csrftoken"].value,
        "action": "refresh_now",
        "_selected_action": [str(listener.pk) for listener in listeners],
    }
    return browser.post(folder(Listener), data, follow=True)


def expire() -> None:
    """Lets the last tables and the access token be old."""
    Snapshot.objects.update(
        first_seen_at=timezone.now() - timedelta(hours=2), confirmed_at=timezone.now() - timedelta(hours=1)
    )
    SocialToken.objects.update(expires_at=timezone.now() - timedelta(minutes=1))


def said(response: Any) -> list[tuple[str, str]]:
    return [(message.level_tag, str(message)) for message in response.context["messages"]]


@pytest.mark.parametrize("who", ["host", "superuser"])
def test_refresh_now_refreshes_and_reports(host: Browser, superuser: Browser, simulator: Simulator, who: str) -> None:
    browser = {"host": host, "superuser": superuser}[who]
    listener = Listener.objects.get()
    expire()
    simulator.shuffle("host", "short_term")
    (level, text), *more = said(refresh_now(browser, listener))
    assert (level, more) == ("success", [])
    assert text.startswith(f"{listener}: Refreshed: three lists of 20 songs; 2 new, ")
    run = RefreshRun.objects.order_by("-pk")[0]
    assert (run.trigger, run.outcome) == (RefreshRun.Trigger.HOST, RefreshRun.Outcome.REFRESHED)
    assert Snapshot.objects.filter(time_range="short_term").count() == 2


def test_refresh_now_does_not_ask_again_within_a_minute(host: Browser, simulator: Simulator) -> None:
    listener = Listener.objects.get()
    assert said(refresh_now(host, listener)) == [
        ("success", f"{listener}: The chart is less than a minute old; Spotify was not asked.")
    ]
    assert not simulator.calls


def test_refresh_now_says_that_the_listener_must_sign_in_again(host: Browser, simulator: Simulator) -> None:
    expire()
    simulator.revoke()
    (level, text), *more = said(refresh_now(host, Listener.objects.get()))
    assert (level, more) == ("warning", [])
    assert "sign in again" in text
    assert Listener.objects.get().state == Listener.State.NEEDS_SIGN_IN
    assert b"needs sign-in" in host.get(folder(Listener)).content
    assert Snapshot.objects.count() == 3


@pytest.mark.parametrize(
    ("fault", "words"), [(Fault.html(502), "status 502"), (Fault.rate_limited(90), "asked this app to wait")]
)
def test_refresh_now_says_what_spotify_did_wrong(host: Browser, simulator: Simulator, fault: Fault, words: str) -> None:
    expire()
    simulator.fault("/v1/me/top/tracks", fault)
    ((level, text),) = said(refresh_now(host, Listener.objects.get()))
    assert level == "warning" and words in text


def test_refresh_now_is_not_for_those_who_may_not_look(host: Browser, simulator: Simulator) -> None:
    clerk = Browser()
    clerk.force_login(User.objects.create_user("clerk", is_staff=True))
    data = {"action": "refresh_now", "_selected_action": str(Listener.objects.get().pk)}
    expire()
    assert clerk.press(folder(Listener), on="/admin/", **data).status_code == 403
    assert host.post(folder(Listener), data).status_code == 403
    assert not simulator.calls


# Its costs


@pytest.fixture
def crowd(db: None) -> None:
    """More rows of every model than a page of a list holds."""
    now, numbers = timezone.now(), range(120)
    users = User.objects.bulk_create(User(username=f"user {n}") for n in numbers)
    Group.objects.bulk_create(Group(name=f"group {n}") for n in numbers)
    accounts = SocialAccount.objects.bulk_create(
        SocialAccount(user=user, provider="spotify", uid=user.username) for user in users
    )
    listeners = Listener.objects.bulk_create(Listener(account=account, authorized_at=now) for account in accounts)
    Invitation.objects.bulk_create(
        Invitation(digest=str(listener.pk), made_by=listener, expires_at=now + timedelta(days=7))
        for listener in listeners
    )
    artists = Artist.objects.bulk_create(Artist(spotify_id=f"artist {n}", name=f"Artist {n}") for n in numbers)
    tracks = Track.objects.bulk_create(
        Track(spotify_id=f"track {n}", name=f"Track {n}", duration_ms=200_000) for n in numbers
    )
    Credit.objects.bulk_create(
        Credit(track=track, position=position, artist=artists[(n + position) % 120])
        for n, track in enumerate(tracks)
        for position in range(10)
    )
    snapshots = Snapshot.objects.bulk_create(
        Snapshot(listener=listener, time_range="short_term", first_seen_at=now, confirmed_at=now)
        for listener in listeners
    )
    Placement.objects.bulk_create(
        Placement(snapshot=snapshot, position=position + 1, track=tracks[position])
        for snapshot in snapshots
        for position in range(20)
    )
    RefreshRun.objects.bulk_create(
        RefreshRun(listener=listener, trigger="cron", started_at=now) for listener in listeners
    )


def test_a_page_takes_fewer_than_15_queries_however_many_rows_there_are(
    crowd: None, superuser: Browser, django_assert_max_num_queries: Any, subtests: pytest.Subtests
) -> None:
    for model in REGISTERED:
        for path in pages(model):
            with subtests.test(path), django_assert_max_num_queries(14):
                assert superuser.get(path).status_code == 200
        with subtests.test(by_name(model)):
            assert len(superuser.get(folder(model)).context["cl"].result_list) == 100
