"""Whatever JSON comes in, the transform never raises and loses no item."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tracks import derived
from tracks.etl.transform import DAY_MS, TEXT_LIMIT, transform

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
anything = st.recursive(scalars, lambda children: st.lists(children, max_size=4) | st.dictionaries(
    st.text(max_size=8), children, max_size=4), max_leaves=12)  # fmt: skip
dates = st.sampled_from(["2020", "2020-13", "2020-02-30", "0000", "", "2019-05-04", "20x0"]) | st.text(max_size=10)
album = st.fixed_dictionaries({}, optional={
    "name": anything, "images": anything | st.lists(st.fixed_dictionaries({"url": anything, "width": anything})),
    "release_date": dates | anything, "release_date_precision": st.sampled_from(["day", "month", "year"]) | anything,
})  # fmt: skip
artist = st.fixed_dictionaries({}, optional={"id": anything, "name": anything, "external_urls": anything})
track_like = st.fixed_dictionaries({}, optional={
    "id": st.text("abcXYZ019", min_size=1, max_size=5) | anything, "name": anything, "duration_ms": anything,
    "artists": st.lists(artist, max_size=3) | anything, "album": album | anything, "explicit": anything,
    "popularity": anything, "external_urls": anything,
})  # fmt: skip
items = st.lists(track_like | anything, max_size=6)


@settings(max_examples=400, deadline=None)
@given(items)
def test_no_json_breaks_it_and_the_counts_add_up(found: list[Any]) -> None:
    table = transform(found)
    positions = [row.position for row in table.rows] + [reject.position for reject in table.rejects]
    assert sorted(positions) == list(range(1, len(found) + 1))
    assert all(reject.reason for reject in table.rejects)
    assert len({row.id for row in table.rows}) == len(table.rows)
    for row in table.rows:
        assert row.name.strip() and row.artists and all(artist.name.strip() for artist in row.artists)
        assert 0 <= row.duration_ms <= DAY_MS
        assert row.popularity is None or 0 <= row.popularity <= 100
        texts = [row.id, row.name, row.album, row.url, derived.cover(row.covers, width=300), row.release_date]
        for text in [*texts, *(artist.name for artist in row.artists)]:
            assert len(text) <= TEXT_LIMIT and "\0" not in text
            text.encode()
