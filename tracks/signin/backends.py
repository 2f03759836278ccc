"""Who may say that a password is right: Django's own backend, before this one."""

from django.contrib.auth.backends import BaseBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest


class NoFurther(BaseBackend):
    """Ends the search: allauth's backend, there for the sessions of Spotify's sign-ins, would hash once more."""

    def authenticate(self, request: HttpRequest | None, **credentials: object) -> None:
        raise PermissionDenied
