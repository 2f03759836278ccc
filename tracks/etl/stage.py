"""What a refresh leaves for people and tools with STAGING_DIR set: the raw answer and the clean table, as files."""

import csv
import io
import json
import os
import shutil
import tempfile
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from tracks.etl.results import RangeResult
from tracks.etl.transform import Table
from tracks.spreadsheet import neutralised

CLEAN_COLUMNS = ("position", "id", "name", "artist", "album", "popularity", "duration_ms", "release_date",
                 "duration_min", "release_year")  # fmt: skip


def stage(*, listener_id: int, part: RangeResult) -> str:
    """Writes `raw_spotify.json` and `clean_spotify.csv` of this listener and range, each replaced atomically.

    Returns "" or a sentence that says why the files could not be written; never raises for that.
    """
    if settings.STAGING_DIR is None:
        return ""
    folder = _folder(settings.STAGING_DIR, listener_id) / part.time_range
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace(folder / "raw_spotify.json", json.dumps(part.page, indent=2))
        _replace(folder / "clean_spotify.csv", _csv(part.table))
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else "the answer cannot be written as a file"
        message = _("Staging files of %(range)s were not written (%(reason)s); check STAGING_DIR. The load goes on.")
        return message % {"range": part.time_range, "reason": reason}
    return ""


def files(listener_id: int) -> list[Path]:
    """The listener's files, of each range."""
    return sorted(_folder(settings.STAGING_DIR, listener_id).glob("*/*_spotify.*")) if settings.STAGING_DIR else []


def remove(listener_id: int) -> None:
    """Deletes the files of a listener who is gone."""
    if settings.STAGING_DIR is not None:
        shutil.rmtree(_folder(settings.STAGING_DIR, listener_id), ignore_errors=True)


def _folder(root: Path, listener_id: int) -> Path:
    return root / f"listener-{listener_id}"


def _csv(table: Table) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(CLEAN_COLUMNS)
    for row in table.rows:
        artist = ", ".join(artist.name for artist in row.artists)
        values = [artist if column == "artist" else getattr(row, column) for column in CLEAN_COLUMNS]
        writer.writerow([neutralised(value) for value in values])
    return out.getvalue()


def _replace(path: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        try:
            file.write(text.encode())
            file.flush()
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise
