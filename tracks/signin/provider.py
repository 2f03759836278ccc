"""allauth's Spotify provider, extended: what is asked of Spotify, and how little of the answer is kept."""

import secrets
from typing import Any

from allauth.socialaccount.providers.base import AuthProcess, ProviderAccount
from allauth.socialaccount.providers.spotify.provider import SpotifyOAuth2Provider
from django.http import HttpRequest

from tracks.signin.access import Identity
from tracks.signin.views import SpotifyAdapter


class SpotifyAccount(ProviderAccount):
    """An account of which nothing but the id is known, so it has no page and no picture."""


class SpotifyProvider(SpotifyOAuth2Provider):
    account_class = SpotifyAccount
    oauth2_adapter_class = SpotifyAdapter

    def get_redirect_from_request_kwargs(self, request: HttpRequest) -> dict[str, Any]:
        # The stock provider takes scope, auth_params, next and process from the visitor's URL. What is not named here
        # is as the settings say.
        return {"process": AuthProcess.LOGIN}

    def extract_uid(self, data: dict[str, str]) -> str:
        return Identity(account_id=data["account_id"], id=data["id"]).uid

    def extract_extra_data(self, data: dict[str, str]) -> dict[str, str]:
        return {"linked_on": "account_id" if data["account_id"] else "id", "scope": data["scope"]}

    def extract_common_fields(self, data: dict[str, str]) -> dict[str, str]:
        # At random: of two who sign in at the same moment, both would be given the next free number.
        return {"username": f"listener-{secrets.token_hex(8)}"}


provider_classes = [SpotifyProvider]
