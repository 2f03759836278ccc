"""The drawing process on the tests' database, and pictures without it where nobody looks at them."""

from typing import Any

import pytest

from tests.conftest import environment
from tracks.cards import data, store
from tracks.models import Card, Snapshot
from tracks.views import share


@pytest.fixture
def drawing(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refreshes and visitors wake the real process."""
    settings.CARDS = True
    for name, value in environment(CARDS="on", DJANGO_SETTINGS_MODULE="spotify_top.settings").items():
        monkeypatch.setenv(name, value)
    # Other tests are at work on this machine.
    monkeypatch.setattr(share, "PATIENCE", 30)
    share._failed.clear()


@pytest.fixture
def drawn(db: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every newest snapshot has its pictures, of a few bytes each; nothing is ever drawn."""
    settings.CARDS = True
    monkeypatch.setattr("tracks.cards.process.wake", lambda **kwargs: None)
    monkeypatch.setattr(share, "PATIENCE", 0)
    share._failed.clear()


def invent(snapshot: Snapshot) -> None:
    """Stores pictures of a few bytes for this snapshot."""
    for language in store.languages():
        for kind in data.KINDS:
            body = f"{kind} {language} of {snapshot.pk}".encode()
            Card.objects.create(
                snapshot=snapshot,
                kind=kind,
                language=language,
                design=data.design(),
                listener_changed_at=snapshot.listener.changed_at,
                body=store.packed(kind, body),
                digest="",
            )
