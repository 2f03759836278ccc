"""The listeners whom the other tests begin with, made as rows, are the ones whom a sign-in makes."""

from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.apps import apps
from django.contrib.auth.models import Permission, User
from django.db import models

from simulator import Simulator
from tests import factories
from tests.conftest import Browser
from tests.people import come_in

pytestmark = pytest.mark.django_db

# Numbers, moments, secrets and the random handle, which differ from one sign-in to the next.
CHANGING = (models.AutoField, models.ForeignKey, models.OneToOneField, models.DateTimeField)
SECRET = {"digest", "handle", "username", "password", "token", "token_secret"}


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


def forget_all() -> None:
    User.objects.all().delete()
    for model in apps.get_app_config("tracks").get_models():
        model._default_manager.all().delete()


def test_the_host_has_the_rows_that_a_sign_in_leaves(simulator: Simulator) -> None:
    Browser().sign_in()
    signed_in, permissions = rows(), set(Permission.objects.filter(user__isnull=False))
    assert len(signed_in["Listener"]) == 1 and len(signed_in["Placement"]) == 60 and permissions
    forget_all()
    listener = factories.host(simulator)
    Browser().enter(listener)
    assert rows() == signed_in
    assert set(Permission.objects.filter(user=listener.account.user)) == permissions


def test_a_guest_has_the_rows_that_an_invitation_leaves(simulator: Simulator, settings: Any) -> None:
    settings.LISTENERS = "invited"
    profile = {"name": "Ana", "handle": "ana", "visibility": "public"}
    host = Browser()
    host.enter(factories.host(simulator))
    come_in(host, simulator, "stranger", **profile)
    signed_in = rows()
    assert len(signed_in["Listener"]) == 2 and len(signed_in["Placement"]) == 120 and len(signed_in["Invitation"]) == 1
    forget_all()
    Browser().enter(factories.host(simulator))
    Browser().enter(factories.guest(simulator, "stranger", **profile))
    assert rows() == signed_in
