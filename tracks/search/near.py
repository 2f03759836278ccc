"""Names that are written nearly so: "did you mean"."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

MOST_NEAR = 3
# Of a question's words so many are compared with those of all songs.
MOST_WORDS = 3
# How alike two words are (difflib): one slip in four letters passes, two in five do not.
LIKENESS = 0.7
# A name is compared without its blanks too, up to so many words: "acdc".
LONGEST_JOINED = 4


@dataclass(frozen=True)
class Line:
    """The song, and which of its lines (tracks.folding): 0 is the title, 1 the album, from 2 on an artist."""

    song: str
    number: int


def near(words: Iterable[str], songs: Mapping[str, str]) -> list[Line]:
    """The names nearest to these folded words, best first; `songs` are `Track.folded` by key.

    A name with more of the words comes first, then one that is more like them, then a shorter one.
    """
    lines: dict[str, Line] = {}
    for key, folded in songs.items():
        for number, text in enumerate(folded.split("\n")):
            # Of songs with the same album, or artist, one is enough; a title that is also an album is a title.
            if text.strip() and (text not in lines or number < lines[text].number):
                lines[text] = Line(key, number)
    vocabulary = defaultdict(set)
    for text in lines:
        parts = text.split()
        for word in parts if len(parts) > LONGEST_JOINED else [*parts, "".join(parts)]:
            vocabulary[word].add(text)
    scores: dict[str, float] = defaultdict(float)
    asked_for = [word for word in dict.fromkeys(words) if len(word) > 1][:MOST_WORDS]
    # "field work" may be one word.
    for asked in [*asked_for, "".join(asked_for)] if len(asked_for) > 1 else asked_for:
        alike = [word for word in vocabulary if abs(len(word) - len(asked)) <= 2]
        best: dict[str, float] = {}
        for rank, word in enumerate(get_close_matches(asked, alike, n=MOST_NEAR, cutoff=LIKENESS)):
            for text in vocabulary[word]:
                best.setdefault(text, 1 - rank / 10)
        for text, score in best.items():
            scores[text] += score
    # An album's name helps only where no title or artist does.
    found = sorted(scores, key=lambda text: (-scores[text], lines[text].number == 1, len(text), text))
    return [lines[text] for text in found[:MOST_NEAR]]
