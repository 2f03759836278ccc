"""From Spotify's items to rows and rejects."""

from decimal import Decimal
from typing import Any

import pytest

from simulator.catalogue import every_item
from tracks import derived
from tracks.etl.transform import Row, transform

ITEM: dict[str, Any] = {
    "id": "4uLU6hMCjMI75M1A2tKUQC",
    "name": "Kitchen Light",
    "duration_ms": 239_600,
    "explicit": True,
    "popularity": 61,
    "artists": [{"id": "0TnOYISbd1XYRBk9myaseg", "name": "Maren Østvold", "external_urls": {}}],
    "album": {
        "name": "Kitchen Light",
        "release_date": "2019-03-14",
        "release_date_precision": "day",
        "images": [
            {"url": "https://i.scdn.co/image/640", "width": 640, "height": 640},
            {"url": "https://i.scdn.co/image/300", "width": 300, "height": 300},
            {"url": "https://i.scdn.co/image/64", "width": 64, "height": 64},
        ],
    },
    "external_urls": {"spotify": "https://open.spotify.com/track/4uLU6hMCjMI75M1A2tKUQC"},
}


def without(name: str) -> dict[str, Any]:
    """ITEM as if Spotify had left a key out."""
    return {key: value for key, value in ITEM.items() if key != name}


def one(**changes: Any) -> Row:
    """The row of ITEM with changes."""
    table = transform([ITEM | changes])
    assert not table.rejects, table.rejects
    return table.rows[0]


def cover(row: Row) -> str:
    return derived.cover(row.covers, width=300)


def album(**changes: Any) -> Row:
    return one(album=ITEM["album"] | changes)


def reason(item: Any) -> str:
    table = transform([item])
    assert not table.rows
    return table.rejects[0].reason


def test_a_whole_item_becomes_a_row() -> None:
    row = one()
    assert (row.position, row.id, row.name, row.album) == (1, ITEM["id"], "Kitchen Light", "Kitchen Light")
    assert (row.duration_ms, row.duration_min, row.release_year) == (239_600, Decimal("3.99"), 2019)
    assert (row.explicit, row.popularity) == (True, 61)
    assert cover(row) == "https://i.scdn.co/image/300"
    assert [(artist.name, artist.url) for artist in row.artists] == [
        ("Maren Østvold", "https://open.spotify.com/artist/0TnOYISbd1XYRBk9myaseg")
    ]


@pytest.mark.parametrize(("ms", "minutes"), [(0, "0.00"), (60_000, "1.00"), (215_300, "3.59"), (86_400_000, "1440.00")])
def test_minutes_have_two_decimals(ms: int, minutes: str) -> None:
    assert one(duration_ms=ms).duration_min == Decimal(minutes)


def test_the_catalogue_is_usable_as_a_whole() -> None:
    items = every_item(base_url="http://127.0.0.1:1")
    table = transform(items)
    assert len(table.rows) == len(items)


NO_ID = "no Spotify id (a local or withdrawn track)"
TOO_LONG = "text over 1,000 characters"
UNREADABLE = "unreadable characters in a text"


@pytest.mark.parametrize(
    ("item", "why"),
    [
        (None, "not a track"),
        ("text", "not a track"),
        ([], "not a track"),
        (7, "not a track"),
        ({}, f"{NO_ID}; no title; no named artist; no usable duration"),
        (without("id"), NO_ID),
        (ITEM | {"id": None}, NO_ID),
        (ITEM | {"id": "spotify:local:x"}, NO_ID),
        (ITEM | {"id": "４uLU"}, NO_ID),
        (ITEM | {"id": ["x"]}, NO_ID),
        (without("name"), "no title"),
        (ITEM | {"name": ""}, "no title"),
        (ITEM | {"name": " \t "}, "no title"),
        (ITEM | {"name": 7}, "no title"),
        (ITEM | {"name": "a" * 1001}, TOO_LONG),
        (ITEM | {"name": "a\ud800b"}, UNREADABLE),
        (without("artists"), "no named artist"),
        (ITEM | {"artists": []}, "no named artist"),
        (ITEM | {"artists": None}, "no named artist"),
        (ITEM | {"artists": [{"id": "x", "name": ""}, None, 7, {"id": "x"}]}, "no named artist"),
        (ITEM | {"artists": [{"name": "a" * 1001}]}, TOO_LONG),
        (ITEM | {"album": {"name": "a\udfff"}}, UNREADABLE),
        (ITEM | {"name": "a" * 1001, "album": {"name": "a" * 1001}}, TOO_LONG),  # said once
        (ITEM | {"external_urls": {"spotify": "https://open.spotify.com/" + "a" * 1000}}, TOO_LONG),
        (without("duration_ms"), "no usable duration"),
        (ITEM | {"duration_ms": None}, "no usable duration"),
        (ITEM | {"duration_ms": -1}, "no usable duration"),
        (ITEM | {"duration_ms": 86_400_001}, "no usable duration"),
        (ITEM | {"duration_ms": 1.5}, "no usable duration"),
        (ITEM | {"duration_ms": True}, "no usable duration"),
        (ITEM | {"duration_ms": "215000"}, "no usable duration"),
        (ITEM | {"duration_ms": float("inf")}, "no usable duration"),
    ],
)
def test_an_unusable_item_is_rejected_with_its_reasons(item: Any, why: str) -> None:
    assert reason(item) == why


def test_a_text_of_1000_characters_is_kept_whole() -> None:
    text = "a" * 1000
    row = one(name=text, artists=[{"name": text}], album={"name": text})
    assert row.name == row.album == row.artists[0].name == text


@pytest.mark.parametrize("ms", [0, 86_400_000])
def test_a_length_of_nothing_and_of_a_day_is_kept(ms: int) -> None:
    assert one(duration_ms=ms).duration_ms == ms


def test_a_reject_leaves_its_position_out_and_counts_add_up() -> None:
    items = [ITEM, None, ITEM | {"id": "b"}, ITEM, {"name": "x"}, ITEM | {"id": "c"}]
    table = transform(items)
    assert [row.position for row in table.rows] == [1, 3, 6]
    assert [reject.position for reject in table.rejects] == [2, 4, 5]
    assert table.rejects[1].reason == "the same track as at position 1"
    assert len(table.rows) + len(table.rejects) == len(items)


@pytest.mark.parametrize(("popularity", "kept"), [(0, 0), (1, 1), (100, 100), (61.0, 61)])
def test_popularity_is_from_0_to_100(popularity: float, kept: int) -> None:
    assert one(popularity=popularity).popularity == kept


@pytest.mark.parametrize("popularity", [None, "high", 101, -1, True, 1.5, [], {}])
def test_unusable_popularity_is_unknown(popularity: Any) -> None:
    assert one(popularity=popularity).popularity is None


def test_missing_popularity_is_unknown() -> None:
    assert transform([without("popularity")]).rows[0].popularity is None


@pytest.mark.parametrize(
    ("value", "precision", "kept"),
    [
        ("2019-03-14", "day", ("2019-03-14", "day", 2019)),
        ("2019-03", "month", ("2019-03", "month", 2019)),
        ("2019", "year", ("2019", "year", 2019)),
        ("2019-01-01", "year", ("2019-01-01", "year", 2019)),
        ("2019-01-01", "month", ("2019-01-01", "month", 2019)),
        ("2019-01-01", None, ("2019-01-01", "day", 2019)),
        ("2019-03", "day", ("2019-03", "month", 2019)),
        ("2019-03", "decade", ("2019-03", "month", 2019)),
        ("2019", "day", ("2019", "year", 2019)),
        ("2019", None, ("2019", "year", 2019)),
        ("0000", "year", ("", "", None)),
        ("2021-02-30", "day", ("", "", None)),
        ("2021-13", "month", ("", "", None)),
        ("soon", "day", ("", "", None)),
        ("٢٠١٩", "year", ("", "", None)),
        ("", "day", ("", "", None)),
        (None, "day", ("", "", None)),
        (2019, "year", ("", "", None)),
    ],
)
def test_release_dates_keep_their_precision(value: Any, precision: Any, kept: tuple[str, str, int | None]) -> None:
    row = album(release_date=value, release_date_precision=precision)
    assert (row.release_date, row.release_date_precision, row.release_year) == kept


@pytest.mark.parametrize("value", [None, {}, [], "x", 7, {"images": None}, {"images": [None, 7, {"url": None}]}])
def test_a_missing_album_or_cover_is_empty(value: Any) -> None:
    row = one(album=value)
    assert (row.album, row.covers, row.release_date) == ("", (), "")


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://evil.example/track/x", "", None, 7])
def test_links_lead_to_spotify_and_nowhere_else(url: Any) -> None:
    row = one(external_urls={"spotify": url}, artists=[{"id": "0Tn", "name": "A", "external_urls": {"spotify": url}}])
    assert row.url == f"https://open.spotify.com/track/{ITEM['id']}"
    assert row.artists[0].url == "https://open.spotify.com/artist/0Tn"


def test_links_of_spotify_are_kept() -> None:
    url = "https://open.spotify.com/intl-es/x"
    row = one(external_urls={"spotify": url}, artists=[{"id": "0Tn", "name": "A", "external_urls": {"spotify": url}}])
    assert (row.url, row.artists[0].url) == (url, url)


@pytest.mark.parametrize(
    ("url", "usable"),
    [
        ("https://i.scdn.co/image/x", True),
        ("https://i.scdn.co/image/x,y", True),
        ("http://127.0.0.1:8000/cover/x", True),  # the simulator's
        ("http://evil.example/x.png", False),
        ("ftp://127.0.0.1/x.png", False),
        ("javascript:alert(1)", False),
        ("data:image/png;base64,x", False),
        ("//[x", False),
        ("", False),
        # What would end the address within a srcset.
        ("https://i.scdn.co/image/x y", False),
        ("https://i.scdn.co/image/x,", False),
    ],
)
def test_covers_come_over_https(url: str, usable: bool) -> None:
    row = album(images=[{"url": url, "width": 300}])
    assert row.covers == (({"url": url, "width": 300},) if usable else ())


@pytest.mark.parametrize(
    ("widths", "chosen"),
    [([640, 300, 64], 300), ([64, 640], 64), ([640, 1000], 640), ([None], None), ([200, 299, 301], 299)],
)
def test_the_cover_is_the_largest_up_to_300_pixels(widths: list[int | None], chosen: int | None) -> None:
    images = [{"url": f"https://i.scdn.co/{width}", "width": width} for width in widths]
    assert cover(album(images=images)) == f"https://i.scdn.co/{chosen}"


def test_covers_are_ordered_from_the_largest_and_the_unknown_width_comes_last() -> None:
    images = [{"url": f"https://i.scdn.co/{width}", "width": width} for width in (None, 64, 640, 1, 300)]
    assert [kept["width"] for kept in album(images=images).covers] == [640, 300, 64, 1, None]


@pytest.mark.parametrize(
    ("width", "kept"),
    [(1, 1), (2.0, 2), (99_999, 99_999), (0, None), (-1, None), (100_000, None), ("64", None), (1.5, None)],
)
def test_a_width_is_a_whole_number_of_pixels_or_unknown(width: Any, kept: int | None) -> None:
    assert album(images=[{"url": "https://i.scdn.co/x", "width": width}]).covers[0]["width"] == kept


def test_of_many_covers_the_first_ten_are_looked_at() -> None:
    assert len(album(images=[{"url": f"https://i.scdn.co/{n}", "width": 64} for n in range(11)]).covers) == 10


@pytest.mark.parametrize(
    "artist", [{"name": "Nobody", "id": None}, {"name": "Nobody"}, {"name": "Nobody", "id": "a:b"}]
)
def test_an_artist_without_an_id_is_known_by_a_digest_of_the_name(artist: dict[str, Any]) -> None:
    # The key stands in people's databases: another digest would make the artist anew.
    (row,) = one(artists=[artist]).artists
    assert (row.id, row.name, row.url) == ("name:3fad99b521aa8f8e703347", "Nobody", "")


def test_an_artist_named_twice_is_credited_once() -> None:
    artist = {"id": "a", "name": "A"}
    assert [a.name for a in one(artists=[artist, {"id": "b", "name": "B"}, artist]).artists] == ["A", "B"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [("a\0b", "ab"), ("a\x1f\x7f\x80\x9fb", "ab"), ("a\tb\r\n c\x0b", "a b  c "), ("a\x85b", "a b"),
     ("Ελ\x08λάδα", "Ελλάδα"), ("a\u200db\u00a0c", "a\u200db\u00a0c")],
)  # fmt: skip
def test_control_characters_are_left_out_of_every_text(given: str, kept: str) -> None:
    row = one(name=given, artists=[{"id": "x", "name": given}], album={"name": given})
    assert (row.name, row.artists[0].name, row.album) == (kept, kept, kept)
