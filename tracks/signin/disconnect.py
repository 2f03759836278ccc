"""What goes when a listener goes: everything of that person, and nothing of anybody else."""

from allauth.socialaccount.models import SocialAccount
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver

from tracks.etl import stage
from tracks.etl.prune import delete_snapshots
from tracks.models import Listener, UserSession


def disconnect(listener: Listener) -> None:
    """Deletes the listener. A load at work ends first, and one that comes later finds nobody to load for."""
    with transaction.atomic():
        # The load locks this row first too: whoever has it may finish.
        for locked in Listener.objects.select_for_update().filter(pk=listener.pk):
            delete_snapshots(locked.snapshots.values_list("pk", flat=True))
            locked.delete()


@receiver(post_delete, sender=Listener)
def delete_the_person(instance: Listener, **kwargs: object) -> None:
    """Deletes the account with its tokens, the user with their sessions, and the staged files.

    A superuser stays: that user was made by `createsuperuser`, not by the sign-in.
    """
    accounts = SocialAccount.objects.filter(pk=instance.account_id)
    users = get_user_model().objects.filter(socialaccount__in=accounts)
    UserSession.objects.filter(user__in=users).delete()
    users.filter(is_superuser=False).delete()
    accounts.delete()
    transaction.on_commit(lambda: stage.remove(instance.pk))
