"""Pages that all anonymous visitors share: rendered once for a version of the charts, and kept in memory."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.http import HttpResponse

View = TypeVar("View", bound=Callable[..., Any])


def shared(*parameters: str, unkept: tuple[str, ...] = ()) -> Callable[[View], View]:
    """Says of a view that whoever has no session may share its answer.

    `parameters` are those of the query that it depends on; a copy is kept for each of their values. With one of
    `unkept` in the query it is answered in the same way, but no copy is kept: there may be very many of them.
    """

    def decorate(view: View) -> View:
        view.shared_parameters = (*parameters, *unkept)  # type: ignore[attr-defined]
        view.unkept_parameters = unkept  # type: ignore[attr-defined]
        return view

    return decorate


def lasting(response: HttpResponse, version: str) -> None:
    """Says of an answer to `@shared` that at the address with `?v=` and this version it never changes.

    Without it, or with another one, the same answer is there, for as long as any page.
    """
    response.lasting_version = version  # type: ignore[attr-defined]
