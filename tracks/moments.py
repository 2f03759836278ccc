"""Moments as programs read them."""

from datetime import datetime


def utc(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z") if moment else None
