"""The chart inside other sites: the page for an iframe, and oEmbed for sites that make the iframe themselves."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from csp.decorators import csp_replace
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import Resolver404, resolve, reverse
from django.utils.encoding import punycode
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.http import require_safe

from tracks import chart as reads
from tracks.addresses import chart_url
from tracks.api.answers import OEmbed
from tracks.api.errors import error, json_errors
from tracks.models import Listener, TimeRange
from tracks.ops.shared import shared
from tracks.templatetags.chart import headline
from tracks.views.data import for_any_site
from tracks.views.decorators import of_listener, time_range_of

FEWEST_ROWS, ROWS, MOST_ROWS = 5, 10, 20
THEMES = ("auto", "light", "dark")

# In px, as embed.css draws it where each title and its artists take one line; longer ones scroll within the frame.
WIDTH = 480
ROW_HEIGHT = 57
FURTHER_HEIGHT = 196

# The frame shows the chart of now however old its HTML is.
CACHE_SECONDS = 24 * 3600
# No address of a chart is longer.
LONGEST_ADDRESS = 500


# /embed/


def framed(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponseBase]:
    """Lets any site show the answer in a frame, also that there is no such chart; search engines keep to the chart."""

    @xframe_options_exempt
    @csp_replace({"frame-ancestors": ["*"]})
    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            response = view(request, *args, **kwargs)
        except Http404:
            message = _("This chart is not here, or not to be seen by everybody.")
            response = told(request, status=404, title=_("There is no such chart"), message=message)
        response["X-Robots-Tag"] = "noindex"
        return response

    return wrapper


@require_safe
@framed
@shared("time_range", "rows", "theme")
@of_listener
def embed(request: HttpRequest, listener: Listener | None) -> HttpResponse:
    """The first rows of the chart, for an iframe."""
    time_range = time_range_of(request)
    rows = rows_of(request.GET.get("rows", str(ROWS)))
    theme = request.GET.get("theme", "auto")
    if time_range is None or rows is None or theme not in THEMES:
        message = _(
            "In the address of this frame rows is a number from %(fewest)d to %(most)d, theme one of %(themes)s, and "
            "time_range one of %(ranges)s."
        ) % {
            "fewest": FEWEST_ROWS,
            "most": MOST_ROWS,
            "themes": ", ".join(THEMES),
            "ranges": ", ".join(TimeRange.values),
        }
        return told(request, status=400, title=_("That request made no sense"), message=message)
    chart = reads.current(listener, time_range)
    placements = chart.placements[:rows]
    context = {
        "listener": listener,
        "time_range": time_range,
        "theme": theme,
        "chart": chart,
        "placements": placements,
        "shown": len(placements),
    }
    return render(request, "tracks/embed.html", context)


def rows_of(value: str) -> int | None:
    """How many rows are asked for, None for what the page does not take."""
    return int(value) if re.fullmatch("[1-9][0-9]?", value) and FEWEST_ROWS <= int(value) <= MOST_ROWS else None


def told(request: HttpRequest, *, status: int, title: str, message: str) -> HttpResponse:
    """A small page that says what is the matter."""
    theme = request.GET.get("theme")
    context = {"theme": theme if theme in THEMES else "auto", "title": title, "message": message}
    return render(request, "tracks/embed_message.html", context, status=status)


# /oembed


@for_any_site
@json_errors
@require_safe
@cache_control(no_cache=True)  # who is private now must be gone
def oembed(request: HttpRequest) -> HttpResponse:
    """What a site needs to show one of our charts (oembed.com, version 1.0, type "rich").

    The same for everybody: whose session asks does not count.
    """
    if request.GET.get("format", "json") != "json":
        return error("format must be json.", status=501)
    if not request.GET.get("url"):
        return error("url must be the address of a chart on this site.", status=400)
    most: dict[str, int | None] = {}
    for name in ("maxwidth", "maxheight"):
        value = request.GET.get(name)
        if value is not None and not re.fullmatch("[1-9][0-9]{0,99}", value):
            return error(f"{name} must be a whole number of pixels above 0.", status=400)
        most[name] = int(value) if value else None
    found = chart_at(request, request.GET["url"])
    if found is None:
        return error("url is not the address of a chart on this site that everybody may see.", status=404)
    answer = answer_for(request, *found, maxwidth=most["maxwidth"], maxheight=most["maxheight"])
    return JsonResponse(answer.as_json())


def chart_at(request: HttpRequest, address: str) -> tuple[Listener | None, TimeRange] | None:
    """Whose chart, over what time, stands at this absolute address; None unless everybody may see it there."""
    parts = on_this_site(request, address)
    if parts is None:
        return None
    try:
        match = resolve(unquote(parts.path) or "/")
        time_range = QueryDict(parts.query).get("time_range", TimeRange.SHORT_TERM)
    except (Resolver404, ValueError):
        return None
    if match.view_name not in ("index", "listener:index") or time_range not in TimeRange.values:
        return None
    if "handle" not in match.kwargs:
        return Listener.objects.host(), TimeRange(time_range)
    seen = Listener.objects.exclude(visibility=Listener.Visibility.PRIVATE)
    listener = seen.filter(handle=match.kwargs["handle"]).first()
    return (listener, TimeRange(time_range)) if listener else None


def on_this_site(request: HttpRequest, address: str) -> SplitResult | None:
    """The parts of an http(s) address of the host that was asked, None for any other text."""
    if len(address) > LONGEST_ADDRESS or re.search(r"[\s\\\x00-\x1f]", address):
        return None
    try:
        parts, own = urlsplit(address), urlsplit(f"{request.scheme}://{request.get_host()}")
        is_own = origin(parts) == origin(own)
    except ValueError:  # a port or an IPv6 address that is none, or a name that IDNA does not know
        return None
    return parts if parts.scheme in ("http", "https") and "@" not in parts.netloc and is_own else None


def origin(parts: SplitResult) -> tuple[str, int | None]:
    """Host and port; None for the scheme's own port, so that http and https lead to the same site."""
    port = parts.port
    return punycode(parts.hostname or ""), None if port == {"http": 80, "https": 443}.get(parts.scheme) else port


def answer_for(
    request: HttpRequest,
    listener: Listener | None,
    time_range: TimeRange,
    *,
    maxwidth: int | None,
    maxheight: int | None,
) -> OEmbed:
    """The answer for this chart, in at most so many pixels: as many rows as fit, but never fewer than the page has."""
    rows = ROWS
    while maxheight and rows > FEWEST_ROWS and height_of(rows) > maxheight:
        rows -= 1
    width, height = min(WIDTH, maxwidth or WIDTH), min(height_of(rows), maxheight or height_of(rows))
    source = chart_url(listener, "embed", time_range=time_range, rows=rows if rows != ROWS else None)
    called = listener.called if listener else ""
    title = f"{called}: {headline(time_range, 0)}" if called else headline(time_range, 0)
    html = format_html(
        '<iframe src="{}" title="{}" width="{}" height="{}" frameborder="0" loading="lazy"></iframe>',
        request.build_absolute_uri(source), f"{title} · {settings.SITE_NAME}", width, height,
    )  # fmt: skip
    author = {"author_name": called, "author_url": request.build_absolute_uri(chart_url(listener, "index"))}
    return OEmbed(
        version="1.0",
        type="rich",
        title=title,
        **(author if called else {}),
        provider_name=settings.SITE_NAME,
        provider_url=request.build_absolute_uri(reverse("index")),
        cache_age=CACHE_SECONDS,
        html=html,
        width=width,
        height=height,
    )


def height_of(rows: int) -> int:
    return FURTHER_HEIGHT + rows * ROW_HEIGHT
