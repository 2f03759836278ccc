"""Every text in English and in each other language of the site, chosen by the browser's language."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import polib
import pytest
from django.conf import settings

from tests.conftest import ROOT, Browser, environment
from tests.helpers import PAGES

LANGUAGES = [code for code, _ in settings.LANGUAGES if code != "en"]


def path_of(language: str) -> Path:
    return ROOT / f"locale/{language}/LC_MESSAGES/django.po"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_catalogue_is_complete_and_compiled(language: str) -> None:
    catalogue = polib.pofile(str(path_of(language)))
    assert [entry.msgid for entry in catalogue if not entry.translated() or entry.obsolete] == []
    compiled = polib.mofile(str(path_of(language).with_suffix(".mo")))
    assert {(e.msgid, e.msgstr, str(e.msgstr_plural)) for e in compiled} == {
        (e.msgid, e.msgstr, str(e.msgstr_plural)) for e in catalogue
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_keep_the_placeholders_and_the_markup(language: str) -> None:
    for entry in polib.pofile(str(path_of(language))):
        # One song may be worded without its number.
        pairs = [(entry.msgid, entry.msgstr), (entry.msgid, entry.msgstr_plural.get(0, "")),
                 (entry.msgid_plural, entry.msgstr_plural.get(1, ""))]  # fmt: skip
        for source, text in pairs:
            for pattern in (r"%\(\w+\)[ds]", r"</?\w+[^>]*>"):
                assert not text or sorted(re.findall(pattern, text)) == sorted(re.findall(pattern, source)), text


@pytest.mark.skipif(shutil.which("xgettext") is None, reason="needs gettext")
def test_every_text_of_the_sources_is_in_the_catalogue(db: None, tmp_path: Path) -> None:
    for name in ("manage.py", "spotify_top", "tracks", "templates", "locale"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    subprocess.run(
        [sys.executable, "manage.py", "makemessages", "--all", "--no-location", "--no-wrap"],
        cwd=tmp_path, env=environment(), check=True, capture_output=True,
    )  # fmt: skip
    for language in LANGUAGES:
        found = polib.pofile(str(tmp_path / path_of(language).relative_to(ROOT)))
        assert [entry.msgid for entry in found if not entry.translated() or entry.obsolete] == [], language


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("accepted", "language", "headline"),
    [
        ("es-MX,es;q=0.9,en;q=0.8", "es", "Las 20 canciones de las últimas 4 semanas"),
        ("ja,en;q=0.5", "en", "Top 20 songs of the last 4 weeks"),
        ("tlh", "en", "Top 20 songs of the last 4 weeks"),
        ("", "en", "Top 20 songs of the last 4 weeks"),
    ],
)
def test_the_browsers_language_chooses(
    host: Browser, visitor: Browser, accepted: str, language: str, headline: str
) -> None:
    response = visitor.get("/", HTTP_ACCEPT_LANGUAGE=accepted)
    page = response.content.decode()
    assert f'<html lang="{language}">' in page and headline in page
    assert response["Content-Language"] == language and "Accept-Language" in response["Vary"]


@pytest.mark.django_db
def test_spanish_pages_hold_no_english(host: Browser, visitor: Browser) -> None:
    english = re.compile(r"\b(the|songs?|chart|sign|updated|kept|history|of)\b", re.IGNORECASE)
    host.get("/")  # takes the message of the sign-in, which spoke English
    for browser, path in PAGES:
        page = {"host": host, "visitor": visitor}[browser].get(path, HTTP_ACCEPT_LANGUAGE="es").content.decode()
        body = re.sub(r'<t(able|body).*</t(able|body)>|<ul class="artist-list">.*</ul>\s*</main>', "", page, flags=re.S)
        body = re.sub(r"(?s)<bdi>.*?</bdi>|<ol.*?</ol>", "", body)
        words = re.sub(r"<[^>]+>", " ", body)
        assert english.findall(words) == [], path
