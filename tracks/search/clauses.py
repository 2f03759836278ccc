"""What can be asked beside names: each clause in English and in Spanish, beside what it means.

The patterns are of folded words (tracks.folding): small letters, no accents, a blank between two words. They stand in
order: words that a clause has taken are gone for those below it. Any mixture of the two languages is understood.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

from tracks.search.meanings import (
    PLACES,
    Back,
    BiggestClimb,
    ByLength,
    Explicit,
    InYear,
    Left,
    Meaning,
    MostDays,
    New,
    Released,
    Stood,
)
from tracks.search.periods import (
    DAY,
    MONTHS,
    MOST_DAYS,
    WEEKDAYS,
    Period,
    latest_month,
    latest_weekday,
    month,
    week,
    year,
)

Match = re.Match[str]
# From the words that matched, and today; None if they mean nothing after all.
Read = Callable[[Match, date], Meaning | None]

NUMBERS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "ten": 10, "fifteen": 15, "twenty": 20,
    "uno": 1, "dos": 2, "tres": 3, "cuatro": 4, "cinco": 5, "diez": 10, "quince": 15, "veinte": 20,
}  # fmt: skip
DECADES = {
    "twenties": 1920, "thirties": 1930, "forties": 1940, "fifties": 1950, "sixties": 1960, "seventies": 1970,
    "eighties": 1980, "nineties": 1990, "veinte": 1920, "treinta": 1930, "cuarenta": 1940, "cincuenta": 1950,
    "sesenta": 1960, "setenta": 1970, "ochenta": 1980, "noventa": 1990,
}  # fmt: skip


def any_of(words: Iterable[str]) -> str:
    return f"(?:{'|'.join(words)})"


MONTH = {language: any_of(names) for language, names in MONTHS.items()}
WEEKDAY = {language: any_of(names) for language, names in WEEKDAYS.items()}
NUMBER = rf"(?:\d{{1,2}}|{any_of(NUMBERS)})"
YEAR = r"[12]\d{3}"
DECADE = {
    "en": rf"(?:the )?(?:[12]\d\d0s|\d0s|{any_of(name for name in DECADES if name.endswith('ties'))})",
    "es": r"(?:la decada de )?(?:los anos |los |anos )(?:[12]\d\d0s?|\d0s?"
    rf"|{any_of(name for name in DECADES if not name.endswith('ties'))})",
}
# A year or a decade.
WHEN = {"en": f"(?:{YEAR}|{DECADE['en']})", "es": f"(?:(?:el |ano |el ano )?{YEAR}|{DECADE['es']})"}
NUMBER_ONE = {
    "en": "(?:number|no|nr) (?:ones?|1s?)|first place|1st place",
    "es": "(?:numeros?|no|nr) (?:unos?|1s?)|primer(?:o|os)? (?:puestos?|lugar(?:es)?)",
}
THE_CHART = {"en": "(?:the )?(?:charts?|list|top (?:20|twenty))", "es": "(?:la |el )?(?:lista|top (?:20|veinte))"}


@dataclass(frozen=True)
class Clause:
    """`patterns` by language. `only_with_history`: it asks for what was, which a site with HISTORY_DAYS=0 forgets."""

    patterns: dict[str, str]
    read: Read
    only_with_history: bool = False

    def compiled(self) -> re.Pattern[str]:
        """Whole words in either language."""
        return re.compile(rf"(?<!\S)(?:{'|'.join(self.patterns.values())})(?!\S)")


def groups(found: Match) -> list[str]:
    """What the pattern's groups caught, in order; those of the other language caught nothing."""
    return [text for text in found.groups() if text is not None]


def number(text: str) -> int:
    return NUMBERS.get(text) or int(text)


def years(text: str) -> tuple[int, int]:
    """The first and the last year of "2019" or "los 90"."""
    word = text.split()[-1]
    if re.fullmatch(YEAR, word) and not re.search(r"\blos\b|\banos\b", text):
        return int(word), int(word)
    digits = re.sub(r"\D", "", word)
    first = DECADES[word] if word in DECADES else int(digits)
    if first < 100:
        # "the 00s" to "the 20s" are those of now.
        first += 2000 if first < 30 else 1900
    return first, first + 9


def from_when(found: Match, today: date) -> Released:
    return Released(*years(groups(found)[0]))


def before(found: Match, today: date) -> Released:
    return Released(None, years(groups(found)[0])[0] - 1)


def after(found: Match, today: date) -> Released:
    return Released(years(groups(found)[0])[1] + 1, None)


def between(found: Match, today: date) -> Released:
    one, other = (years(text) for text in groups(found))
    return Released(min(one[0], other[0]), max(one[1], other[1]))


def top(found: Match, today: date) -> Stood | None:
    place = number(groups(found)[0])
    return Stood(min(place, PLACES)) if place else None


def month_number(name: str) -> int:
    return next(names.index(name) for names in MONTHS.values() if name in names) + 1


def weekday_number(name: str) -> int:
    return next(names.index(name) for names in WEEKDAYS.values() if name in names)


def in_month(found: Match, today: date) -> Period | None:
    name, *in_year = groups(found)
    return latest_month(month_number(name), today, in_year[0] if in_year else None)


def since(period: Period | None, today: date) -> Period | None:
    """From when it began to today; None if it is to come."""
    return Period(period.first, today) if period and period.first <= today else None


def last_month(today: date) -> Period:
    last = today.replace(day=1) - DAY
    return month(last.year, last.month)


def on_weekday(found: Match, today: date) -> Period:
    day = latest_weekday(weekday_number(groups(found)[0]), today)
    return Period(day, day)


def last_days(found: Match, today: date) -> Period | None:
    count = number(groups(found)[0])
    if "week" in found[0] or "semana" in found[0]:
        count *= 7
    return Period(today - (count - 1) * DAY, today) if 0 < count <= MOST_DAYS else None


CLAUSES = [
    # Orders, before the shorter words in them
    Clause(
        {
            "en": rf"(?:the )?(?:most (?:days|time)|longest) (?:at|as|in) (?:the |a )?(?:{NUMBER_ONE['en']})"
            rf"|(?:the )?longest (?:{NUMBER_ONE['en']})",
            "es": rf"(?:con )?mas (?:dias|tiempo) (?:de|en|como|siendo)(?: el)? (?:{NUMBER_ONE['es']})",
        },
        lambda found, today: MostDays(1),
        only_with_history=True,
    ),
    Clause(
        {
            "en": rf"(?:the )?(?:most days|longest)(?: (?:in|on) {THE_CHART['en']})|most days",
            "es": rf"(?:con )?mas (?:dias|tiempo) en {THE_CHART['es']}|mas dias",
        },
        lambda found, today: MostDays(PLACES),
        only_with_history=True,
    ),
    Clause(
        {
            "en": "(?:the )?(?:biggest|largest|highest|greatest) (?:climb|jump|rise|gain)(?:s|er|ers)?"
            "|climbed (?:the )?most",
            "es": "(?:la |el |las |los )?(?:mayor|mayores) (?:subida|salto|ascenso|escalada)s?"
            "|(?:la |el |las |los )?que mas (?:subio|subieron|sube|suben|ha subido|han subido)",
        },
        lambda found, today: BiggestClimb(),
        only_with_history=True,
    ),
    Clause(
        {"en": "(?:the )?longest", "es": "(?:la |las |el |los )?mas larg[oa]s?"},
        lambda found, today: ByLength(longest_first=True),
    ),
    Clause(
        {"en": "(?:the )?shortest", "es": "(?:la |las |el |los )?mas cort[oa]s?"},
        lambda found, today: ByLength(longest_first=False),
    ),
    # Places
    Clause(
        {
            "en": rf"(?:(?:was|were|is|are|been) )?(?:(?:at|in|as) )?(?:the |a )?(?:{NUMBER_ONE['en']})",
            "es": rf"(?:(?:fue|fueron|es|son) )?(?:(?:en|como) )?(?:el |los )?(?:{NUMBER_ONE['es']})",
        },
        lambda found, today: Stood(1),
    ),
    Clause(
        {
            "en": rf"(?:(?:in|on|at) )?(?:the )?top ({NUMBER})",
            "es": r"(?:(?:en|entre) )?(?:el |los |las )?"
            rf"(?:top ({NUMBER})|({NUMBER}) primer[oa]s|primer[oa]s ({NUMBER}))",
        },
        top,
    ),
    # Release years
    Clause(
        {
            "en": rf"(?:released |from )?between ({WHEN['en']}) and ({WHEN['en']})"
            rf"|(?:released )?from ({WHEN['en']}) (?:to|until|till) ({WHEN['en']})",
            "es": rf"(?:publicad[ao]s )?entre ({WHEN['es']}) y ({WHEN['es']})"
            rf"|(?:publicad[ao]s )?(?:de|desde) ({WHEN['es']}) (?:a|hasta) ({WHEN['es']})",
        },
        between,
    ),
    Clause(
        {
            "en": rf"(?:(?:released|from) )?(?:before|older than|earlier than) ({WHEN['en']})",
            "es": rf"(?:publicad[ao]s )?(?:antes del?|anterior(?:es)? a) ({WHEN['es']})",
        },
        before,
    ),
    Clause(
        {
            "en": rf"(?:(?:released|from) )?(?:after|newer than|later than) ({WHEN['en']})",
            "es": rf"(?:publicad[ao]s )?(?:despues del?|posterior(?:es)? a) ({WHEN['es']})",
        },
        after,
    ),
    Clause(
        {"en": rf"(?:released )?(?:since) ({WHEN['en']})", "es": rf"(?:publicad[ao]s )?desde ({WHEN['es']})"},
        lambda found, today: Released(years(groups(found)[0])[0], None),
    ),
    Clause(
        {
            "en": rf"(?:released )?(?:until|till|up to) ({WHEN['en']})",
            "es": rf"(?:publicad[ao]s )?hasta ({WHEN['es']})",
        },
        lambda found, today: Released(None, years(groups(found)[0])[1]),
    ),
    Clause(
        {
            "en": rf"(?:released )?(?:from|of) ({WHEN['en']})|released in ({WHEN['en']})|(?:in )?({DECADE['en']})",
            "es": rf"(?:publicad[ao]s )?del? ({WHEN['es']})|publicad[ao]s en ({WHEN['es']})|(?:en )?({DECADE['es']})",
        },
        from_when,
    ),
    # Explicit
    Clause(
        {"en": "(?:not |non |no )explicit", "es": "(?:no|sin(?: ser)?) explicit[oa]s?"},
        lambda found, today: Explicit(False),
    ),
    Clause({"en": "explicit", "es": "explicit[oa]s?"}, lambda found, today: Explicit(True)),
    # Days
    Clause(
        {"en": f"(?:since|from) ({WEEKDAY['en']})", "es": f"desde (?:el )?({WEEKDAY['es']})"},
        lambda found, today: since(on_weekday(found, today), today),
        only_with_history=True,
    ),
    Clause(
        {
            "en": f"since (?:last )?({MONTH['en']})(?: ({YEAR}))?",
            "es": f"desde ({MONTH['es']})(?: del? ({YEAR}))?",
        },
        lambda found, today: since(in_month(found, today), today),
        only_with_history=True,
    ),
    Clause(
        {"en": "since yesterday", "es": "desde ayer"},
        lambda found, today: Period(today - DAY, today),
        only_with_history=True,
    ),
    Clause(
        {"en": "since last week", "es": "desde la semana pasada"},
        lambda found, today: since(week(today - 7 * DAY), today),
        only_with_history=True,
    ),
    Clause(
        {"en": "since last month", "es": "desde el mes pasado"},
        lambda found, today: since(last_month(today), today),
        only_with_history=True,
    ),
    Clause({"en": "today", "es": "hoy"}, lambda found, today: Period(today, today), only_with_history=True),
    Clause(
        {"en": "yesterday", "es": "ayer"},
        lambda found, today: Period(today - DAY, today - DAY),
        only_with_history=True,
    ),
    Clause({"en": "this week", "es": "esta semana"}, lambda found, today: week(today), only_with_history=True),
    Clause(
        {"en": "last week", "es": "(?:(?:de|en) )?(?:la )?(?:semana pasada|ultima semana)"},
        lambda found, today: week(today - 7 * DAY),
        only_with_history=True,
    ),
    Clause(
        {"en": "this month", "es": "este mes"},
        lambda found, today: month(today.year, today.month),
        only_with_history=True,
    ),
    Clause(
        {"en": "last month", "es": "(?:(?:del|en el|el) )?(?:mes pasado|ultimo mes)"},
        lambda found, today: last_month(today),
        only_with_history=True,
    ),
    Clause({"en": "this year", "es": "este ano"}, lambda found, today: year(today.year), only_with_history=True),
    Clause(
        {"en": "last year", "es": "(?:(?:del|en el|el) )?(?:ano pasado|ultimo ano)"},
        lambda found, today: year(today.year - 1),
        only_with_history=True,
    ),
    Clause(
        {
            "en": rf"(?:in |over |during )?(?:the )?(?:last|past) ({NUMBER}) (?:days|weeks)",
            "es": rf"(?:(?:en|durante) )?(?:l[oa]s )?ultim[oa]s ({NUMBER}) (?:dias|semanas)",
        },
        last_days,
        only_with_history=True,
    ),
    Clause(
        {
            # March and may are other words too.
            "en": f"(?:in |during |of )(?:last )?({MONTH['en']})(?: (?:of )?({YEAR}))?|(?:last )({MONTH['en']})"
            f"|({MONTH['en']}) ({YEAR})|({any_of(name for name in MONTHS['en'] if name not in ('march', 'may'))})",
            "es": f"(?:(?:en|de|durante) )?(?:el )?(?:mes de )?({MONTH['es']})(?: pasado)?(?: del? ({YEAR}))?",
        },
        in_month,
        only_with_history=True,
    ),
    Clause(
        {"en": f"on ({WEEKDAY['en']})", "es": f"el ({WEEKDAY['es']})"},
        on_weekday,
        only_with_history=True,
    ),
    Clause({"en": f"in ({YEAR})", "es": f"en ({YEAR})"}, lambda found, today: InYear(int(groups(found)[0]))),
    # What happened
    Clause(
        {
            "en": "(?:(?:that|which|who) )?(?:(?:has|have|had|just) )?(?:left|dropped out|fell out|went out)"
            rf"(?: {THE_CHART['en']})?",
            "es": "(?:que )?(?:salio|salieron|ha salido|han salido|se fue|se fueron|se ha ido|se han ido)"
            rf"(?: de {THE_CHART['es']})?",
        },
        lambda found, today: Left(),
        only_with_history=True,
    ),
    Clause(
        {
            "en": "(?:(?:that|which|who) )?(?:(?:came|come|coming|is|are|was|were) )?back(?: again)?"
            rf"(?: (?:in|on) {THE_CHART['en']})?",
            "es": "(?:que )?(?:de vuelta|volvio|volvieron|han vuelto|ha vuelto|regreso|regresaron)"
            rf"(?: a {THE_CHART['es']})?",
        },
        lambda found, today: Back(),
        only_with_history=True,
    ),
    Clause(
        {"en": rf"new(?: (?:in|on) {THE_CHART['en']})?", "es": rf"nuev[oa]s?(?: en {THE_CHART['es']})?"},
        lambda found, today: New(),
        only_with_history=True,
    ),
    Clause(
        {"en": f"in {THE_CHART['en']}", "es": f"en {THE_CHART['es']}"},
        lambda found, today: Stood(PLACES),
    ),
]

PATTERNS = [(clause.compiled(), clause) for clause in CLAUSES]

# What stands before an artist's name. SOFT says so only before what is one: "canciones de Luna", not "flor de luna".
BY = {"by", "por"}
SOFT = {"de", "del", "of"}

# Words that ask and join, and name nothing.
STOP_WORDS = frozenset(
    # English
    """
    a album all an and any are artist at be been by called did do does ever find for from give had has have how i
    in is it list me most music my of on or please released show song songs that the their them there these they
    this those title titled to track tracks tune tunes was were what when where which who with you your
    """.split()  # noqa: SIM905
    # Spanish
    + """
    a al album algun alguna algunas algunos artista busca buscar cancion canciones con cual cuales cuando de del
    el ella en era eran es esa esas ese esos esta estaba estaban estan estas este estos estuvieron estuvo favor
    fue fueron ha haber han hay la las llamada llamado lo los mas me mi mis muestra muestrame musica o por
    publicada publicadas publicado publicados que quien se ser sido son su sus tema temas titulo toda todas todo
    todos tu tus un una unas uno unos y ya
    """.split()  # noqa: SIM905
)
