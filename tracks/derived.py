"""What follows from what Spotify says of a track; nothing of it is stored."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any


def minutes(duration_ms: int) -> Decimal:
    """A duration in minutes, to two places, half up."""
    return (Decimal(duration_ms) / 60_000).quantize(Decimal("0.01"), ROUND_HALF_UP)


def cover(covers: Sequence[Mapping[str, Any]], *, width: int) -> str:
    """The address of the largest cover up to this width in pixels, else of the smallest, else ""."""
    fitting = [cover for cover in covers if (cover["width"] or 0) <= width]
    return str((fitting[:1] or list(covers[-1:]) or [{"url": ""}])[0]["url"])


def year(release_date: str) -> int | None:
    """The year of a release date (YYYY, YYYY-MM or YYYY-MM-DD); None for ""."""
    return int(release_date[:4]) if release_date else None
