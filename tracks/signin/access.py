"""Who may be the host, and what changes when somebody becomes it or leaves."""

from dataclasses import dataclass

from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tracks.models import Listener
from tracks.signin.disconnect import disconnect
from tracks.spotify.errors import StrangerRefused, Unavailable


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


def check_may_host(identity: Identity) -> None:
    """Raises StrangerRefused unless this account is the one SPOTIFY_HOST_ID names, the host, or the first to come."""
    if settings.SPOTIFY_HOST_ID:
        allowed = settings.SPOTIFY_HOST_ID in (identity.account_id, identity.id)
    else:
        host = Listener.objects.host()
        account = identity.linked_account()
        allowed = host is None or (account is not None and account.pk == host.account_id)
    if not allowed:
        raise StrangerRefused


def upgrade_link(identity: Identity) -> None:
    """Links an account on `account_id` once Spotify gives one, where it was linked on `id` before."""
    account = identity.linked_account()
    if account and identity.account_id and account.uid != identity.account_id:
        account.uid = identity.account_id
        account.extra_data = account.extra_data | {"linked_on": "account_id"}
        account.save(update_fields=["uid", "extra_data"])


def connect_host(account: SocialAccount) -> Listener:
    """Makes the account the host's, just authorized. Call it in a transaction.

    With SPOTIFY_HOST_ID set, a former host is deleted; without, raises StrangerRefused if there is another host.
    """
    if settings.SPOTIFY_HOST_ID:
        for former in Listener.objects.filter(is_host=True).exclude(account=account):
            disconnect(former)
    try:
        with transaction.atomic():
            listener, _ = Listener.objects.update_or_create(
                account=account,
                defaults={"is_host": True, "state": Listener.State.CONNECTED, "authorized_at": timezone.now()},
            )
    except IntegrityError:
        raise StrangerRefused from None
    user: User = account.user
    User.objects.filter(pk=user.pk).update(is_staff=True)
    user.user_permissions.add(
        *Permission.objects.filter(content_type__app_label="tracks", codename__startswith="view_")
    )
    return listener
