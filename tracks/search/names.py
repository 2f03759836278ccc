"""Which words of a question are names that stand in a listener's songs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tracks.search.clauses import BY
from tracks.search.meanings import By, Released, Words
from tracks.search.question import LONGEST_NAME, Piece, Question

# Where in a song's lines (tracks.folding).
LINES = {"": slice(None), "title": slice(0, 1), "by": slice(2, None)}


class Names:
    """Songs by their key, with the lines of `Track.folded`."""

    def __init__(self, songs: Mapping[str, str]) -> None:
        self.songs = {key: folded.split("\n") for key, folded in songs.items()}
        # Looked through as one text, which is far quicker than song by song.
        self._texts = {
            where: "\n".join("\n".join(song[lines]) for song in self.songs.values()) for where, lines in LINES.items()
        }

    def needle(self, words: str, where: str = "") -> str | None:
        """What to look for in lines: the words, whole if they stand so, else with the last one begun; None: not there.

        `where` is "title" or "by", "" is anywhere.
        """
        text = self._texts[where]
        return next((needle for needle in (f" {words} ", f" {words}") if needle in text), None)

    def is_line(self, words: str) -> bool:
        """Whether a title, an album or an artist has just these words."""
        return f"\n {words} \n" in f"\n{self._texts['']}\n"

    def of(self, meaning: Words | By) -> set[str]:
        """The keys of the songs that are called so, or are by an artist who is."""
        where = "by" if isinstance(meaning, By) else "title" if meaning.is_title else ""
        needle = self.needle(meaning.text, where)
        if needle is None:
            return set()
        return {key for key, song in self.songs.items() if any(needle in line for line in song[LINES[where]])}


@dataclass(frozen=True)
class Unknown:
    """The tokens from `first` to before `end`, which name nothing that is there."""

    first: int
    end: int


@dataclass
class Resolver:
    """Adds pieces to the question for the names in it, and collects what is `unknown`."""

    question: Question
    names: Names
    unknown: list[Unknown] = field(default_factory=list)

    def resolve(self) -> None:
        plain = self.question.plain
        self._names_with_clauses_in_them(plain)
        self._artists()
        self._words(plain)

    def _names_with_clauses_in_them(self, plain: Sequence[int]) -> None:
        """ "Back to Black", "New York", "Flor de luna": with words around it a clause's or a marker's is a name's."""
        question = self.question
        count = len(question.tokens)
        runs = [
            (first, end)
            for length in range(LONGEST_NAME, 1, -1)
            for first in range(count - length + 1)
            for end in [first + length]
            if any(number in plain for number in range(first, end))
        ]
        for first, end in runs:
            numbers = range(first, end)
            tokens = question.tokens[first:end]
            if (
                any(token.is_quoted for token in tokens)
                or not any(question.is_taken(number) or question.tokens[number].is_marker for number in numbers)
                or any(piece.first in numbers and isinstance(piece.meaning, Words) for piece in question.pieces)
            ):
                continue
            words = question.folded(first, end)
            is_open = any(token.is_marker or token.is_stop for token in (tokens[0], tokens[-1]))
            if self.names.is_line(words) if is_open else self.names.needle(words):
                question.pieces = [p for p in question.pieces if p.end <= first or p.first >= end]
                question.pieces.append(Piece(first, end, Words(words, question.text(first, end))))

    def _artists(self) -> None:
        question = self.question
        for marker, token in enumerate(question.tokens):
            free = question.named_after(marker) if token.is_marker and not question.is_taken(marker) else []
            found = self._artist(marker, free)
            if found:
                question.pieces.append(found)
            elif token.folded in BY and any(not question.tokens[number].is_stop for number in free):
                self.unknown.append(Unknown(marker, free[-1] + 1))

    def _artist(self, marker: int, free: Sequence[int]) -> Piece | None:
        question = self.question
        for begin in free[:2]:
            if begin != marker + 1 and not question.tokens[marker + 1].is_stop:
                continue
            for last in reversed(free):
                words = question.folded(begin, last + 1)
                if last >= begin and self.names.needle(words, "by"):
                    return Piece(marker, last + 1, By(words, question.text(begin, last + 1)))
        return None

    def _words(self, plain: Sequence[int]) -> None:
        question = self.question
        for number in plain:
            if question.is_taken(number) or any(gap.first <= number < gap.end for gap in self.unknown):
                continue
            token = question.tokens[number]
            if self.names.needle(token.folded):
                question.pieces.append(Piece(number, number + 1, Words(token.folded, token.text)))
            elif len(token.folded) == 4 and token.folded.isascii() and token.folded.isdigit():
                year = int(token.folded)
                question.pieces.append(Piece(number, number + 1, Released(year, year)))
            elif not token.is_stop:
                self.unknown.append(Unknown(number, number + 1))
