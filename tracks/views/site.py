"""What belongs to the site rather than to a chart."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.http import require_safe

from tracks.ops.shared import shared


@require_safe
@shared()
def privacy(request: HttpRequest) -> HttpResponse:
    """What is read, stored, for how long, and how to end it."""
    return render(request, "tracks/privacy.html")


@require_safe
@shared()
def robots(request: HttpRequest) -> HttpResponse:
    return render(request, "robots.txt", content_type="text/plain; charset=utf-8")


@require_safe
@shared()
def manifest(request: HttpRequest) -> JsonResponse:
    """What a phone shows of the site on its home screen (W3C Web Application Manifest)."""
    icons = [
        {"src": static(f"tracks/icons/mark-{size}.png"), "sizes": f"{size}x{size}", "type": "image/png"}
        for size in (192, 512)
    ]
    return JsonResponse(
        {
            "name": settings.SITE_NAME,
            "short_name": settings.SITE_NAME[:12],
            "start_url": reverse("index"),
            "display": "browser",
            "background_color": "#fbf8f3",
            "theme_color": "#fbf8f3",
            "icons": icons,
        },
        content_type="application/manifest+json",
    )
