"""allauth's adapters: one bounded session, one account that may sign in, no page of allauth's own."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.base import AuthError
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from tracks.etl.service import refresh
from tracks.models import Listener, RefreshRun
from tracks.signin.access import connect
from tracks.signin.error_page import error_page
from tracks.signin.invitations import INVITATION
from tracks.spotify.errors import SpotifyError, StrangerRefused, SwitchedOff, Unavailable
from tracks.spotify.session import BoundedSession

# Two calls, the token exchange and GET /v1/me, before a refresh of at most 10 s: 18 s in all.
SIGN_IN_CALL_SECONDS = 4


class AccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def add_message(self, *args: Any, **kwargs: Any) -> None:
        """Says nothing: the site has words of its own."""

    def login(self, request: HttpRequest, user: User) -> None:
        """Signs the user in, or nobody if the user disconnected at the same moment: the lock says who was first."""
        with transaction.atomic():
            if not User.objects.select_for_update().filter(pk=user.pk).exists():
                raise ImmediateHttpResponse(redirect("index"))
            super().login(request, user)

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """The host's chart is the front page; a listener's own page says what to do next."""
        is_host = Listener.objects.filter(account__user=request.user.pk, is_host=True).exists()
        return reverse("index" if is_host else "me")

    # The first sign-in leads where the later ones do.
    get_signup_redirect_url = get_login_redirect_url

    def post_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse:
        """After a sign-in with Spotify, the first thing is a fresh table."""
        response: HttpResponse = super().post_login(request, user, **kwargs)
        # allauth notes the Spotify account in the session; the user's number is enough there.
        request.session.pop("account_authentication_methods", None)
        request.session.pop(INVITATION, None)
        listener = Listener.objects.filter(account__user=user).first()
        if listener is None:  # who disconnected in another window at the same moment
            return response
        # Fresh charts are left alone if the last refresh worked: else who signs in again and again would use up
        # everybody's quota.
        last = listener.runs.order_by("-started_at").first()
        result = refresh(
            listener=listener, trigger=RefreshRun.Trigger.SIGN_IN, force=last is None or not last.has_worked
        )
        messages.add_message(request, messages.SUCCESS if result.ok else messages.WARNING, result.summary)
        return response

    def respond_user_inactive(self, request: HttpRequest, user: User) -> HttpResponse:
        return error_page(request, SwitchedOff())


class SocialAccountAdapter(DefaultSocialAccountAdapter):
    def get_requests_session(self) -> BoundedSession:
        return BoundedSession(seconds=SIGN_IN_CALL_SECONDS)

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return True  # strangers were refused before it came to this

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: object = None) -> User:
        """Stores user, account, token and listener, or nothing at all."""
        try:
            with transaction.atomic():
                user: User = super().save_user(request, sociallogin, form)
                connect(sociallogin.account, request.grant)  # type: ignore[attr-defined]
        except IntegrityError:
            if settings.LISTENERS == "host":
                raise StrangerRefused from None  # another account claimed the site at the same moment
            raise Unavailable(_("This account signed in twice at the same moment. Please start again.")) from None
        return user

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        if sociallogin.is_existing:
            with transaction.atomic():
                connect(sociallogin.account, request.grant)  # type: ignore[attr-defined]

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: object,
        error: str | None = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> None:
        if error == AuthError.CANCELLED:
            messages.info(request, _("You cancelled the sign-in at Spotify. Nothing was stored."))
            raise ImmediateHttpResponse(redirect("login" if INVITATION in request.session else "index"))
        if exception is not None:
            refusal: SpotifyError = Unavailable(_("Spotify sent a token that cannot be read; try again later."))
        else:
            refusal = SpotifyError(_("This sign-in has expired or was started in another browser. Please start again."))
        raise ImmediateHttpResponse(error_page(request, refusal))
