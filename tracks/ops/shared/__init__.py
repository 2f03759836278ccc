"""Pages that all anonymous visitors share: rendered once for a version of the charts, and kept in memory."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.http import HttpResponse

View = TypeVar("View", bound=Callable[..., Any])


def shared(*parameters: str) -> Callable[[View], View]:
    """Says of a view that whoever has no session may share its answer.

    `parameters` are those of the query that it depends on; a copy is kept for each of their values.
    """

    def decorate(view: View) -> View:
        view.shared_parameters = parameters  # type: ignore[attr-defined]
        return view

    return decorate


def lasting(response: HttpResponse, version: str) -> None:
    """Says of an answer to `@shared` that at the address with `?v=` and this version it never changes.

    Without it, or with another one, the same answer is there, for as long as any page.
    """
    response.lasting_version = version  # type: ignore[attr-defined]
