"""The simulator's catalogue: invented tracks by invented artists, in the shape of Spotify's Web API.

The songs are chosen to be awkward where real ones are: scripts and directions, quotes, markup, very long and very
short titles, missing and oblong covers, dates without a month. No artist or song here is meant to exist.
"""

import hashlib
from functools import cache
from typing import Any, NamedTuple

JSONObject = dict[str, Any]

TIME_RANGES = ("short_term", "medium_term", "long_term")
IMAGE_SIZES = (640, 300, 64)
RANKING_LENGTH = 50
MARKETS = ["AR", "BR", "CA", "DE", "EG", "FR", "GB", "GR", "IN", "IS", "JP", "KR", "NO", "NZ", "PL", "TW", "UA", "US"]

_BASE_62 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_WEB = "https://open.spotify.com"
_PRECISIONS = {4: "year", 7: "month", 10: "day"}


class Album(NamedTuple):
    """One release: its date as Spotify writes it (year, month or day), and its cover's height over its width."""

    title: str
    artist: str
    released: str
    total_tracks: int = 1
    type: str = "single"
    cover_ratio: float | None = 1.0  # None: Spotify has no cover


class Song(NamedTuple):
    """One track; `duration` is in milliseconds. Without an album it is a single of its own name."""

    title: str
    artists: tuple[str, ...]
    duration: int
    popularity: int
    album: Album
    explicit: bool = False
    number: int = 1


def _single(
    title: str,
    artists: str,
    released: str,
    duration: int,
    popularity: int,
    *,
    explicit: bool = False,
    cover_ratio: float | None = 1.0,
) -> Song:
    names = tuple(artists.split(" + "))
    return Song(title, names, duration, popularity, Album(title, names[0], released, cover_ratio=cover_ratio), explicit)


_KITCHEN = Album("Kitchen Light", "Maren Østvold", "2025-09-12", 11, "album")
_RAINFALL = Album("Kleine Wetterkunde", "Grünspecht & Söhne", "2024-03-01", 9, "album")
_HARBOUR = Album("Harbour Songs, Vol. 2", "The Paper Ferries", "2023-10", 14, "album")
_ROOFTOPS = Album("حكايات السطح", "ليان الكرمي", "2026-02-20", 8, "album")
_NIGHT_BUS = Album("夜行バスの窓", "霧崎ゆりね", "2026-05-13", 10, "album")
_BALCONY = Album("Μπαλκόνια", "Νεφέλη Ασημάκη", "2022", 12, "album")
_WEATHER = Album("Bureau of Small Weather", "Bureau of Small Weather", "2021-06-04", 10, "album")
_SIGNALS = Album("Signals", "DJ Semaphore", "2026-07-03", 6, "album")
_FIELDWORK = Album("Fieldwork", "Halcyon Depot", "1998", 13, "album")
_BEST_OF = Album("Lo mejor de lo peor", "Señor Cangrejo", "2019-11-29", 24, "compilation", 0.75)

# In the order of the host's ranking of the last four weeks.
SONGS = (
    Song("Salt Lamp", ("Maren Østvold",), 201_400, 74, _KITCHEN, number=3),
    _single("Todas las Ventanas", "Caldera Norteña + Lúcia Ventania", "2026-08-21", 187_212, 81),
    Song("夜行バスの窓", ("霧崎ゆりね",), 244_906, 66, _NIGHT_BUS, number=1),
    _single("Half a Moon Is Plenty", "Tin Orchard", "2026-06-19", 173_050, 69),
    Song("<b>Loud</b> & Clear", ("DJ Semaphore", "M!dden"), 198_333, 58, _SIGNALS, True, 2),
    Song("قمر على السطح", ("ليان الكرمي",), 232_118, 61, _ROOFTOPS, number=4),
    _single("Тихий снігопад", "Ферма Хмар", "2025-12-05", 259_720, 47),
    Song("The Last Boat Was Never Late", ("The Paper Ferries",), 239_600, 52, _HARBOUR, number=5),
    _single("새벽 네 시의 편지", "은하우체국 밴드", "2026-04-02", 215_040, 77),
    _single("Don't Say “Maybe”", "Ana & the Apricots", "2026-07-24", 164_800, 72, explicit=True),
    Song("Καλοκαίρι στο μπαλκόνι", ("Νεφέλη Ασημάκη",), 271_333, 39, _BALCONY, number=2),
    _single("4", "Vektor Blau", "2026-03", 128_000, 44),
    _single("बारिश के बाद", "मीरा दर्शनी + आरोह मल्लिक", "2025-07-18", 302_466, 55),
    Song("Nordwestwind, abends", ("Grünspecht & Söhne",), 226_586, 33, _RAINFALL, number=7),
    _single(
        "A Short List of Everything We Left Behind on the Night Ferry Between the Two Islands (Radio Playing Low)",
        "Bureau of Small Weather + Orla Quennellan + Saltmarsh Choir + Tin Orchard",
        "2026-01-30",
        412_933,
        28,
    ),
    _single("רכבת אחרונה צפונה", "רחוב האלון שבע", "2024-11-08", 208_640, 42, cover_ratio=0.75),
    _single("末班渡輪", "南嶼電台", "2025-10-10", 253_813, 63),
    _single("Cold Open", "Bishop Marrowe", "2026-08-07", 41_000, 50, explicit=True),
    Song("Kitchen Light", ("Maren Østvold", "Kofi Anorkwa"), 233_906, 70, _KITCHEN, number=1),
    _single("Żółte światło", "Żaneta Wilczur", "2025-05-23", 191_746, 36),
    _single("Sjávarfall", "Þórunn Hrafnsdal", "2020-02-14", 356_200, 31),
    Song("Semaphore for Beginners", ("DJ Semaphore",), 219_066, 64, _SIGNALS, number=1),
    _single("Glasshouse", "Adaeze Obi-Lund", "2025-02-28", 205_573, 79),
    _single("Güz Ortası", "Çağla Deniz Aras", "2024-09-27", 247_160, 48, cover_ratio=None),
    Song("Umbrella Theory", ("Bureau of Small Weather",), 195_853, 40, _WEATHER, number=6),
    _single("Mưa trên mái tôn", "Nguyễn Hạ Miên", "2025-08-15", 228_400, 57),
    Song("雨のち、たぶん晴れ", ("霧崎ゆりね", "DJ Semaphore"), 199_880, 60, _NIGHT_BUS, number=6),
    _single("Rent Is Due (Again)", "Juniper Vantongeren", "2026-05-29", 152_320, 83, explicit=True),
    _single("Câmara Lenta", "João Pedralva", "2023-04-21", 263_493, 35),
    Song("Vertigo at Sea Level", ("Halcyon Depot",), 318_266, 22, _FIELDWORK, number=9),
    _single("Les horloges d'été", "Élodie Vasseur-Kahn", "2024-06-21", 211_306, 54),
    Song("شارع بلا اسم", ("ليان الكرمي", "رحلة منتصف الليل"), 276_053, 46, _ROOFTOPS, number=2),
    _single("Low Tide, High Hopes", "Low Tide Assembly", "2022-08-12", 242_746, 37),
    _single("Никто не спит", "Велта Зоренко", "2025-03-14", 184_026, 51, explicit=True),
    _single("Paper Crowns", "Mirabel Okoro-Finch", "2026-02-06", 176_613, 88),
    Song("Gewitter im Nebenzimmer", ("Grünspecht & Söhne",), 288_000, 30, _RAINFALL, number=2),
    Song("Si mañana no llueve", ("Señor Cangrejo",), 194_560, 45, _BEST_OF, number=17),
    _single("Ember / Ash", "Sable & Thistle", "2021-10-29", 335_106, 26),
    _single("한강의 불빛", "은하우체국 밴드 + 유성우체부", "2024-12-11", 203_786, 68),
    Song("Pilot Light", ("Maren Østvold",), 179_226, 62, _KITCHEN, number=8),
    _single('"Ghosts" & Other Houseguests', 'Pia "Pixel" Lindqvester', "2023-10-31", 222_973, 41),
    _single("Ploaia de miercuri", "Ștefan Luncaru", "2022-11", 250_440, 24),
    Song("Forecast", ("Bureau of Small Weather",), 167_093, 38, _WEATHER, number=1),
    _single("Corazón de Tiza", "Ruy Barrancal + Caldera Norteña", "2026-06-05", 210_186, 100),
    _single("Kveldsmat", "Øst for Bryggen", "2025-11-21", 158_706, 43),
    Song("Ο τελευταίος γλάρος", ("Νεφέλη Ασημάκη",), 295_626, 29, _BALCONY, number=11),
    _single("Clockwork Birds", "The Quiet Dynamos", "2017-04-28", 236_853, 34),
    _single("ลมหลังฝน", "สายลม ริมคลอง", "2025-06-27", 217_893, 53),
    _single("An Fharraige Chiúin", "Dún Aillide", "2018", 329_413, 18),
    _single("No Signal", "M!dden", "2026-08-28", 144_506, 71, explicit=True),
    Song("Ferry Lights", ("The Paper Ferries", "Orla Quennellan"), 262_040, 49, _HARBOUR, number=9),
    _single("Tape Hiss (Demo)", "Tamsin Hollowreyes", "0000", 93_813, 0, cover_ratio=None),
    _single("Zimska bašta", "Ljubica Šarenović", "2023-01-20", 281_200, 27),
    Song("Fieldwork, Pt. II", ("Halcyon Depot",), 719_000, 15, _FIELDWORK, number=13),
    _single("Borrowed Bicycle", "Ana & the Apricots + Juniper Vantongeren", "2025-04-18", 189_240, 75),
    _single("島與島之間", "南嶼電台 + 霧崎ゆりね", "2026-01-09", 268_986, 56),
    Song("Letters to a Lighthouse", ("The Paper Ferries",), 214_320, 32, _HARBOUR, number=12),
    _single("Oranges in February", "Adaeze Obi-Lund + Kofi Anorkwa + Mirabel Okoro-Finch", "2026-02-13", 197_133, 92),
    _single("Hétfő reggel", "Dömötör Lili Zenekar", "2024-01-26", 230_506, 21),
    Song("La sal y el pan", ("Señor Cangrejo", "Ruy Barrancal"), 206_440, 59, _BEST_OF, number=3),
    _single("Understudy", "Bishop Marrowe", "2024-10-04", 168_973, 65, explicit=True),
    _single("चाँदनी चौराहा", "आरोह मल्लिक", "2026-03-20", 273_706, 67),
    _single("Static Garden", "Vektor Blau + Sable & Thistle", "2022-05-06", 305_800, 23, cover_ratio=1.25),
    _single("Good Morning, Archivist", "Orla Quennellan", "1974", 184_000, 9),
)


def fingerprint(text: str) -> int:
    """Return a large number that is the same for the same text on every run and Python version."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")


@cache
def spotify_id(text: str) -> str:
    """Return the 22 base-62 characters that stand for this text."""
    number, characters = fingerprint(text), ""
    for _ in range(22):
        number, digit = divmod(number, 62)
        characters += _BASE_62[digit]
    return characters


def ranking(seed: str, time_range: str, *, base_url: str, length: int = RANKING_LENGTH) -> list[JSONObject]:
    """Return the items of one listener's ranking; each time range drifts away from the one before it.

    The seed "" gives the order of SONGS for short_term; another seed gives another taste.
    """
    drift = TIME_RANGES.index(time_range) * 24
    taste = 3 * len(SONGS) if seed else 0

    def place(position: int) -> float:
        title = SONGS[position].title
        noise = fingerprint(f"{seed}/{time_range}/{title}") % 1000 / 1000 * drift
        return position + noise + fingerprint(f"{seed}/{title}") % 1000 / 1000 * taste

    order = sorted(range(len(SONGS)), key=place)
    return [track_item(SONGS[position], base_url=base_url) for position in order[:length]]


def every_item(*, base_url: str) -> list[JSONObject]:
    """Return the whole catalogue as Development Mode shows it."""
    return [track_item(song, base_url=base_url) for song in SONGS]


def track_item(song: Song, *, base_url: str) -> JSONObject:
    """Return a track as Development Mode shows it; `base_url` is where the covers are served."""
    key = spotify_id(f"track/{song.title}")
    item: JSONObject = {
        "album": _album(song.album, base_url=base_url),
        "artists": [_artist(name) for name in song.artists],
        "disc_number": 1,
        "duration_ms": song.duration,
        "explicit": song.explicit,
        # A demo tape has no ISRC, and Spotify then sends an empty object.
        "external_ids": {} if song.popularity == 0 else {"isrc": f"QZTT{fingerprint(key) % 10**8:08d}"},
        **_identity("track", key),
        "is_local": False,
        "is_playable": song.title != "Static Garden",
        "name": song.title,
        "preview_url": None,
        "track_number": song.number,
    }
    if not item["is_playable"]:
        item["restrictions"] = {"reason": "market"}
    return dict(sorted(item.items()))


def extend(item: Any) -> Any:
    """Return the item with what only apps in extended mode receive; items that are not ours come back as they are."""
    song = _songs_by_id().get(str(item.get("id"))) if isinstance(item, dict) else None
    if song is None or not isinstance(item.get("album"), dict):
        return item
    album = item["album"] | {
        "album_group": song.album.type,
        "available_markets": MARKETS,
        "label": f"{song.album.artist} Records",
        "popularity": song.popularity * 9 // 10,
    }
    extra: JSONObject = {
        "album": dict(sorted(album.items())),
        "available_markets": MARKETS,
        "popularity": song.popularity,
    }
    if song.title == "Salt Lamp":  # relinked: Spotify plays another release of the track than the one listened to
        extra["linked_from"] = _identity("track", spotify_id(f"linked/{song.title}"))
    return dict(sorted((item | extra).items()))


def cover_shape(album_id: str, size: int) -> tuple[int, int]:
    """Return the width and height in pixels of a cover; its longer side has the given size."""
    ratio = _cover_ratios().get(album_id) or 1.0
    return (size, round(size * ratio)) if ratio <= 1 else (round(size / ratio), size)


@cache
def _songs_by_id() -> dict[str, Song]:
    return {spotify_id(f"track/{song.title}"): song for song in SONGS}


@cache
def _cover_ratios() -> dict[str, float | None]:
    return {_album_id(song.album): song.album.cover_ratio for song in SONGS}


def _album_id(album: Album) -> str:
    return spotify_id(f"album/{album.artist}/{album.title}")


def _album(album: Album, *, base_url: str) -> JSONObject:
    key = _album_id(album)
    found: JSONObject = {
        "album_type": album.type,
        "artists": [_artist(album.artist)],
        **_identity("album", key),
        "images": [_image(key, size, base_url=base_url) for size in IMAGE_SIZES if album.cover_ratio],
        "is_playable": True,
        "name": album.title,
        "release_date": album.released,
        "release_date_precision": _PRECISIONS[len(album.released)],
        "total_tracks": album.total_tracks,
    }
    return dict(sorted(found.items()))


def _image(album_id: str, size: int, *, base_url: str) -> JSONObject:
    width, height = cover_shape(album_id, size)
    return {"height": height, "url": f"{base_url}/image/{album_id}/{size}", "width": width}


def _artist(name: str) -> JSONObject:
    found = _identity("artist", spotify_id(f"artist/{name}")) | {"name": name}
    return dict(sorted(found.items()))


def _identity(kind: str, key: str) -> JSONObject:
    return {
        "external_urls": {"spotify": f"{_WEB}/{kind}/{key}"},
        "href": f"https://api.spotify.com/v1/{kind}s/{key}",
        "id": key,
        "type": kind,
        "uri": f"spotify:{kind}:{key}",
    }
