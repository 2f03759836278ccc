"""Errors as programs read them: `{"error": "a sentence for people"}`."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse

from tracks.api.answers import Error

View = Callable[..., HttpResponse]


def error(message: str, *, status: int, headers: Mapping[str, str] | None = None) -> JsonResponse:
    return JsonResponse(Error(error=message).as_json(), status=status, headers=dict(headers or {}))


def json_errors(view: View) -> View:
    """Makes JSON of the view's 404 and 405; the shared pages see by it that a 503 shall be JSON too."""

    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            response = view(request, *args, **kwargs)
        except Http404 as missing:
            return error(str(missing), status=404)
        if isinstance(response, HttpResponseNotAllowed):
            methods = response["Allow"]
            return error(f"This address takes {methods} only.", status=405, headers={"Allow": methods})
        return response

    wrapper.answers_errors_as_json = True  # type: ignore[attr-defined]
    # The view looks at the method itself: one that it does not take gets its 405, and not a word about forms.
    wrapper.csrf_exempt = True  # type: ignore[attr-defined]
    return wrapper
