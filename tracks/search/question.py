"""A question, cut into words and clauses. Nothing is looked up here."""

import re
from dataclasses import dataclass, field
from datetime import date
from unicodedata import category

from tracks.folding import fold
from tracks.search.clauses import BY, PATTERNS, SOFT, STOP_WORDS
from tracks.search.meanings import Meaning, Words

# No pattern sees more; a browser's form lets nobody type more.
MOST_CHARACTERS = 200
# Of a question's words as they are looked for: a ligature may be eighteen letters (U+FDFA).
MOST_FOLDED = 600

# Each is at most two queries.
MOST_CLAUSES = 8
# No name has more words that matter.
LONGEST_NAME = 8

QUOTED = r'"[^"]*"|“[^”]*”|„[^“”]*[“”]|«[^»]*»'
# What no folded word holds; so no pattern goes beyond it.
WALL = "|"


class TooLong(Exception):
    """The question has more than MOST_CHARACTERS."""


@dataclass(frozen=True)
class Token:
    """What stands between two blanks, or in quotes, as it was typed and as it is looked for."""

    text: str
    folded: str
    is_quoted: bool = False

    @property
    def is_marker(self) -> bool:
        return not self.is_quoted and self.folded in BY | SOFT

    @property
    def is_stop(self) -> bool:
        return not self.is_quoted and all(word in STOP_WORDS or word in SOFT for word in self.folded.split())


@dataclass(frozen=True)
class Piece:
    """The tokens from `first` to before `end`, and what they mean."""

    first: int
    end: int
    meaning: Meaning

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and self.first <= number < self.end


@dataclass
class Question:
    """The tokens, the pieces of them that are clauses, in no order, and what cannot be read at all."""

    tokens: list[Token]
    pieces: list[Piece] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    @property
    def plain(self) -> list[int]:
        """The numbers of the tokens that name something: neither in a clause nor a stop word nor a marker.

        Where there is nothing else, stop words are names: "The The".
        """
        free = [number for number in range(len(self.tokens)) if not self.is_taken(number)]
        named = [number for number in free if not (self.tokens[number].is_stop or self.tokens[number].is_marker)]
        return named if named or self.pieces else free

    def named_after(self, marker: int) -> list[int]:
        """The numbers of the tokens in a row after a marker that no clause has taken."""
        found: list[int] = []
        for number in range(marker + 1, min(len(self.tokens), marker + 1 + LONGEST_NAME)):
            if self.is_taken(number):
                break
            found.append(number)
        return found

    @property
    def names(self) -> list[str]:
        """The words, folded, one of which each song has that the question names."""
        numbers = {number for number, token in enumerate(self.tokens) if token.is_quoted}.union(self.plain)
        for number, token in enumerate(self.tokens):
            if token.folded in BY and not self.is_taken(number):
                numbers.update(self.named_after(number))
        return list(dict.fromkeys(self.tokens[number].folded for number in sorted(numbers)))

    def is_taken(self, number: int) -> bool:
        return any(number in piece for piece in self.pieces)

    def text(self, first: int, end: int) -> str:
        return " ".join(token.text for token in self.tokens[first:end])

    def folded(self, first: int, end: int) -> str:
        return " ".join(token.folded for token in self.tokens[first:end])

    def without(self, first: int, end: int) -> str:
        """The question without these tokens."""
        return " ".join(filter(None, [self.text(0, first), self.text(end, len(self.tokens))]))


def cleaned(text: str) -> str:
    """The question without what no page shows. Raises TooLong."""
    if len(text) > MOST_CHARACTERS:
        raise TooLong
    return " ".join("".join(" " if category(sign) in {"Cc", "Cs"} else sign for sign in text).split())


def parse(text: str, today: date, *, has_history: bool = True) -> Question:
    """The question as words and clauses; `text` is cleaned."""
    question = _cut(text)
    folded = " ".join(WALL if token.is_quoted else token.folded for token in question.tokens)
    # Where each token begins and ends in the text that the patterns see.
    begins: dict[int, int] = {}
    ends: dict[int, int] = {}
    at = 0
    for number, token in enumerate(question.tokens):
        length = 1 if token.is_quoted else len(token.folded)
        begins[at], ends[at + length] = number, number + 1
        at += length + 1
    for pattern, clause in PATTERNS:
        if clause.only_with_history and not has_history:
            continue
        for found in pattern.finditer(folded):
            if len(question.pieces) == MOST_CLAUSES:
                break
            first, end = begins.get(found.start()), ends.get(found.end())
            if first is None or end is None or any(map(question.is_taken, range(first, end))):
                continue
            meaning = clause.read(found, today)
            if meaning is not None:
                question.pieces.append(Piece(first, end, meaning))
    for number, token in enumerate(question.tokens):
        if token.is_quoted:
            shown = token.text[1:-1].strip()
            question.pieces.append(Piece(number, number + 1, Words(token.folded, shown, is_title=True)))
    return question


def _cut(text: str) -> Question:
    question = Question([])
    left = MOST_FOLDED
    for found in re.finditer(rf'{QUOTED}|[^\s"“”„«»]+', text):
        is_quoted = found[0][0] in '"“„«'
        folded = fold(found[0])
        left -= len(folded) + 1
        if folded and left >= 0:
            question.tokens.append(Token(found[0], folded, is_quoted))
        elif found[0].strip('"“”„«» '):
            question.unreadable.append(found[0])
    if question.tokens and left >= 0:
        # A dash or a question mark among words says nothing.
        question.unreadable = []
    return question
