"""Where tokens live: allauth's SocialToken, encrypted at rest with keys derived from the SECRET_KEYs."""

import base64
import functools
from datetime import datetime, timedelta

from allauth.socialaccount.models import SocialToken
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tracks.models import Listener
from tracks.spotify.errors import AccessTokenRefused, BadCredentials, SignInNeeded, Unavailable
from tracks.spotify.session import BoundedSession

# Renewed a little early, so that a token does not lapse between the check and the call.
EARLY = timedelta(seconds=60)


class TokenAnswer(BaseModel):
    """What the token endpoint answers (RFC 6749, 5.1). `expires_in` is in seconds."""

    model_config = ConfigDict(strict=True, hide_input_in_errors=True)

    access_token: str = Field(min_length=1, max_length=4000, pattern=r"^[\x21-\x7e]+$")
    refresh_token: str | None = Field(default=None, max_length=4000, pattern=r"^[\x21-\x7e]*$")
    expires_in: int = Field(default=3600, gt=0, le=366 * 24 * 3600)
    scope: str | None = Field(default=None, max_length=1000)

    @property
    def expires_at(self) -> datetime:
        return timezone.now() + timedelta(seconds=self.expires_in)


def read_answer(data: object) -> TokenAnswer:
    """The validated answer; raises Unavailable for one that is malformed."""
    try:
        return TokenAnswer.model_validate(data)
    except ValidationError:
        # `from None`: the original error quotes the answer.
        raise Unavailable(_("Spotify sent a token that cannot be read; try again later.")) from None


@functools.lru_cache(maxsize=4)
def _fernet(secrets: tuple[str, ...]) -> MultiFernet:
    def key(secret: str) -> Fernet:
        derived = HKDF(SHA256(), length=32, salt=None, info=b"spotify_top tokens").derive(secret.encode())
        return Fernet(base64.urlsafe_b64encode(derived))

    return MultiFernet([key(secret) for secret in secrets])


def _box() -> MultiFernet:
    return _fernet((settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))


def encrypt(token: str) -> str:
    """The token encrypted with the first key; empty stays empty, since allauth reads that as "none given"."""
    return _box().encrypt(token.encode()).decode() if token else ""


def decrypt(stored: str) -> str:
    """The token; raises SignInNeeded if none of the keys fits or nothing is stored."""
    try:
        return _box().decrypt(stored).decode()
    except InvalidToken:
        raise SignInNeeded(
            _("The stored sign-in cannot be read, perhaps because SECRET_KEY changed; the host must sign in again.")
        ) from None


def is_readable(listener: Listener) -> bool:
    """Whether the present keys decrypt what is stored for the listener; Spotify is not asked."""
    stored = SocialToken.objects.filter(account=listener.account_id).order_by("-pk").first()
    try:
        return stored is not None and bool(decrypt(stored.token_secret))
    except SignInNeeded:
        return False


def is_renewal_due(listener: Listener) -> bool:
    """Whether the next access token costs a call."""
    stored = SocialToken.objects.filter(account=listener.account_id).order_by("-pk").first()
    return stored is not None and not _is_fresh(stored)


def _is_fresh(stored: SocialToken) -> bool:
    return bool(stored.expires_at and stored.expires_at > timezone.now() + EARLY)


def access_token(listener: Listener, session: BoundedSession, *, renew: bool = False) -> str:
    """An access token that is fresh, renewed first if it has expired or `renew` is set.

    Raises SignInNeeded when there is no usable token, other SpotifyErrors when the renewal fails.
    """
    stored = SocialToken.objects.filter(account=listener.account_id).order_by("-pk").first()
    if stored is None:
        raise SignInNeeded
    if not renew and _is_fresh(stored):
        return decrypt(stored.token)
    return _renew(stored, session)


def _renew(stored: SocialToken, session: BoundedSession) -> str:
    refresh_token = decrypt(stored.token_secret)
    try:
        response = session.post(
            f"{settings.SPOTIFY_ACCOUNTS_URL}/api/token",
            data={"grant_type": "refresh_token", "refresh_token": refresh_token},
            auth=(settings.SPOTIPY_CLIENT_ID, settings.SPOTIPY_CLIENT_SECRET),
        )
    except SignInNeeded:
        raise SignInNeeded(spent=stored) from None  # Spotify said invalid_grant
    except AccessTokenRefused:
        raise BadCredentials from None
    answer = read_answer(response.json())
    # At once: Spotify may have killed the old refresh token. Only over the one used: a sign-in meanwhile is newer.
    SocialToken.objects.filter(pk=stored.pk, token_secret=stored.token_secret).update(
        token=encrypt(answer.access_token),
        token_secret=encrypt(answer.refresh_token or refresh_token),
        expires_at=answer.expires_at,
    )
    return answer.access_token


def discard(spent: SocialToken) -> None:
    """Deletes a token that Spotify refused, unless a sign-in has replaced it meanwhile."""
    SocialToken.objects.filter(pk=spent.pk, token_secret=spent.token_secret).delete()


def reencrypt() -> tuple[int, int]:
    """Encrypts every stored token with the first key; returns how many were done and how many no key can read."""
    done = unreadable = 0
    for stored in SocialToken.objects.all():
        try:
            fresh = {
                "token": encrypt(decrypt(stored.token)),
                "token_secret": encrypt(decrypt(stored.token_secret)) if stored.token_secret else "",
            }
        except SignInNeeded:
            unreadable += 1
            continue
        # Only over what was read: a refresh may have stored a newer one meanwhile.
        done += SocialToken.objects.filter(pk=stored.pk, token_secret=stored.token_secret).update(**fresh)
    return done, unreadable
