"""Text as it is looked for."""

from importlib import import_module

import pytest
from django.apps import apps

from tests.search.year import NOW, hear, song
from tracks.folding import fold, folded_song
from tracks.models import Listener, Track


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Beyoncé", "beyonce"),
        ("CANCIÓN", "cancion"),
        ("ñandú", "nandu"),
        ("Straße", "strasse"),
        ("Øre Łódź Đà ısı Æon Œuvre Þór", "ore lodz da isi aeon oeuvre thor"),
        ("Don't Don’t", "dont dont"),
        ("R.E.M. at 10.30", "rem at 10 30"),
        ("AC/DC, (live)", "ac dc live"),
        ("Ｆｕｌｌ ﬁt", "full fit"),
        ("夜に", "夜 に"),
        ("ไทย", "ไ ท ย"),
        ("Тихий СНІГОПАД", "тихии снігопад"),
        ("ΤΕΛΟΣ τέλος", "τελοσ τελοσ"),
        ("أحمد", "احمد"),
        ("a+b $5", "a + b $ 5"),
        ("❤️", "❤"),
        ("%_\\", ""),
        ("a\0b\ud800c", "a b c"),
    ],
)
def test_case_accents_and_punctuation_do_not_matter(text: str, folded: str) -> None:
    assert fold(text) == folded


def test_folding_what_is_folded_changes_nothing() -> None:
    text = "Ǆ ŉ İ ẞ ﷺ ™ Ⅷ ½ ⓐ 느린 हिन्दी שָׁלוֹם"
    assert fold(fold(text)) == fold(text)


def test_a_song_has_a_line_for_its_title_its_album_and_each_artist() -> None:
    assert folded_song("Salt Lamp", "", ["Inés", "M!"]) == " salt lamp \n  \n ines \n m "


@pytest.mark.django_db
def test_the_load_folds_a_song_and_folds_it_anew_with_its_name(listener: Listener) -> None:
    hear(listener, NOW, "short_term", "lamp smor")
    lamp = Track.objects.get(pk=song("lamp")["id"])
    assert lamp.folded == " salt lamp \n kitchen light \n ines aldana \n tomo "
    Track.objects.filter(pk=lamp.pk).update(folded="")
    hear(listener, NOW, "short_term", "lamp smor")
    lamp.refresh_from_db()
    assert lamp.folded == " salt lamp \n kitchen light \n ines aldana \n tomo "


@pytest.mark.django_db
def test_an_artist_with_a_new_name_is_found_by_it_in_songs_that_have_left_the_chart(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    hear(listener, NOW, "short_term", "lamp undated smor")
    keys = {word: song(word)["id"] for word in ("lamp", "smor")}
    renamed = song("undated")
    renamed["artists"][0]["name"] = "Tomás"
    monkeypatch.setattr("tests.search.year.song", lambda word: renamed)
    hear(listener, NOW, "short_term", "undated")
    assert Track.objects.get(pk=keys["lamp"]).folded.endswith(" tomas ")
    assert Track.objects.get(pk=keys["smor"]).folded.endswith(" thorunn lecka ")


@pytest.mark.django_db
def test_the_migration_folds_what_is_stored(listener: Listener) -> None:
    hear(listener, NOW, "short_term", "lamp smor gramophone")
    before = dict(Track.objects.values_list("pk", "folded"))
    assert all(before.values())
    Track.objects.update(folded="")
    import_module("tracks.migrations.0012_folded").fill(apps, None)
    assert dict(Track.objects.values_list("pk", "folded")) == before
