"""gunicorn's line about each request, as the site's own log writes."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote

from gunicorn.glogging import Logger

from tracks.ops.logs import without_secrets


class AccessLogger(Logger):
    """Without query string and headers: the one holds Spotify's code at the sign-in, the others cookies and tokens."""

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        self.access_log.info(
            "request",
            extra={
                "request_id": environ.get("REQUEST_ID", "-"),
                "method": environ["REQUEST_METHOD"],
                "path": without_secrets(quote(environ.get("PATH_INFO", ""), encoding="latin-1")),
                "status": resp.status_code,
                "bytes": getattr(resp, "sent", None),
                "ms": round(request_time.total_seconds() * 1000, 1),
            },
        )
