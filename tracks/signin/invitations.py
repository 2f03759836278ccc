"""Links by which the host lets somebody in: one use, seven days, and nothing but a digest is stored."""

import hashlib
import secrets
from datetime import timedelta

from django.utils import timezone

from tracks.models import Invitation, Listener

LIFETIME = timedelta(days=7)
# Where the session keeps the digest of the invitation that somebody came with, until they are in.
INVITATION = "invitation"
# Open at once: more than anybody sends, and a bound on what a stolen session could make.
MOST_OPEN = 50


class TooMany(Exception):
    """There are MOST_OPEN open invitations already."""


def invite(host: Listener) -> str:
    """Makes an invitation and returns its secret, which is shown once. Raises TooMany."""
    if Invitation.objects.open().count() >= MOST_OPEN:
        raise TooMany
    secret = secrets.token_urlsafe(24)
    Invitation.objects.create(digest=digest_of(secret), made_by=host, expires_at=timezone.now() + LIFETIME)
    return secret


def digest_of(secret: str) -> str:
    """What is stored of an invitation, in its row and in the session of who comes with it."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_open(digest: str) -> bool:
    """Whether the invitation with this digest would let somebody in now."""
    return bool(digest) and Invitation.objects.open().filter(digest=digest).exists()


def use(digest: str) -> bool:
    """Uses the invitation up; False if it was used, revoked or lapsed meanwhile. Call it in a transaction."""
    return bool(Invitation.objects.open().order_by().filter(digest=digest).update(used_at=timezone.now()))
