"""Refuses large requests: no address of the site takes a file or a long text.

The server (spotify_top/worker.py) does not read such a body at all; others hand the request over unread.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _

from tracks.error_pages import error

MOST_BYTES = 64 * 1024


class SmallBodies:
    """Middleware: answers 413 to a request whose body is longer than MOST_BYTES, as a page to who asks for pages."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # What Django decodes by another charset may be text that no database and no hash takes.
        if request.content_params.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):  # type: ignore[union-attr]
            return JsonResponse({"error": _("The request is not UTF-8.")}, status=400)
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not (length.isdecimal() and int(length) > MOST_BYTES):
            return self.get_response(request)
        if "text/html" in request.headers.get("Accept", ""):
            message = _("The request is larger than any address here takes (64 KiB). Nothing of it was kept.")
            return error(request, status=413, title=_("Too large"), message=message)
        return JsonResponse({"error": _("The request is larger than any address here takes (64 KiB).")}, status=413)
