"""The migrations: complete, and passable in both directions."""

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from simulator import Simulator
from tests.conftest import Browser
from tracks.models import Listener, Snapshot

pytestmark = pytest.mark.database


def tables() -> set[str]:
    return set(connection.introspection.table_names())


def own_tables() -> set[str]:
    return {model._meta.db_table for model in apps.get_app_config("tracks").get_models(include_auto_created=True)}


def migrations() -> list[tuple[str, bool]]:
    """The names of our migrations in order, each with whether every operation of it has a reverse."""
    loader = MigrationLoader(None)
    return [
        (name, all(operation.reversible for operation in loader.disk_migrations[label, name].operations))
        for label, name in loader.graph.forwards_plan(loader.graph.leaf_nodes("tracks")[0])
        if label == "tracks"
    ]


@pytest.mark.django_db
def test_the_models_need_no_migration_that_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("makemigrations", "--check", "--dry-run")
    assert "No changes detected" in capsys.readouterr().out


def test_every_migration_has_a_reverse() -> None:
    found = migrations()
    assert found
    assert [name for name, reversible in found if not reversible] == []


@pytest.mark.django_db(transaction=True)
def test_the_migrations_go_back_to_zero_and_forward_again_with_rows_in_the_tables(
    host: Browser, simulator: Simulator
) -> None:
    names = [name for name, _ in migrations()]
    before = tables()
    assert own_tables() <= before
    try:
        for name in [*reversed(names[:-1]), "zero"]:
            call_command("migrate", "tracks", name, verbosity=0)
        assert tables() == before - own_tables()
        for name in names:
            call_command("migrate", "tracks", name, verbosity=0)
    finally:
        call_command("migrate", verbosity=0)
    assert tables() == before
    assert not Listener.objects.exists()
    assert Browser().sign_in().status_code == 302
    assert Snapshot.objects.count() == 3
    assert len(host.get("/tracks.json").json()["tracks"]) == 20
