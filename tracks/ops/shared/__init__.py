"""Pages that all anonymous visitors share: rendered once for a version of the charts, and kept in memory."""

from collections.abc import Callable
from typing import Any, TypeVar

View = TypeVar("View", bound=Callable[..., Any])


def shared(*parameters: str) -> Callable[[View], View]:
    """Says of a view that whoever has no session may share its answer.

    `parameters` are those of the query that it depends on; a copy is kept for each of their values.
    """

    def decorate(view: View) -> View:
        view.shared_parameters = parameters  # type: ignore[attr-defined]
        return view

    return decorate
