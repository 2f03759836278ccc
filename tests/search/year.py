"""An invented year of charts, told by what stands in them, and its songs by a word for each."""

from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from tests import factories
from tests.factories import item
from tracks.etl.load import load
from tracks.etl.transform import transform
from tracks.models import Listener

# A Thursday.
NOW = datetime(2026, 11, 26, 15, tzinfo=UTC)

# Title, artists, album, release date, seconds, and whether it is explicit.
SONGS: dict[str, tuple[str, str, str, str, int, bool]] = {
    "lamp": ("Salt Lamp", "Inés Aldana + Tomo", "Kitchen Light", "2019-05-01", 215, False),
    "cancion": ("Canción de cuna", "Zoë Peñalver", "Luz de casa", "1994-02", 180, False),
    "back": ("Back to the Harbour", "New Ferry", "Quay", "1987", 305, False),
    "yarmouth": ("New Yarmouth", "Björn Strand", "Coast", "2021-03-03", 199, False),
    "flor": ("Flor de Luna", "Los Cangrejos", "Flores", "1978", 241, False),
    "marea": ("Marea", "Luna", "Orillas", "2003-06-01", 222, True),
    "bus": ("夜行バスの窓", "霧崎ゆりね", "夜", "2026-05-13", 245, False),
    "snow": ("Тихий снігопад", "Оксана Вітер", "Зима", "2012-12", 268, False),
    "loud": ("Loud & Clear", "DJ Semaphore + M!dden", "Signals", "2016-07-03", 198, True),
    "field": ("Fieldwork, Pt. II", "Halcyon Depot", "Fieldwork", "1998-09-09", 719, False),
    "blink": ("Blink", "Halcyon Depot", "Fieldwork", "1998-09-09", 61, True),
    "1983": ("1983", "Ruy Barrancal", "Décadas", "2000-01-01", 230, False),
    "okay": ("O.K.A.Y.", "A/B Sides", "Straße", "2015", 201, False),
    "gramophone": ("Gramophone", "Ottoline Grey", "", "1959", 150, False),
    "smor": ("Smørrebrød", "Þórunn Łęcka", "Ævi", "2008-08", 190, False),
    "luggage": ("Left Luggage", "The Who's", "Platform", "1995-10-10", 210, False),
    "dont": ("Don’t Look", "Zoë Peñalver", "Luz de casa", "1996", 175, False),
    "street": ("شارع بلا اسم", "نورا", "مدينة", "2020-01-01", 204, False),
    "letter": ("느린 편지", "하나", "편지", "2018-01-01", 207, False),
    "undated": ("Undated", "Tomo", "", "", 188, False),
    "wave": ("Wavelength", "Ottoline Grey", "", "1962", 170, False),
}
ORDER = list(SONGS)
ARTISTS = sorted({name for _, artists, *_ in SONGS.values() for name in artists.split(" + ")})

CHARTS = {
    "short_term": {
        "2025-12-01": "lamp cancion back yarmouth flor marea field gramophone",
        "2026-02-10": "cancion lamp yarmouth back flor loud field gramophone",
        "2026-05-20": "yarmouth cancion lamp flor loud bus field back",
        "2026-08-15": "yarmouth lamp cancion flor marea loud bus blink",
        "2026-10-03": "snow yarmouth lamp flor cancion loud 1983 bus",
        "2026-10-20": "lamp snow yarmouth flor loud cancion 1983 okay",
        "2026-11-02": "flor lamp snow yarmouth loud cancion okay smor",
        "2026-11-19": "flor lamp smor snow luggage yarmouth okay loud",
        "2026-11-24": "flor back smor lamp luggage dont yarmouth okay",
    },
    "medium_term": {
        "2025-12-01": "field lamp street letter undated",
        "2026-11-23": "letter lamp dont undated street",
    },
    "long_term": {"2025-12-01": "gramophone field", "2026-11-25": "gramophone field wave"},
}


def song(word: str) -> dict[str, Any]:
    title, artists, album, released, seconds, explicit = SONGS[word]
    number = ORDER.index(word) + 1
    return item(
        number,
        name=title,
        artists=[
            {"id": f"{ARTISTS.index(name):021d}B", "name": name, "external_urls": {}} for name in artists.split(" + ")
        ],
        album={
            "name": album,
            "images": [],
            "release_date": released,
            "release_date_precision": {4: "year", 7: "month", 10: "day"}.get(len(released), ""),
        },
        duration_ms=seconds * 1000,
        explicit=explicit,
    )


def word_of(key: str) -> str:
    return ORDER[int(key) - 1]


def live(listener: Listener, time_range: str, charts: dict[str, str]) -> None:
    """Charts of so many words each by the day, at 8 in the morning of UTC, or by the moment."""
    for day, words in charts.items():
        hear(listener, datetime.fromisoformat(day if "T" in day else f"{day}T08:00:00+00:00"), time_range, words)


def hear(listener: Listener, at: datetime, time_range: str, words: str) -> None:
    with transaction.atomic():
        load(listener=listener, tables={time_range: transform([song(word) for word in words.split()])}, now=at)


def lived_through() -> Listener:
    """The host after that year, whose charts were confirmed just now."""
    listener = Listener.objects.create(
        account=factories.account("host"), is_host=True, visibility="public", authorized_at=NOW, refreshed_at=NOW
    )
    for time_range, charts in CHARTS.items():
        live(listener, time_range, charts)
        hear(listener, NOW, time_range, list(charts.values())[-1])
    return listener
