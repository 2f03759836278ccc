"""The files that a refresh leaves for people and tools."""

import csv
import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.factories import item
from tracks.etl.results import RangeResult
from tracks.etl.stage import remove, stage
from tracks.etl.transform import transform

ITEM = item(1, name="=1+1", popularity=61, artists=[{"name": "Åse"}, {"name": "B"}])


@pytest.fixture
def root(settings: Any, tmp_path: Path) -> Path:
    settings.STAGING_DIR = tmp_path / "staged" / "here"
    return tmp_path / "staged" / "here"


def part(page: dict[str, Any] | None = None) -> RangeResult:
    page = page or {"items": [ITEM, None], "total": 2}
    return RangeResult(time_range="long_term", page=page, table=transform(page["items"]))


def test_the_raw_answer_is_kept_as_it_came(root: Path) -> None:
    assert stage(listener_id=7, part=part()) == ""
    text = (root / "listener-7" / "long_term" / "raw_spotify.json").read_text()
    assert json.loads(text) == {"items": [ITEM, None], "total": 2}
    assert '\n  "items": [\n    {\n' in text  # for people too


def test_the_clean_table_has_a_row_for_each_song_that_was_loaded(root: Path) -> None:
    stage(listener_id=7, part=part())
    with (root / "listener-7" / "long_term" / "clean_spotify.csv").open(encoding="utf-8", newline="") as file:
        columns, *rows = csv.reader(file)
    assert columns == [
        "position", "id", "name", "artist", "album", "popularity", "duration_ms", "release_date", "duration_min",
        "release_year",
    ]  # fmt: skip
    assert rows == [
        ["1", ITEM["id"], "'=1+1", "Åse, B", "Album", "61", "215000", "2020-03-01", "3.58", "2020"],
    ]  # fmt: skip


def test_the_table_is_utf_8_with_the_line_ends_of_csv(root: Path) -> None:
    stage(listener_id=7, part=part())
    written = (root / "listener-7" / "long_term" / "clean_spotify.csv").read_bytes()
    assert "Åse".encode() in written and written.count(b"\r\n") == written.count(b"\n") == 2


def test_files_are_replaced_and_nothing_else_stays(root: Path) -> None:
    stage(listener_id=7, part=part())
    assert stage(listener_id=7, part=part({"items": []})) == ""
    folder = root / "listener-7" / "long_term"
    assert sorted(path.name for path in folder.iterdir()) == ["clean_spotify.csv", "raw_spotify.json"]
    assert json.loads((folder / "raw_spotify.json").read_text()) == {"items": []}


def test_a_file_is_whole_before_it_takes_its_name(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    replace = os.replace

    def look(source: str, target: Path) -> None:
        assert Path(source).parent == target.parent  # within one file system
        sizes.append(Path(source).stat().st_size)
        replace(source, target)

    monkeypatch.setattr("os.replace", look)
    stage(listener_id=7, part=part())
    assert sizes == [path.stat().st_size for path in sorted(root.rglob("*_spotify.*"), reverse=True)]


def test_without_the_setting_nothing_is_written_or_removed(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.STAGING_DIR = None
    monkeypatch.chdir(tmp_path)
    assert stage(listener_id=7, part=part()) == ""
    remove(7)
    assert not list(tmp_path.iterdir())


def looped() -> dict[str, Any]:
    page: dict[str, Any] = {"items": []}
    page["self"] = page
    return page


def test_an_answer_that_is_no_file_is_said_in_one_sentence(root: Path) -> None:
    assert stage(listener_id=7, part=part(looped())) == (
        "Staging files of long_term were not written (the answer cannot be written as a file); check STAGING_DIR. "
        "The load goes on."
    )


def test_a_disk_that_fails_is_said_in_one_sentence_and_leaves_no_half_file(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.replace", full)
    assert stage(listener_id=7, part=part()) == (
        "Staging files of long_term were not written (No space left on device); check STAGING_DIR. The load goes on."
    )
    assert not [path for path in root.rglob("*") if path.is_file()]


def test_the_files_of_a_listener_who_is_gone_are_removed(root: Path) -> None:
    stage(listener_id=7, part=part())
    stage(listener_id=77, part=part())
    remove(7)
    assert [path.name for path in root.iterdir()] == ["listener-77"]
    remove(7)  # and again, or never staged: nothing to do
