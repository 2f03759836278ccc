"""Cells that a spreadsheet shows and does not run (OWASP, CSV injection)."""

from typing import Any


def neutralised(value: Any) -> Any:
    """The cell, with an apostrophe before text that a spreadsheet would read as a formula; "" for None."""
    if value is None:
        return ""
    if isinstance(value, str) and value.lstrip()[:1] in ("=", "+", "-", "@", "＝", "＋", "－", "＠"):
        return "'" + value
    if isinstance(value, str) and value[:1] in ("\t", "\r", "\n"):
        return "'" + value
    return value
