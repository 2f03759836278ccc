"""What can go wrong with Spotify, in the service's own words.

Each class has a `code` for machines and a default sentence for people: what happened, what it means, what to do.
No message holds anything that Spotify or a visitor sent.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from allauth.socialaccount.models import SocialToken
    from django_stubs_ext import StrOrPromise


# In how many seconds to try again where Spotify does not say.
RETRY_SECONDS = 60


class SpotifyError(Exception):
    code = "failed"
    # In how many seconds a new try makes sense, None where waiting does not help.
    retry_seconds: int | None = None
    message: "StrOrPromise" = _("Spotify refused the request.")

    def __init__(self, message: "StrOrPromise" = "") -> None:
        super().__init__(str(message or self.message))


class Unavailable(SpotifyError):
    """Spotify or the network fails at the moment: trying again later may help."""

    code = "unavailable"
    retry_seconds = RETRY_SECONDS
    message = _("Spotify could not be reached; the last chart stays. Try again later.")


class RateLimited(SpotifyError):
    """Spotify told the app not to call before `until` (UTC)."""

    code = "rate_limited"

    def __init__(self, until: datetime) -> None:
        self.until = until
        self.retry_seconds = max(1, int((until - timezone.now()).total_seconds()) + 1)
        super().__init__(
            _("Spotify asked this app to wait until %(until)s UTC; the last chart stays, and nobody calls before then.")
            % {"until": f"{until:%Y-%m-%d %H:%M:%S}"}
        )


class SignInNeeded(SpotifyError):
    """No usable authorization: only the listener can give a new one. `spent` is a token that Spotify refused."""

    code = "sign_in_needed"
    message = _("Spotify no longer accepts the stored sign-in; the host must sign in again on the site.")

    def __init__(self, message: "StrOrPromise" = "", *, spent: "SocialToken | None" = None) -> None:
        super().__init__(message)
        self.spent = spent


class NotAllowed(SpotifyError):
    """403: the account is not on the app's allow-list, or the app itself is blocked."""

    code = "not_allowed"
    message = _(
        "Spotify does not let this account use the app: add the account under User Management at "
        "developer.spotify.com/dashboard, and check that the app's owner still has Premium."
    )


class BadCredentials(SpotifyError):
    """The token endpoint does not know the client id and secret."""

    code = "bad_credentials"
    message = _(
        "Spotify does not accept the app's credentials: copy SPOTIPY_CLIENT_ID and SPOTIPY_CLIENT_SECRET again "
        "from developer.spotify.com/dashboard."
    )


class AccessTokenRefused(SpotifyError):
    """401: the access token is no longer good, whatever its expiry says."""

    code = "access_token_refused"
    message = _("Spotify refused the access token, even a new one; the last chart stays. Try again later.")


class RequestRefused(SpotifyError):
    """Any other 4xx: the request itself is wrong, so trying again does not help."""

    code = "request_refused"

    def __init__(self, status: int) -> None:
        super().__init__(
            _("Spotify refused the request with status %(status)d; the last chart stays. Please report this.")
            % {"status": status}
        )


class StrangerRefused(SpotifyError):
    """The account that signed in is not the host's."""

    code = "stranger"
    message = _("This site shows one host's songs, and this Spotify account is not the host's. Nothing was stored.")


class HostIsMissing(SpotifyError):
    """The host has left, others are there, and nobody becomes host by chance."""

    code = "stranger"
    message = _(
        "This site waits for a new host: the Spotify account that whoever runs it names in SPOTIFY_HOST_ID. Nothing "
        "was stored."
    )


class SwitchedOff(SpotifyError):
    """A superuser has switched this user off."""

    message = _("This user is switched off. A superuser can switch it on in the admin.")


class TooManySignIns(SpotifyError):
    """The site has exchanged as many codes in this minute as it may."""

    code = "too_many_sign_ins"
    retry_seconds = RETRY_SECONDS
    message = _("Too many people are signing in at once. Try again in a minute.")


class NotInvited(StrangerRefused):
    """LISTENERS=invited, and no open invitation came with the sign-in."""

    code = "not_invited"
    message = _(
        "Who wants a page here needs an invitation from the host, and an invitation works once. Nothing was stored."
    )


class Full(StrangerRefused):
    """MAX_LISTENERS are connected."""

    code = "full"
    message = _("Every place on this site is taken. Nothing was stored, and an invitation stays good; ask the host.")
