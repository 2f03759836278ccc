"""Questions in plain words, as a page and for programs."""

from collections.abc import Callable
from datetime import UTC, tzinfo
from functools import lru_cache, wraps
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from tracks import chart as charts
from tracks.api import answers
from tracks.api.errors import error, json_errors
from tracks.models import Listener, TimeRange
from tracks.ops.limits import at_most
from tracks.search.examples import examples
from tracks.search.question import MOST_CHARACTERS, TooLong, cleaned
from tracks.search.read import Answer, search
from tracks.views.data import for_any_site
from tracks.views.decorators import of_listener

# Nobody asks more often; a program that does costs a worker a tenth of its time.
SEARCHES_A_MINUTE = 120

View = Callable[..., HttpResponse]


def asked(view: View) -> View:
    """A view of an answer: never a shared copy (no two ask the same, and days pass), and none for search engines."""

    @require_safe
    @cache_control(private=True, no_cache=True)
    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        response["X-Robots-Tag"] = "noindex"
        return response

    return wrapper


@asked
@at_most(SEARCHES_A_MINUTE, group="search")
@of_listener
def page(request: HttpRequest, listener: Listener | None) -> HttpResponse:
    """The answer to `q`; without one, questions that could be asked. An unknown `tz` is UTC."""
    context: dict[str, Any] = {"listener": listener, "section": "search", "most_characters": MOST_CHARACTERS}
    zone = zone_of(request)
    # Taken along by the links: the days stay the visitor's.
    context["tz"] = request.GET.get("tz") if zone else None
    try:
        question = cleaned(request.GET.get("q", ""))
    except TooLong:
        return render(request, "tracks/search.html", context | {"is_too_long": True})
    context["question"] = question
    if listener is not None and question:
        context["answer"] = _answer(listener, question, zone or UTC)
    elif listener is not None:
        context["examples"] = examples(charts.current(listener, TimeRange.SHORT_TERM), has_history=has_history())
    return render(request, "tracks/search.html", context)


@for_any_site
@json_errors
@asked
@at_most(SEARCHES_A_MINUTE, group="search")
@of_listener
def search_json(request: HttpRequest, listener: Listener | None) -> HttpResponse:
    """The same for programs; an unknown `tz` is an error."""
    zone = zone_of(request)
    if zone is None:
        return error("tz must be the name of a time zone, as Europe/Madrid.", status=400)
    try:
        question = cleaned(request.GET.get("q", ""))
    except TooLong:
        return error(f"q has at most {MOST_CHARACTERS} characters.", status=400)
    found = _answer(listener, question, zone) if listener is not None and question else Answer()
    answer = answers.Search(
        understood=[clause.text for clause in found.understood],
        not_understood=found.not_understood,
        tracks=[answers.Song.of(one.track) for one in found.found],
        did_you_mean=[near.name for near in found.near],
    )
    return JsonResponse(answer.as_json())


def _answer(listener: Listener, question: str, zone: tzinfo) -> Answer:
    return search(listener, question, now=timezone.now(), zone=zone, has_history=has_history())


def has_history() -> bool:
    return settings.HISTORY_DAYS > 0


def zone_of(request: HttpRequest) -> tzinfo | None:
    """The zone that `tz` names, UTC without one, None for what is no name of a zone (IANA)."""
    name = request.GET.get("tz")
    if not name:
        return UTC
    return ZoneInfo(name) if name in zones() else None


@lru_cache(maxsize=1)
def zones() -> set[str]:
    """The names of the zones that this machine knows, without those that are the machine's own business."""
    return available_timezones() - {"localtime", "Factory"}
