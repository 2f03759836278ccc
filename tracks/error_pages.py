"""The pages that say what went wrong, and what to do. They work for every visitor, also without a session."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext


def error(request: HttpRequest, *, status: int, title: str, message: str) -> HttpResponse:
    return render(request, "error.html", {"status": status, "title": title, "message": message}, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    message = _("The address or the form is broken. Go back and try again.")
    return error(request, status=400, title=_("That request made no sense"), message=message)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    message = str(exception) or _("Only the host may do this.")
    return error(request, status=403, title=_("This is not yours to do"), message=message)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    message = _(
        "For safety a form works for a limited time and with cookies only. Go back, reload the page and try again."
    )
    return error(request, status=403, title=_("This form is too old"), message=message)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    message = _("It may have moved, or the address has a slip in it.")
    # Only programs ask for these.
    if request.path_info.endswith((".json", ".csv", "/sql")):
        return JsonResponse({"error": message}, status=404)
    return error(request, status=404, title=_("There is no such page"), message=message)


def too_many_requests(request: HttpRequest, *, seconds: int) -> HttpResponse:
    """429, with the seconds to wait in Retry-After; a page to who asks for pages, else JSON."""
    minutes = -(-seconds // 60)
    message = ngettext(
        "Too many tries from your address. Wait %(n)d minute and try again.",
        "Too many tries from your address. Wait %(n)d minutes and try again.",
        minutes,
    ) % {"n": minutes}
    if "text/html" not in request.headers.get("Accept", ""):
        return JsonResponse({"error": message}, status=429, headers={"Retry-After": str(seconds)})
    response = error(request, status=429, title=_("Too often"), message=message)
    response["Retry-After"] = str(seconds)
    return response


def too_busy(request: HttpRequest, *, seconds: int) -> HttpResponse:
    """429 for everybody alike, with the seconds to wait in Retry-After."""
    message = _("Too many people are signing in at once. Try again in a minute.")
    response = error(request, status=429, title=_("Too often"), message=message)
    response["Retry-After"] = str(seconds)
    return response
