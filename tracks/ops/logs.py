"""A request's id, in the log lines that the request causes and in its answer."""

import re
import secrets
from collections.abc import Callable
from contextvars import ContextVar
from logging import LogRecord
from typing import TYPE_CHECKING

from django.conf import settings
from pythonjsonlogger.core import RESERVED_ATTRS

if TYPE_CHECKING:
    # The server's settings are read before Django is needed.
    from django.http import HttpRequest, HttpResponse

HEADER = "X-Request-ID"

# One object a line, with whatever facts a message carries beside its text: for the site's log and the server's.
JSON_FORMATTER = {
    "()": "pythonjsonlogger.json.JsonFormatter",
    "fmt": "{levelname}{name}{request_id}{message}",
    "style": "{",
    "rename_fields": {"levelname": "level", "name": "logger"},
    "timestamp": "time",
    # Django adds the request to its lines, with the query string that holds Spotify's code at the sign-in.
    "reserved_attrs": [*RESERVED_ATTRS, "request"],
}

request_id: ContextVar[str] = ContextVar("request_id", default="-")


class RequestId:
    """Middleware: gives each request an id, the proxy's own if there is a proxy that sends one."""

    def __init__(self, get_response: "Callable[[HttpRequest], HttpResponse]") -> None:
        self.get_response = get_response

    def __call__(self, request: "HttpRequest") -> "HttpResponse":
        given = request.META.get("HTTP_X_REQUEST_ID", "") if settings.BEHIND_PROXY else ""
        this = given if re.fullmatch(r"[\w-]{8,64}", given, re.ASCII) else secrets.token_hex(8)
        # It stays until the thread's next request: Django logs a 404 after the last middleware.
        request_id.set(this)
        # For the server's own line about the request.
        request.META["REQUEST_ID"] = this
        response = self.get_response(request)
        response[HEADER] = this
        return response


def add_request_id(record: LogRecord) -> bool:
    """A filter that lets everything through, with `request_id` on it ("-" outside of a request)."""
    record.request_id = request_id.get()
    return True


def without_secrets(text: str) -> str:
    """The text, without what stands in the address of an invitation."""
    return re.sub(r"(/invite/)[^/\s\"']+", r"\1-", text)


def drop_secrets(record: LogRecord) -> bool:
    """A filter that lets everything through: Django names the address of what it refuses."""
    if isinstance(record.args, tuple):
        record.args = tuple(without_secrets(part) if isinstance(part, str) else part for part in record.args)
    return True


def drop_query(record: LogRecord) -> bool:
    """A filter for the development server's lines: a query string may hold Spotify's code."""
    if isinstance(record.args, tuple):
        record.args = tuple(re.sub(r"\?\S*", "", part) if isinstance(part, str) else part for part in record.args)
    return True
