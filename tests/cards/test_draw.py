"""What the pictures hold: every script, data that stays data, a bar code that can be read."""

import re
import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from django.utils import translation

from tracks.cards import data
from tracks.cards import draw as drawing
from tracks.cards.draw import SPECIMEN, CannotDraw, draw
from tracks.models import Artist, Credit, Listener, Placement, Snapshot, Track

# Two letters each that no other script has.
SCRIPTS = {
    "Latin": "aß", "Vietnamese": "ưễ", "Greek": "Ωψ", "Cyrillic": "Їж", "Arabic": "قض", "Persian": "گچ", "Hebrew": "שצ",
    "Chinese": "渡嶼", "simplified Chinese": "听爱", "Japanese": "ゆバ", "Korean": "벽편", "Hindi": "बझ",
    "Bengali": "বঝ", "Tamil": "மழ", "Thai": "ลฝ", "Georgian": "წქ", "Armenian": "Անռ",
    "Punjabi": "ਪਜ", "Gujarati": "ગજ", "Telugu": "తల",
    "Kannada": "ಕನ", "Malayalam": "മല", "Lao": "ລຝ", "Khmer": "កខ", "emoji": "😀❤🚀", "signs": "♥★♪→€",
}  # fmt: skip
# Of no script at all, and of one for which there is no font here: both are drawn as the sign for a missing glyph.
MISSING = "\U0010fffd"
UNKNOWN = "\U00013000"


def picture(words: str, **changes: Any) -> bytes:
    return draw("year", SPECIMEN | {"title": data.said(words)} | changes, file_format="png")


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_is_drawn(script: str) -> None:
    if script == "emoji" and drawing.emoji_file() is None:
        pytest.skip("this system has no font for emoji")
    missing = picture(MISSING)
    letters = [picture(letter) for letter in SCRIPTS[script]]
    assert missing not in letters
    assert len(set(letters)) == len(letters), "one glyph for all is none"


def test_what_no_font_has_looks_like_nothing_else() -> None:
    assert picture(UNKNOWN) == picture(MISSING) != picture("□")


def test_without_the_font_for_chinese_the_test_above_would_see_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "cjk_folder", lambda: None)
    drawing._fonts.cache_clear()
    try:
        assert picture("渡") == picture("嶼")
    finally:
        drawing._fonts.cache_clear()


@pytest.mark.parametrize(
    ("code", "result"),
    [("#str(1 + 1)", "2"), ("*a*", "a"), ("#panic()", ""), ('"] #read("year.typ")', ""), ("$x$", "x")],
)
def test_a_title_is_never_taken_for_code(code: str, result: str) -> None:
    assert picture(code) != picture(result)
    assert picture(code) != picture(code[:-1]), "each of its letters is drawn"


def test_a_title_that_is_too_long_ends_in_an_ellipsis() -> None:
    assert picture("x" * 300) == picture("x" * 299)
    assert picture("x" * 300) != picture("x" * 10)


def test_a_letter_more_is_not_lost_behind_the_edge_of_one_that_fits() -> None:
    assert picture("x" * 11) != picture("x" * 10)


def test_right_to_left_is_not_left_to_right() -> None:
    assert data.said("קמר!")["rtl"] and data.said("123 قمر")["rtl"] and not data.said("Ana قمر")["rtl"]
    assert picture("קמר!") != picture("", title=data.said("קמר!") | {"rtl": False})


@pytest.mark.parametrize(
    ("text", "country"), [("夜行バスの窓", "JP"), ("새벽 네 시의 편지", "KR"), ("末班渡輪", "SC"), ("Salt Lamp", "SC")]
)
def test_chinese_characters_look_as_in_the_country_of_the_title(text: str, country: str) -> None:
    assert data.said(text)["cjk"] == country


# A whole chart


LONG = "A Short List of Everything We Left Behind <on> the Night Ferry & “Home” " * 4


def chart(count: int = 20, *, names: list[str] | None = None) -> tuple[Listener, Snapshot, list[Placement]]:
    """A chart that is in no database."""
    listener = Listener(pk=7, handle="ana", name="Ana", visibility="public")
    snapshot = Snapshot(pk=104273, time_range="short_term", first_seen_at=datetime(2026, 11, 26, tzinfo=UTC))
    placements = []
    for position, name in enumerate(names or [LONG, *(f"Song {number}" for number in range(2, count + 1))], start=1):
        track = Track(
            spotify_id=f"t{position}",
            name=name,
            duration_ms=200_499 + position,
            url=f"https://open.spotify.com/track/t{position}",
        )
        track._prefetched_objects_cache = {"credits": [Credit(artist=Artist(name=f"Artist “{position}” & <Sons>"))]}  # type: ignore[attr-defined]
        placements.append(Placement(position=position, track=track))
    return listener, snapshot, placements


def said(*of: Any, songs: int = 20) -> dict[str, Any]:
    return data.of_chart(*of, songs=songs)


@pytest.fixture(scope="module")
def receipt() -> ElementTree.Element:
    found = said(*chart())
    return ElementTree.fromstring(data.with_words(draw("receipt", found, file_format="svg"), found))


SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("kind", "size", "most"),
    [
        ("card.png", (1200, 630), 300_000),
        ("card-tall.png", (1080, 1920), 600_000),
        ("receipt.png", (840, None), 900_000),
    ],
)
@pytest.mark.parametrize("count", [1, 20])
def test_the_pictures_have_the_sizes_that_others_ask_for(
    kind: str, size: tuple[int, int | None], most: int, count: int
) -> None:
    template, songs, file_format = data.KINDS[kind]
    names = (list(SCRIPTS) * 2)[:count] if count == 1 else [letters * 4 for letters in SCRIPTS.values()][:count]
    found = draw(template, said(*chart(names=names), songs=songs), file_format=file_format)
    width, height = struct.unpack(">II", found[16:24])
    assert width == size[0] and height == (size[1] or height)
    assert found.startswith(b"\x89PNG") and len(found) < most


def test_the_receipt_has_every_whole_title_as_text(receipt: ElementTree.Element) -> None:
    title, words = receipt.find(f"{SVG}title"), receipt.find(f"{SVG}desc")
    assert title is not None and words is not None and words.text
    assert title.text == "Ana: Top 20 songs of the last 4 weeks"
    assert LONG in words.text and "20. Song 20 – Artist “20” & <Sons>, 3:21" in words.text
    assert receipt.get("aria-labelledby") == title.get("id") and receipt.get("aria-describedby") == words.get("id")


def test_the_receipt_links_to_spotify_alone_and_runs_nothing(receipt: ElementTree.Element) -> None:
    links = receipt.iter(f"{SVG}a")
    addresses = {link.get("href"): link.get("aria-label") for link in links}
    assert len(addresses) == 20 and addresses["https://open.spotify.com/track/t3"] == "3. Song 3 – Artist “3” & <Sons>"
    text = ElementTree.tostring(receipt, encoding="unicode")
    outside = {found for found in re.findall(r"https?://[^\"' )]+", text) if not found.startswith("http://www.w3.org/")}
    assert all(found.startswith("https://open.spotify.com/") for found in outside)
    assert "<script" not in text and not re.search(r"\son[a-z]+=", text)


def test_a_link_to_anywhere_else_is_none() -> None:
    listener, snapshot, placements = chart(1)
    placements[0].track.url = "https://example.com/"
    assert said(listener, snapshot, placements)["songs"][0]["url"] == ""


def test_the_lengths_add_up_to_the_total() -> None:
    found = said(*chart())
    seconds = sum(int(song["length"].split(":")[0]) * 60 + int(song["length"].split(":")[1]) for song in found["songs"])
    assert found["total"] == f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}" == "1:07:00"
    assert said(*chart(1))["total"] == "3:21"


def test_the_bar_code_reads_as_the_snapshots_number() -> None:
    """Decoded from the shapes: bars are of ink, 92 high, one or three units wide, and so are the gaps."""
    text = draw("receipt", said(*chart(1)), file_format="svg").decode()
    shape = re.compile(r'<path [^>]*fill="#1d1a17"[^>]*transform="translate\(([\d.]+) [\d.]+\)"[^>]*d="([^"]*)"')
    found = []
    for left, path in shape.findall(text):
        numbers = [abs(float(number)) for number in re.findall(r"-?\d+\.?\d*", path)]
        if 92.0 in numbers:
            found.append((float(left), next(number for number in numbers if number not in (0.0, 92.0))))
    assert found, text[:2000]
    unit = min(width for _, width in found)
    elements = []
    for (left, width), following in zip(found, [*found[1:], None], strict=True):
        elements.append(round(width / unit))
        if following:
            elements.append(round((following[0] - left - width) / unit))
    read = ""
    letters = {code: letter for letter, code in data.CODE_39.items()}
    for start in range(0, len(elements), 10):
        read += letters["".join("1" if wide == 3 else "0" for wide in elements[start : start + 9])]
    assert read == "*104273*"


def test_the_pictures_speak_the_language_asked_for() -> None:
    with translation.override("es"):
        found = said(*chart())
    assert (
        found["headline"] == "Las 20 canciones de las últimas 4 semanas" and found["date"] == "26 de noviembre de 2026"
    )


def test_titles_are_as_given() -> None:
    assert said(*chart(names=["straße"]))["songs"][0]["title"]["text"] == "straße"


# What is missing


def test_no_fonts_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(drawing, "FONTS", tmp_path)
    drawing._fonts.cache_clear()
    try:
        with pytest.raises(CannotDraw, match="there are no fonts"):
            picture("a")
        assert next(what for what, _ in drawing.troubles()).startswith("no picture can be made: there are no fonts")
    finally:
        drawing._fonts.cache_clear()


def test_a_font_that_is_missing_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "cjk_folder", lambda: None)
    monkeypatch.setattr(drawing, "EMOJI", [])
    drawing._fonts.cache_clear()
    try:
        found = list(drawing.troubles())
    finally:
        drawing._fonts.cache_clear()
    assert [what for what, _ in found] == [
        "Chinese, Japanese and Korean titles cannot be drawn.",
        "emoji cannot be drawn.",
    ]
    assert "requirements.txt" in found[0][1] and "fonts-noto-color-emoji" in found[1][1]


def test_the_fonts_come_with_their_licence() -> None:
    assert "SIL Open Font License" in (drawing.FONTS / "OFL.txt").read_text()
    assert sum(file.stat().st_size for file in drawing.FONTS.iterdir()) < 4_000_000
