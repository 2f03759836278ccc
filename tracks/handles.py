"""Handles: the word in the address of a listener's page, /@handle/."""

import re
import secrets
import string

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

SHORTEST, LONGEST = 3, 30
PATTERN = re.compile(rf"[a-z][a-z0-9-]{{{SHORTEST - 1},{LONGEST - 1}}}")

# What is an address of this site, or may become one, or would pass for the people who run it.
RESERVED = frozenset(
    """
    about account accounts admin administrator api artist artists assets auth callback card cards chart charts compare
    connect contact data disconnect due embed everybody everyone export favicon feed health help history home host
    index info invite invitation invitations legal listener listeners live login logout manifest media metrics mod
    moderator none null oauth oembed official openapi operator owner privacy profile public receipt receipts refresh
    register robots root search security settings share sign-in sign-out signin signout signup site spotify staff
    static status support system team terms top-twenty track tracks undefined unlisted user users with you year
    """.split()  # noqa: SIM905
) | {"me"}


def random_handle() -> str:
    """A handle for who has not chosen one: it says nothing of the person, and nobody guesses it."""
    alphabet = string.ascii_lowercase + string.digits
    return "listener-" + "".join(secrets.choice(alphabet) for _ in range(12))


def folded(handle: str) -> str:
    """The handle as it is stored: without blanks and the @ before it, in small letters."""
    return handle.strip().removeprefix("@").lower()


def validate(handle: str) -> None:
    """Raises ValidationError, with a sentence for people, for what cannot be a handle."""
    if not PATTERN.fullmatch(handle):
        raise ValidationError(
            _("Use %(shortest)d to %(longest)d of the characters a-z, 0-9 and -, beginning with a letter."),
            params={"shortest": SHORTEST, "longest": LONGEST},
            code="pattern",
        )
    if handle in RESERVED:
        raise ValidationError(_("This word is kept for the site itself. Choose another."), code="reserved")
