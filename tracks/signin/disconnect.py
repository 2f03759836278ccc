"""What else goes when a listener goes."""

from allauth.socialaccount.models import SocialAccount
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.sessions.models import Session
from django.db.models.signals import post_delete
from django.dispatch import receiver

from tracks.etl import stage
from tracks.etl.prune import delete_unheard
from tracks.models import Listener


@receiver(post_delete, sender=Listener)
def delete_the_person(instance: Listener, **kwargs: object) -> None:
    """Deletes the account with its tokens and sessions, its user, its staged files, and songs that nobody else has.

    A superuser stays: that user was made by `createsuperuser`, not by the sign-in.
    """
    accounts = SocialAccount.objects.filter(pk=instance.account_id)
    _end_sessions({str(pk) for pk in accounts.values_list("user", flat=True)})
    get_user_model().objects.filter(socialaccount__in=accounts, is_superuser=False).delete()
    accounts.delete()
    delete_unheard()
    stage.remove(instance.pk)


def _end_sessions(users: set[str]) -> None:
    # Whose a session is stands inside it, so that each has to be read.
    for session in Session.objects.iterator():
        if session.get_decoded().get(SESSION_KEY) in users:
            session.delete()
