"""What DEBUG=on changes beside Django's own debug page."""

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import Http404, HttpRequest, HttpResponse

from tracks.error_pages import page_not_found


class OwnNotFound:
    """Middleware for the bottom of the stack: with DEBUG too, an address that is not there gets the site's own 404.

    Whoever tries the site should not read a list of URL patterns. What breaks still shows Django's debug page.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        if not settings.DEBUG:
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        is_page = response.get("Content-Type", "").startswith("text/html")
        return page_not_found(request, Http404()) if response.status_code == 404 and is_page else response
