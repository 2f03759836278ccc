"""Signing in with Spotify: allauth's OAuth views, with our checks in them."""

from typing import Any

from allauth.socialaccount.models import SocialLogin, SocialToken
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from allauth.socialaccount.providers.spotify.views import SpotifyOAuth2Adapter
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from tracks.ops.limits import at_most
from tracks.signin import access
from tracks.signin.adapter import SIGN_IN_CALL_SECONDS
from tracks.signin.error_page import error_page
from tracks.signin.invitations import INVITATION, digest_of
from tracks.spotify.client import profile
from tracks.spotify.errors import NotAllowed, SpotifyError, StrangerRefused
from tracks.spotify.exchanges import count_exchange
from tracks.spotify.pause import Service, raise_if_paused
from tracks.spotify.session import BoundedSession
from tracks.spotify.tokens import encrypt, read_answer

SCOPE = "user-top-read"


class SpotifyAdapter(SpotifyOAuth2Adapter):
    basic_auth = True

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request)
        self.access_token_url = f"{settings.SPOTIFY_ACCOUNTS_URL}/api/token"
        self.authorize_url = f"{settings.SPOTIFY_ACCOUNTS_URL}/authorize"

    def get_access_token_data(self, *args: Any, **kwargs: Any) -> Any:
        """The answer of the token endpoint, for a code that came with a state of ours. Raises SpotifyError.

        No code is spent while the API has a pause: without it nobody can say who signed in.
        """
        raise_if_paused(*Service)
        count_exchange()
        return super().get_access_token_data(*args, **kwargs)

    def parse_token(self, data: object) -> SocialToken:
        """The token to store, encrypted. Raises SpotifyError if it is malformed or the permission was not given."""
        answer = read_answer(data)
        # RFC 6749, 5.1: no scope in the answer means the one that was asked for.
        self.scope = SCOPE if answer.scope is None else answer.scope
        if SCOPE not in self.scope.split():
            raise SpotifyError(
                _("Spotify did not give the permission to read top songs. Please sign in again and agree to it.")
            )
        return SocialToken(
            token=encrypt(answer.access_token),
            token_secret=encrypt(answer.refresh_token or ""),
            expires_at=answer.expires_at,
        )

    def complete_login(self, request: HttpRequest, app: object, token: SocialToken, **kwargs: Any) -> SocialLogin:
        """The login of an account that may connect. Raises StrangerRefused before anything of it is stored."""
        session = BoundedSession(seconds=SIGN_IN_CALL_SECONDS)
        identity = access.read_profile(profile(kwargs["response"]["access_token"], session))
        request.grant = access.check_may_connect(identity, request.session.get(INVITATION, ""))  # type: ignore[attr-defined]
        access.upgrade_link(identity)
        return self.get_provider().sociallogin_from_response(
            request, {"account_id": identity.account_id, "id": identity.id, "scope": self.scope}
        )


class LoginView(OAuth2LoginView):
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method != "POST" or not settings.SPOTIPY_CLIENT_ID or not settings.SPOTIPY_CLIENT_SECRET:
            return redirect("login")
        try:
            raise_if_paused(*Service)
        except SpotifyError as error:
            return error_page(request, error)
        # Each start leaves a session behind, also on a site where nothing else clears up yet.
        request.session.clear_expired()
        if secret := request.POST.get("invitation", "")[:100]:
            request.session[INVITATION] = digest_of(secret)
        response: HttpResponse = super().dispatch(request, *args, **kwargs)
        return response


class CallbackView(OAuth2CallbackView):
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            response: HttpResponse = super().dispatch(request, *args, **kwargs)
            return response
        except StrangerRefused as error:
            request.session.flush()
            return error_page(request, error)
        except NotAllowed as error:
            access.note_refusal()
            return error_page(request, error)
        except SpotifyError as error:
            return error_page(request, error)


spotify_login = at_most(10, group="sign-in")(LoginView.adapter_view(SpotifyAdapter))
spotify_callback = at_most(10, group="callback")(CallbackView.adapter_view(SpotifyAdapter))
