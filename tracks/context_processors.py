from typing import Any

from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, Any]:
    """What every page shows of the site itself."""
    return {"SITE_NAME": settings.SITE_NAME, "DEMO": settings.DEMO}
