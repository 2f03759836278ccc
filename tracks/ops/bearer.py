"""Machines that show a token of the settings: `Authorization: Bearer ...`."""

from django.http import HttpRequest, JsonResponse
from django.utils.crypto import constant_time_compare

from tracks.api.errors import error


def bears(request: HttpRequest, token: str) -> bool:
    """Whether the request carries this token; never for an empty one, which means that the token is not set."""
    given = request.headers.get("Authorization", "").partition(" ")[2]
    return bool(token) and is_bearer(request) and constant_time_compare(given.strip(), token)


def is_bearer(request: HttpRequest) -> bool:
    """Whether the request carries any token of this scheme."""
    return request.headers.get("Authorization", "").partition(" ")[0].lower() == "bearer"


def refused(name: str) -> JsonResponse:
    """The answer to a request without the token that the setting of this name holds."""
    message = f"The token is wrong, or this site has no {name}."
    return error(message, status=401, headers={"WWW-Authenticate": "Bearer"})
