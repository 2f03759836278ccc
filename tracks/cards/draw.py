"""From data to a picture, by typst, which takes 150 MB with its fonts: only the drawing process may call this."""

import contextlib
import functools
import json
import os
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

FOLDER = Path(__file__).parent
FONTS = FOLDER / "fonts"
# Debian, Arch, Fedora, macOS.
EMOJI = [
    Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"),
    Path("/usr/share/fonts/noto/NotoColorEmoji.ttf"),
    Path("/usr/share/fonts/google-noto-color-emoji-fonts/NotoColorEmoji.ttf"),
    Path("/System/Library/Fonts/Apple Color Emoji.ttc"),
]
# typst counts in points: 72 to an inch make one a pixel.
PIXELS_PER_INCH = 72.0


Format = Literal["png", "svg"]


class CannotDraw(Exception):
    """No picture can be made here; the text says why."""


def draw(template: str, data: Mapping[str, Any], *, file_format: Format) -> bytes:
    """The picture of this template ("card", ...) as `png` or `svg`.

    `data` travels as JSON, so that no title is ever taken for typst's language. Raises CannotDraw.
    """
    try:
        import typst
    except ImportError:
        raise CannotDraw("typst is not installed") from None
    try:
        return typst.compile(
            str(FOLDER / f"{template}.typ"),
            root=str(FOLDER),
            font_paths=_fonts(),
            format=file_format,
            ppi=PIXELS_PER_INCH,
            sys_inputs={"data": json.dumps(data)},
        )
    except RuntimeError as error:  # typst.TypstError is one
        raise CannotDraw(f"{template}: {str(error).splitlines()[0]}") from None


@functools.cache
def _fonts() -> Any:
    """The fonts, looked through once. Raises CannotDraw if the site's own are missing."""
    import typst

    if not any(FONTS.glob("*.ttf")):
        raise CannotDraw(f"there are no fonts in {FONTS}")
    folders = [FONTS, cjk_folder(), emoji_folder()]
    return typst.Fonts(
        include_system_fonts=False,
        include_embedded_fonts=False,
        font_paths=[str(folder) for folder in folders if folder],
    )


def cjk_folder() -> Path | None:
    """Where the font for Chinese, Japanese and Korean is."""
    try:
        import noto_cjk_sans_otc
    except ImportError:
        return None
    file = Path(noto_cjk_sans_otc.FONT_PATH)
    return file.parent if file.is_file() else None


def emoji_file() -> Path | None:
    """The font for emoji that this system has."""
    return next((file for file in EMOJI if os.access(file, os.R_OK)), None)


def emoji_folder() -> Path | None:
    """A folder with that font alone: beside it there may be a thousand others."""
    file = emoji_file()
    if file is None:
        return None
    with _ONE_FOLDER:
        folder = Path(_folder().name)
    with contextlib.suppress(FileExistsError):
        (folder / file.name).symlink_to(file)
    return folder


# Two threads that draw their first picture at once would make two, and lose one.
_ONE_FOLDER = threading.Lock()


@functools.cache
def _folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="top-twenty-emoji-")


def troubles() -> Iterator[tuple[str, str]]:
    """What keeps pictures from being made, or made whole, each with its cure; draws one to see."""
    try:
        draw("year", SPECIMEN, file_format="png")
    except CannotDraw as error:
        yield f"no picture can be made: {error}.", "Run: pip install -r requirements.txt, or set CARDS=off"
        return
    if cjk_folder() is None:
        yield "Chinese, Japanese and Korean titles cannot be drawn.", "Run: pip install -r requirements.txt"
    if emoji_file() is None:
        yield "emoji cannot be drawn.", "Install a font for them (Debian: apt install fonts-noto-color-emoji)."


def _line(text: str) -> dict[str, Any]:
    return {"text": text, "rtl": False, "cjk": "JP"}


SPECIMEN = {
    "whose": _line("Top songs on Spotify"),
    "facts": _line("2026"),
    "number": "1",
    "title": _line("Title"),
    "artist": _line("Artist"),
    "sentence": "Sentence",
    "address": _line("127.0.0.1"),
    "date": "2026",
    "logo": '<svg xmlns="http://www.w3.org/2000/svg" width="84" height="25"/>',
}
