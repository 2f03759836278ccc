"""Who may connect, as the host or as a listener, and what changes when somebody does."""

from dataclasses import dataclass
from datetime import timedelta

from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tracks.models import Listener, Refusal
from tracks.signin import invitations
from tracks.signin.disconnect import disconnect
from tracks.spotify.errors import Full, HostIsMissing, NotInvited, StrangerRefused, SwitchedOff, Unavailable

# The host is told for so long that Spotify refused somebody; of so many, whoever tries how often.
REFUSALS_KEPT = timedelta(days=30)
MOST_REFUSALS = 100


class _Profile(BaseModel):
    """The two ids of GET /v1/me; everything else in it is left unread."""

    model_config = ConfigDict(strict=True, hide_input_in_errors=True)

    account_id: str | None = Field(default=None, max_length=191)
    id: str | None = Field(default=None, max_length=191)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A Spotify account: `account_id` never changes (since May 2026), `id` is what older answers have alone."""

    account_id: str
    id: str

    @property
    def uid(self) -> str:
        """What the account is stored by."""
        return self.account_id or self.id

    def is_named(self, name: str) -> bool:
        """Whether this is the account of that account_id or id; an id that is a stored account_id names no other."""
        if name == self.account_id or name != self.id:
            return name == self.account_id
        named = SocialAccount.objects.filter(provider="spotify", uid=name, extra_data__linked_on="account_id")
        return not named.exists()

    def linked_account(self) -> SocialAccount | None:
        """The stored account of this person. An id counts only against an account that was linked on an id."""
        accounts = SocialAccount.objects.filter(provider="spotify")
        for field, value in (("account_id", self.account_id), ("id", self.id)):
            found = accounts.filter(uid=value, extra_data__linked_on=field).first() if value else None
            if found:
                return found
        return None


def read_profile(answer: object) -> Identity:
    """The identity in an answer of GET /v1/me; raises Unavailable if there is none in it."""
    try:
        profile = _Profile.model_validate(answer)
    except ValidationError:
        profile = _Profile()
    identity = Identity(account_id=(profile.account_id or "").strip(), id=(profile.id or "").strip())
    if not (identity.account_id or identity.id):
        raise Unavailable(_("Spotify did not say which account signed in; nothing was stored. Try again later."))
    return identity


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What a sign-in is let in as: the host, or a listener, perhaps by an invitation that is still to be used.

    `invitation` is its digest.
    """

    is_host: bool
    invitation: str = ""


def check_may_connect(identity: Identity, invitation: str) -> Grant:
    """Whether this account may connect, before anything of it is stored.

    `invitation` is the digest of the one that the person came with, or "".
    The host is the account that SPOTIFY_HOST_ID names or, while that is not set, the first to come to an empty site.
    Who is in may sign in again, whatever LISTENERS has become. Raises StrangerRefused, NotInvited or Full.
    """
    account = identity.linked_account()
    if account and not account.user.is_active:
        raise SwitchedOff
    # Somebody else's account stands under what this one would be stored by: an id that is another's account_id.
    if SocialAccount.objects.filter(provider="spotify", uid=identity.uid).exclude(pk=account and account.pk).exists():
        raise StrangerRefused
    listener = Listener.objects.filter(account=account).first() if account else None
    if settings.SPOTIFY_HOST_ID:
        is_host = identity.is_named(settings.SPOTIFY_HOST_ID)
    else:
        is_host = listener.is_host if listener else not Listener.objects.exists()
    if is_host or (listener and not (listener.is_host and settings.LISTENERS == "host")):
        return Grant(is_host=is_host)
    is_invited = invitations.is_open(invitation)
    if settings.LISTENERS != "open" and not is_invited and Listener.objects.host() is None:
        raise HostIsMissing
    if settings.LISTENERS == "host":
        raise StrangerRefused
    if settings.LISTENERS == "invited" and not is_invited:
        raise NotInvited
    if is_full():
        raise Full
    return Grant(is_host=False, invitation=invitation)


def is_full() -> bool:
    return bool(settings.MAX_LISTENERS) and Listener.objects.count() >= settings.MAX_LISTENERS


def upgrade_link(identity: Identity) -> None:
    """Links an account on `account_id` once Spotify gives one, where it was linked on `id` before."""
    account = identity.linked_account()
    if account and identity.account_id and account.uid != identity.account_id:
        account.uid = identity.account_id
        account.extra_data = account.extra_data | {"linked_on": "account_id"}
        account.save(update_fields=["uid", "extra_data"])


def connect(account: SocialAccount, grant: Grant) -> Listener:
    """Makes the account a listener's, just authorized. Call it in a transaction.

    Raises what `check_may_connect` does, for who was overtaken since: the last place or the invitation may be gone.
    """
    # The own row first, as a refresh does it, so that the two cannot wait for each other.
    Listener.objects.select_for_update().filter(account=account).first()
    if grant.is_host:
        if settings.SPOTIFY_HOST_ID:
            _make_way_for(account)
    elif not Listener.objects.filter(account=account).exists():
        _take_a_place(grant)
    now = timezone.now()
    defaults: dict[str, object] = {"state": Listener.State.CONNECTED, "authorized_at": now, "due_at": now}
    if grant.is_host:
        # A listener's page below /@handle/ becomes the front page: a new version of it.
        defaults |= {"is_host": True, "visibility": Listener.Visibility.PUBLIC, "changed_at": now}
    try:
        with transaction.atomic():
            listener, _ = Listener.objects.update_or_create(account=account, defaults=defaults)
    except IntegrityError:
        raise StrangerRefused from None  # somebody else became the host at the same moment
    if grant.is_host:
        user: User = account.user
        User.objects.filter(pk=user.pk).update(is_staff=True)
        user.user_permissions.add(
            *Permission.objects.filter(content_type__app_label="tracks", codename__startswith="view_")
        )
    return listener


def _make_way_for(account: SocialAccount) -> None:
    """A former host leaves where the site knows a host alone, and else becomes a listener whom nobody sees."""
    for former in Listener.objects.filter(is_host=True).exclude(account=account):
        if settings.LISTENERS == "host":
            disconnect(former)
            continue
        Listener.objects.filter(pk=former.pk).update(
            is_host=False, visibility=Listener.Visibility.PRIVATE, changed_at=timezone.now()
        )
        former_user: User = former.account.user
        former_user.user_permissions.clear()
        User.objects.filter(pk=former_user.pk, is_superuser=False).update(is_staff=False)


def _take_a_place(grant: Grant) -> None:
    # One after the other: of two who want the last place, the second counts the first.
    Listener.objects.select_for_update().order_by("pk").first()
    if is_full():
        raise Full
    is_invited = bool(grant.invitation) and invitations.use(grant.invitation)
    if settings.LISTENERS == "invited" and not is_invited:
        raise NotInvited


def note_refusal() -> None:
    """Remembers for the host that Spotify refused somebody whom the app's dashboard does not name; not who."""
    if settings.LISTENERS == "host":
        return
    Refusal.objects.filter(at__lt=timezone.now() - REFUSALS_KEPT).delete()
    if Refusal.objects.count() < MOST_REFUSALS:
        Refusal.objects.create()
