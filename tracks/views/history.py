"""The pages of a chart as it was."""

import re
from calendar import monthrange
from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from tracks import bump, calendar
from tracks import history as reads
from tracks.models import Listener, TimeRange
from tracks.ops.shared import shared
from tracks.views.decorators import of_listener, time_range_or_404

SNAPSHOTS_A_PAGE = 20


@require_safe
@shared("time_range", "page", "month", "span")
@of_listener
def history(request: HttpRequest, listener: Listener | None) -> HttpResponse:
    """The charts of a time range as they were, newest first."""
    time_range = time_range_or_404(request)
    page = request.GET.get("page", "1")
    if not settings.HISTORY_DAYS or not re.fullmatch(r"[1-9][0-9]{0,5}", page):
        raise Http404(_("There is no such page of the history."))
    month = _month_or_404(request.GET.get("month"))
    span = _span_or_404(request.GET.get("span", "1"))
    start = (int(page) - 1) * SNAPSHOTS_A_PAGE
    # One more than shown tells whether there is a next page, without counting the whole history.
    snapshots = list(reads.snapshots(listener, time_range)[start : start + SNAPSHOTS_A_PAGE + 1])
    if start and not snapshots:
        raise Http404(_("The history does not go back that far."))
    # The pages after the first go on with the list alone.
    reach = reads.kept(listener, time_range) if not start else None
    months = calendar.read(listener, time_range, reach, month) if reach else None
    if month and months is None:
        raise Http404(_("The history has no such month."))
    context = {
        "listener": listener,
        "section": "history",
        "time_range": time_range,
        "snapshots": snapshots[:SNAPSHOTS_A_PAGE],
        "bump": bump.read(listener, time_range, reach, span) if reach else None,
        "span": span if span > 1 else None,
        "month": month,
        "calendar": months,
        "newer_page": int(page) - 1,
        "older_page": int(page) + 1 if len(snapshots) > SNAPSHOTS_A_PAGE else None,
    }
    return render(request, "tracks/history.html", context)


@require_safe
@shared()
@of_listener
def snapshot(request: HttpRequest, listener: Listener | None, pk: int) -> HttpResponse:
    """A chart as it was, with the way to the one before and the one after."""
    found = reads.snapshot(listener, pk) if settings.HISTORY_DAYS else None
    if found is None:
        raise Http404(_("The history has no such chart."))
    older, newer = reads.neighbours(found)
    # Days are compared: where a newer chart came on the same day, that one is the day's.
    is_a_days = newer is not None and newer.first_seen_at.date() > found.first_seen_at.date()
    placements = list(found.placements.with_tracks())
    context = {
        "listener": listener,
        "section": "history",
        "time_range": TimeRange(found.time_range),
        "snapshot": found,
        "placements": placements,
        "count": len(placements),
        "older": older,
        "newer": newer,
        "is_a_days": is_a_days,
    }
    return render(request, "tracks/snapshot.html", context)


@require_safe
@shared("from", "to", "time_range")
@of_listener
def compare(request: HttpRequest, listener: Listener | None) -> HttpResponse:
    """The charts of two UTC days side by side; without days a week ago and today.

    Today is the day on which the newest chart was last confirmed: a page is rendered once for a version of the charts,
    not again because time passes.
    """
    time_range = time_range_or_404(request)
    if not settings.HISTORY_DAYS:
        raise Http404(_("There is no history to compare."))
    asked = [_day_or_400(request.GET.get(name, "")) for name in ("from", "to")] if _asks_for_days(request) else []
    kept = reads.kept(listener, time_range)
    context: dict[str, Any] = {"listener": listener, "section": "history", "time_range": time_range, "kept": kept}
    if kept is None:
        if asked:
            raise Http404(_("There is no chart yet."))
        return render(request, "tracks/compare.html", context)
    context["keeps_days"] = bool(asked)
    today = kept.last_day
    asked = asked or [max(kept.first_day, today - timedelta(days=7)), today]
    first, second = sorted(min(day, today) for day in asked)
    comparison = reads.compare(listener, time_range, first, second)
    if comparison is None:
        raise Http404(_("The history does not go back that far."))
    context |= {
        "comparison": comparison,
        "first": first,
        "second": second,
        "is_future": max(asked) > today,
        "ways": [(day, words) for day, words in _ways_back(today) if day >= kept.first_day],
    }
    return render(request, "tracks/compare.html", context)


def _asks_for_days(request: HttpRequest) -> bool:
    return "from" in request.GET or "to" in request.GET


def _day_or_400(value: str) -> date:
    """The day that YYYY-MM-DD means. Raises BadRequest for anything else."""
    day = _day(value)
    if day is None:
        raise BadRequest("A day is written as YYYY-MM-DD.")
    return day


def _month_or_404(value: str | None) -> date | None:
    """The first day of the month that YYYY-MM means, None where none is asked for. Raises Http404 for anything else."""
    day = _day(f"{value}-01") if value is not None else None
    if value is not None and day is None:
        raise Http404(_("There is no such month."))
    return day


def _span_or_404(value: str) -> int:
    """How many months the bump chart shows. Raises Http404 for a number that it does not."""
    if value not in map(str, bump.SPANS):
        raise Http404(_("The history is shown over 1, 3 or 12 months."))
    return int(value)


def _day(value: str) -> date | None:
    """The day that YYYY-MM-DD means, None for anything else and for a day that never was."""
    # Python reads other forms of ISO 8601 too.
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def _ways_back(today: date) -> list[tuple[date, str]]:
    """The days that are a step away from today, in words; the last day of a month where it has no such day."""
    month = (today.replace(day=1) - timedelta(days=1)).replace(day=1)
    return [
        (today - timedelta(days=1), _("yesterday")),
        (today - timedelta(days=7), _("a week ago")),
        (_on_day(month, today.day), _("a month ago")),
        (_on_day(today.replace(year=today.year - 1, day=1), today.day), _("a year ago")),
    ]


def _on_day(month: date, number: int) -> date:
    return month.replace(day=min(number, monthrange(month.year, month.month)[1]))
