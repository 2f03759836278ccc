"""`manage.py rotate_token_key`: after a change of SECRET_KEY, so that the old one may leave SECRET_KEY_FALLBACKS."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tracks.spotify.tokens import reencrypt


class Command(BaseCommand):
    help = "Encrypts the stored tokens anew with SECRET_KEY. Afterwards SECRET_KEY_FALLBACKS is not needed for them."

    def handle(self, *args: Any, **options: Any) -> None:
        done, unreadable = reencrypt()
        self.stdout.write(f"{done} sign-in{'' if done == 1 else 's'} encrypted with the present SECRET_KEY.")
        if unreadable:
            raise CommandError(
                f"{unreadable} cannot be read with any key: put the former SECRET_KEY into SECRET_KEY_FALLBACKS "
                "and run this again, or let the host sign in again."
            )
