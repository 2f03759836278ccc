"""Who may be the host, and what changes when somebody becomes it."""

from datetime import timedelta
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import Permission, User
from django.utils import timezone

from tests.factories import account
from tracks.models import Listener, Refusal
from tracks.signin.access import (
    Grant,
    Identity,
    check_may_connect,
    connect,
    note_refusal,
    read_profile,
    upgrade_link,
)
from tracks.spotify.errors import HostIsMissing, NotInvited, StrangerRefused, SwitchedOff, Unavailable

pytestmark = pytest.mark.django_db

HOST = Grant(is_host=True)


def identity(account_id: str = "", id: str = "") -> Identity:
    return Identity(account_id=account_id, id=id)


@pytest.fixture
def the_host() -> Listener:
    return connect(account("host"), HOST)


# Who it is


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ({"account_id": "a", "id": "b", "email": 7}, identity("a", "b")),
        ({"account_id": " a ", "id": "\tb\n"}, identity("a", "b")),
        ({"account_id": "a"}, identity("a", "")),
        ({"id": "b"}, identity("", "b")),
        ({"account_id": None, "id": "b"}, identity("", "b")),
        ({"account_id": " ", "id": "b"}, identity("", "b")),
        ({"account_id": "a" * 191, "id": "b" * 191}, identity("a" * 191, "b" * 191)),
    ],
)
def test_the_two_ids_of_a_profile_are_read(answer: Any, found: Identity) -> None:
    assert read_profile(answer) == found


@pytest.mark.parametrize(
    "answer",
    [None, [], {}, {"id": ""}, {"id": " ", "account_id": " "}, {"id": 7}, {"id": "b" * 192}, {"account_id": ["a"]}],
)
def test_a_profile_without_an_id_means_later(answer: Any) -> None:
    with pytest.raises(Unavailable) as raised:
        read_profile(answer)
    assert str(raised.value) == "Spotify did not say which account signed in; nothing was stored. Try again later."


@pytest.mark.parametrize(
    ("linked_on", "asked", "found"),
    [
        ("account_id", identity("x", "y"), True),
        ("account_id", identity("y", "x"), False),  # an id may be taken for a name by anybody
        ("account_id", identity("", "x"), False),
        ("id", identity("", "x"), True),
        ("id", identity("y", "x"), True),
        ("id", identity("x", "y"), False),
        ("id", identity("y", "z"), False),
    ],
)
def test_an_account_is_known_by_the_id_it_was_linked_on(linked_on: str, asked: Identity, found: bool) -> None:
    account("other", linked_on=linked_on)
    known = account("x", linked_on=linked_on)
    assert asked.linked_account() == (known if found else None)


def test_the_account_id_is_looked_up_before_the_id() -> None:
    account("old", linked_on="id")
    new = account("new")
    assert identity("new", "old").linked_account() == new


def test_accounts_of_another_provider_are_nobodys() -> None:
    account("x")
    SocialAccount.objects.update(provider="github")
    assert identity("x", "x").linked_account() is None


def test_an_account_without_a_name_is_not_found_by_none() -> None:
    account("", linked_on="account_id")
    assert identity("", "b").linked_account() is None


# Who may


@pytest.mark.parametrize(("named", "allowed"), [("a", True), ("b", True), ("c", False)])
def test_the_host_that_the_settings_name_may_by_either_id(
    the_host: Listener, settings: Any, named: str, allowed: bool
) -> None:
    settings.SPOTIFY_HOST_ID = named
    if allowed:
        check_may_connect(identity("a", "b"), "")
    else:
        with pytest.raises(StrangerRefused):
            check_may_connect(identity("a", "b"), "")


def test_an_id_that_another_was_linked_on_names_its_owner_all_the_same(settings: Any) -> None:
    """Only a stored account_id is nobody else's name."""
    account("b", linked_on="id")
    settings.SPOTIFY_HOST_ID = "b"
    assert identity("a", "b").is_named("b")
    account("c")
    assert not identity("a", "c").is_named("c")


def test_the_first_to_come_may() -> None:
    account("somebody")
    check_may_connect(identity("anyone", "x"), "")


@pytest.mark.parametrize(("who", "allowed"), [("host", True), ("stranger", False), ("guest", False)])
def test_then_the_host_alone_may(the_host: Listener, who: str, allowed: bool) -> None:
    account("guest")  # known, and not the host
    if allowed:
        check_may_connect(identity(who, "x"), "")
    else:
        with pytest.raises(StrangerRefused):
            check_may_connect(identity(who, "x"), "")


# What changes


@pytest.mark.parametrize(
    ("linked_on", "asked", "uid", "now_on"),
    [
        ("id", identity("new", "old"), "new", "account_id"),
        ("id", identity("", "old"), "old", "id"),
        ("account_id", identity("old", "new"), "old", "account_id"),
        ("id", identity("new", "unknown"), "old", "id"),
    ],
)
def test_a_link_on_an_id_becomes_one_on_the_account_id(linked_on: str, asked: Identity, uid: str, now_on: str) -> None:
    other = account("other", linked_on="id")
    stored = account("old", linked_on=linked_on)
    upgrade_link(asked)
    stored.refresh_from_db()
    assert (stored.uid, stored.extra_data) == (uid, {"linked_on": now_on, "scope": "user-top-read"})
    other.refresh_from_db()
    assert (other.uid, other.extra_data["linked_on"]) == ("other", "id")


def test_who_becomes_the_host_may_look_into_the_admin_at_what_is_the_sites(the_host: Listener) -> None:
    assert the_host.is_host and the_host.state == Listener.State.CONNECTED
    assert timezone.now() - the_host.authorized_at < timedelta(minutes=1)
    user = User.objects.get()
    assert user.is_staff and not user.is_superuser
    permissions = user.user_permissions.all()
    assert set(permissions) == set(
        Permission.objects.filter(content_type__app_label="tracks", codename__startswith="view_")
    )
    assert "view_track" in {permission.codename for permission in permissions}


def test_another_user_stays_what_they_are(the_host: Listener) -> None:
    guest = account("guest").user
    connect(the_host.account, HOST)
    guest.refresh_from_db()
    assert not guest.is_staff and not guest.user_permissions.exists()


def test_signing_in_again_connects_the_same_listener_anew(the_host: Listener) -> None:
    Listener.objects.update(state="needs_sign_in", authorized_at=timezone.now() - timedelta(days=200), is_host=False)
    again = connect(the_host.account, HOST)
    assert again == the_host == Listener.objects.get()
    assert again.is_host and again.state == "connected"
    assert timezone.now() - again.authorized_at < timedelta(minutes=1)


def test_a_second_host_is_refused(the_host: Listener) -> None:
    with pytest.raises(StrangerRefused):
        connect(account("second"), HOST)
    assert Listener.objects.get() == the_host


def test_the_host_that_the_settings_name_replaces_another(the_host: Listener, settings: Any) -> None:
    settings.SPOTIFY_HOST_ID = "second"
    guest = Listener.objects.create(account=account("guest"), authorized_at=timezone.now())
    second = connect(account("second"), HOST)
    assert set(Listener.objects.all()) == {second, guest}
    assert connect(second.account, HOST) == second
    assert set(Listener.objects.all()) == {second, guest}


def test_a_former_host_where_others_are_let_in_becomes_a_listener_whom_nobody_sees(
    the_host: Listener, settings: Any
) -> None:
    settings.LISTENERS, settings.SPOTIFY_HOST_ID = "invited", "second"
    helper = User.objects.create(username="helper", is_staff=True)
    Listener.objects.update(changed_at=timezone.now() - timedelta(days=1))
    connect(account("second"), HOST)
    the_host.refresh_from_db()
    assert (the_host.is_host, the_host.visibility) == (False, "private")
    assert timezone.now() - the_host.changed_at < timedelta(minutes=1), "what is kept of the page is another version"
    former = User.objects.get(username="host")
    assert not former.is_staff and not former.user_permissions.exists()
    helper.refresh_from_db()
    assert helper.is_staff, "another's rights stay"


def test_a_former_host_who_is_a_superuser_stays_one(the_host: Listener, settings: Any) -> None:
    settings.LISTENERS, settings.SPOTIFY_HOST_ID = "invited", "second"
    User.objects.update(is_superuser=True)
    connect(account("second"), HOST)
    former = User.objects.get(username="host")
    assert former.is_superuser and former.is_staff


@pytest.mark.parametrize(("listeners", "gets_in"), [("invited", False), ("open", True)])
def test_an_invitation_that_is_used_up_meanwhile_lets_nobody_in(
    the_host: Listener, settings: Any, listeners: str, gets_in: bool
) -> None:
    settings.LISTENERS = listeners
    late = Grant(is_host=False, invitation="what another has used since")
    if gets_in:
        assert not connect(account("guest"), late).is_host
    else:
        with pytest.raises(NotInvited):
            connect(account("guest"), late)
        assert Listener.objects.get() == the_host


@pytest.mark.parametrize(("listeners", "kept"), [("host", 0), ("invited", 1), ("open", 1)])
def test_a_refusal_is_remembered_where_others_than_the_host_are_let_in(
    settings: Any, listeners: str, kept: int
) -> None:
    settings.LISTENERS = listeners
    note_refusal()
    assert Refusal.objects.count() == kept


def test_an_id_that_is_anothers_account_id_opens_nothing(the_host: Listener, settings: Any) -> None:
    """Old ids were chosen by people; an account_id never was."""
    for settings.LISTENERS in ("host", "invited", "open"):
        settings.SPOTIFY_HOST_ID = "host"
        with_that_id = identity("another", "host")
        if settings.LISTENERS == "open":
            assert not check_may_connect(with_that_id, "").is_host
        else:
            with pytest.raises((StrangerRefused, NotInvited)):
                check_may_connect(with_that_id, "")
        assert check_may_connect(identity("host", "x"), "").is_host


@pytest.mark.parametrize(("listeners", "gets_in"), [("host", False), ("invited", True), ("open", True)])
def test_a_host_whom_the_settings_name_no_more_stays_where_others_are_let_in(
    the_host: Listener, settings: Any, listeners: str, gets_in: bool
) -> None:
    settings.LISTENERS, settings.SPOTIFY_HOST_ID = listeners, "second"
    if gets_in:
        assert check_may_connect(identity("host", "x"), "") == Grant(is_host=False)
    else:
        with pytest.raises(StrangerRefused):
            check_may_connect(identity("host", "x"), "")


def test_an_open_site_lets_in_also_while_it_has_no_host(the_host: Listener, settings: Any) -> None:
    settings.LISTENERS = "open"
    Listener.objects.create(account=account("guest"), authorized_at=timezone.now())
    the_host.delete()
    assert check_may_connect(identity("stranger", "x"), "") == Grant(is_host=False)


def test_nobody_is_signed_in_as_who_was_stored_by_the_same_letters(the_host: Listener, settings: Any) -> None:
    settings.LISTENERS = "open"
    account("letters", linked_on="id")
    with pytest.raises(StrangerRefused):
        check_may_connect(identity("letters", "somebody-else"), "")


def test_an_account_of_another_provider_is_in_nobodys_way() -> None:
    account("letters")
    SocialAccount.objects.update(provider="github")
    assert check_may_connect(identity("letters", "x"), "").is_host


def test_a_user_who_is_switched_off_is_refused_before_anything_is_stored(the_host: Listener) -> None:
    type(the_host.account.user).objects.update(is_active=False)
    with pytest.raises(SwitchedOff):
        check_may_connect(identity("host", "x"), "")


@pytest.mark.parametrize("listeners", ["host", "invited"])
def test_a_site_whose_host_has_left_says_how_it_gets_another(the_host: Listener, settings: Any, listeners: str) -> None:
    settings.LISTENERS = listeners
    Listener.objects.create(account=account("guest"), authorized_at=timezone.now())
    the_host.delete()
    with pytest.raises(HostIsMissing, match="SPOTIFY_HOST_ID"):
        check_may_connect(identity("host", "x"), "")
