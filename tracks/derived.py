"""What follows from what Spotify says of a track; nothing of it is stored."""

import re
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


# What an album's name has besides the title of its song: "Title - Single", "Title (feat. Somebody)".
_BESIDES_THE_TITLE = re.compile(r"(?:\s*[(\[](?:feat|ft|with)\b[^)\]]*[)\]]|\s+[-–]\s+single)+$")


def repeats(album: str, title: str) -> bool:
    """Whether the album is called as the song is, so that its name says nothing new."""
    bare = [_BESIDES_THE_TITLE.sub("", text.casefold().strip()) for text in (album, title)]
    return bool(bare[0]) and bare[0] == bare[1]


def year(release_date: str) -> int | None:
    """The year of a release date (YYYY, YYYY-MM or YYYY-MM-DD); None for ""."""
    return int(release_date[:4]) if release_date else None
