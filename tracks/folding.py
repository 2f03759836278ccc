"""Text as it is looked for: words without case, accents and punctuation, so that "beyonce" is Beyoncé."""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

# Letters that Unicode does not take apart (NFKD), as people type them.
PLAIN = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ŧ": "t", "æ": "ae", "œ": "oe", "þ": "th", "ŋ": "n"}
)
# "Don't" is typed "dont".
APOSTROPHES = "'’‘ʼ`´′"
# Which of several looks a sign has (Unicode, 23.4): not another sign.
VARIATIONS = range(0xFE00, 0xFE10)
# Scripts that put no blanks between words: Thai and Lao, Burmese, Khmer, Japanese and Chinese.
UNSPACED = (
    range(0x0E00, 0x0F00),
    range(0x1000, 0x10A0),
    range(0x1780, 0x1800),
    range(0x3005, 0x3008),
    range(0x3040, 0x3100),
    range(0x3400, 0x4DC0),
    range(0x4E00, 0xA000),
    range(0xF900, 0xFB00),
    range(0x20000, 0x40000),
)


def fold(text: str) -> str:
    """The words of the text, a blank between two; "" where there is none.

    A sign of a script without blanks is a word, so that any part of a title is found; so is a symbol or an emoji.
    """
    text = unicodedata.normalize("NFKD", text).casefold().translate(PLAIN)
    # R.E.M. is typed "rem".
    text = re.sub(r"(?<=\b\w)\.(?=\w\b)", "", text)
    return " ".join("".join(map(_folded, text)).split())


@lru_cache(maxsize=10_000)
def _folded(sign: str) -> str:
    if sign in APOSTROPHES or unicodedata.combining(sign) or ord(sign) in VARIATIONS:
        return ""
    kind = unicodedata.category(sign)
    if kind[0] == "S" or (kind[0] in "LM" and any(ord(sign) in script for script in UNSPACED)):
        return f" {sign} "
    return sign if kind[0] in "LMN" else "" if kind == "Cf" else " "


def folded_song(name: str, album: str, artists: Iterable[str]) -> str:
    """What of a song is looked for: a line for its title, one for its album and one for each artist.

    Each line begins and ends with a blank: " word " in a line is a whole word, " word" the beginning of one.
    """
    return "\n".join(f" {fold(text)} " for text in (name, album, *artists))
