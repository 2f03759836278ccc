"""The host whom the other tests begin with, made as rows, is the one whom a sign-in makes."""

from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.apps import apps
from django.contrib.auth.models import Permission, User
from django.db import models

from simulator import Simulator
from tests import factories
from tests.conftest import Browser

pytestmark = pytest.mark.django_db

# Numbers, moments, secrets and the random handle, which differ from one sign-in to the next.
CHANGING = (models.AutoField, models.ForeignKey, models.OneToOneField, models.DateTimeField)
SECRET = {"handle", "username", "password", "token", "token_secret"}


def rows() -> dict[str, list[dict[str, Any]]]:
    """Everything that is stored, but what changes by itself; a moment or a number is "there" or not."""
    found: dict[str, list[dict[str, Any]]] = {}
    for model in [User, SocialAccount, SocialToken, *apps.get_app_config("tracks").get_models()]:
        # What the way of signing in uses, and not the person who did.
        if model.__name__ in {"UserSession", "CodeExchanges", "SpotifyQuota"}:
            continue
        found[model.__name__] = sorted((facts(row) for row in model._default_manager.all()), key=str)
    return found


def facts(row: models.Model) -> dict[str, Any]:
    values = {field: getattr(row, field.attname) for field in row._meta.concrete_fields}
    return {
        field.name: bool(value) if isinstance(field, CHANGING) or field.name in SECRET else value
        for field, value in values.items()
    }


def test_has_the_rows_that_a_sign_in_leaves(simulator: Simulator) -> None:
    Browser().sign_in()
    signed_in, permissions = rows(), set(Permission.objects.filter(user__isnull=False))
    assert len(signed_in["Listener"]) == 1 and len(signed_in["Placement"]) == 60 and permissions
    User.objects.all().delete()
    for model in apps.get_app_config("tracks").get_models():
        model._default_manager.all().delete()
    listener = factories.host(simulator)
    Browser().enter(listener)
    assert rows() == signed_in
    assert set(Permission.objects.filter(user=listener.account.user)) == permissions
