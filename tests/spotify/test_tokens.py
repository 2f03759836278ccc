"""How tokens are kept, read, renewed and discarded."""

from datetime import timedelta
from typing import Any

import pytest
from allauth.socialaccount.models import SocialToken
from django.utils import timezone

from simulator import Fault, Simulator
from tests.factories import account, expire
from tests.helpers import TOKEN
from tracks.models import Listener
from tracks.spotify import tokens
from tracks.spotify.errors import BadCredentials, SignInNeeded, SpotifyError, Unavailable
from tracks.spotify.session import BoundedSession

pytestmark = pytest.mark.django_db

UNREADABLE = "The stored sign-in cannot be read, perhaps because SECRET_KEY changed; the host must sign in again."
# What Fernet and HKDF made of "a token" with SECRET_KEY "an old key", when the service was first published.
# pragma: allowlist nextline secret
STORED = "gAAAAABrCASUv_PwEkIiTN6ILMovYnYS7Ajv-OIup99VKrojXPB8OSMnRhish79KHyL5p0uBiHPraCzdIOkxTYg6Uj79_FLgog=="


@pytest.fixture
def session(simulator: Simulator) -> BoundedSession:
    return BoundedSession(seconds=10)


def stored() -> SocialToken:
    return SocialToken.objects.get()


# At rest


def test_a_token_comes_back_as_it_was_and_reads_as_nothing_meanwhile() -> None:
    assert tokens.decrypt(tokens.encrypt("a token")) == "a token"
    assert "token" not in tokens.encrypt("a token")


def test_none_stays_none() -> None:
    assert tokens.encrypt("") == ""


def test_what_was_stored_by_an_earlier_version_can_be_read(settings: Any) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another key", ["an old key"]
    assert tokens.decrypt(STORED) == "a token"


@pytest.mark.parametrize("text", ["", "plain", STORED])
def test_what_no_key_fits_asks_to_sign_in_again(text: str) -> None:
    with pytest.raises(SignInNeeded) as raised:
        tokens.decrypt(text)
    assert str(raised.value) == UNREADABLE
    assert raised.value.__suppress_context__


def test_the_first_key_encrypts(settings: Any) -> None:
    settings.SECRET_KEY_FALLBACKS = ["an older key"]
    text = tokens.encrypt("a token")
    settings.SECRET_KEY_FALLBACKS = []
    assert tokens.decrypt(text) == "a token"


def test_every_token_is_encrypted_anew_and_what_no_key_reads_is_counted(settings: Any) -> None:
    old = settings.SECRET_KEY
    for name, token, refresh_token in (("one", "a", "b"), ("two", "c", ""), ("also two", "e", "")):
        SocialToken.objects.create(
            account=account(name), token=tokens.encrypt(token), token_secret=tokens.encrypt(refresh_token)
        )
    for name in ("three", "four"):
        SocialToken.objects.create(account=account(name), token="unreadable", token_secret=tokens.encrypt("d"))
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "a new key", [old]
    assert tokens.reencrypt() == (3, 2)
    settings.SECRET_KEY_FALLBACKS = []
    one, two, also, three, _ = SocialToken.objects.order_by("pk")
    assert (tokens.decrypt(one.token), tokens.decrypt(one.token_secret)) == ("a", "b")
    assert (tokens.decrypt(two.token), tokens.decrypt(also.token), two.token_secret) == ("c", "e", "")
    assert three.token == "unreadable"


def test_encrypting_anew_never_replaces_what_a_refresh_stored_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    SocialToken.objects.create(account=account("one"), token=tokens.encrypt("a"), token_secret=tokens.encrypt("b"))
    newer = tokens.encrypt("newer")
    decrypt = tokens.decrypt

    def decrypt_slowly(text: str) -> str:
        SocialToken.objects.update(token_secret=newer)
        return decrypt(text)

    monkeypatch.setattr("tracks.spotify.tokens.decrypt", decrypt_slowly)
    assert tokens.reencrypt() == (0, 0)
    assert stored().token_secret == newer


def test_whether_a_stored_sign_in_can_be_read(listener: Listener, settings: Any) -> None:
    assert tokens.is_readable(listener) is True
    settings.SECRET_KEY = "another key"
    assert tokens.is_readable(listener) is False
    SocialToken.objects.all().delete()
    other = SocialToken.objects.create(account=account("other"), token="", token_secret=tokens.encrypt("x"))
    assert tokens.is_readable(listener) is False
    other.delete()
    assert tokens.is_readable(listener) is False


# What the token endpoint answers


@pytest.mark.parametrize(
    "answer",
    [
        None, [], {}, {"access_token": ""}, {"access_token": "a b"}, {"access_token": "a" * 4001}, {"access_token": 7},
        {"access_token": "a", "expires_in": 0}, {"access_token": "a", "expires_in": "3600"},
        {"access_token": "a", "expires_in": 366 * 24 * 3600 + 1}, {"access_token": "a", "refresh_token": "a\n"},
        {"access_token": "a", "refresh_token": "a" * 4001}, {"access_token": "a", "scope": "a" * 1001},
    ],
)  # fmt: skip
def test_a_malformed_answer_means_later_and_is_quoted_nowhere(answer: Any) -> None:
    with pytest.raises(Unavailable) as raised:
        tokens.read_answer(answer)
    assert str(raised.value) == "Spotify sent a token that cannot be read; try again later."
    assert raised.value.__suppress_context__


def test_an_answer_may_lack_everything_but_the_access_token(monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)
    answer = tokens.read_answer({"access_token": "a"})
    assert (answer.refresh_token, answer.scope, answer.expires_at) == (None, None, now + timedelta(hours=1))


# Renewal


@pytest.mark.parametrize(("seconds", "calls"), [(3600, 0), (61, 0), (60, 1), (0, 1), (-1, 1)])
def test_a_token_is_renewed_a_minute_before_it_lapses(
    listener: Listener, session: BoundedSession, simulator: Simulator, monkeypatch: pytest.MonkeyPatch,
    seconds: int, calls: int,
) -> None:  # fmt: skip
    now = timezone.now()
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)
    SocialToken.objects.update(expires_at=now + timedelta(seconds=seconds))
    before = tokens.decrypt(stored().token)
    token = tokens.access_token(listener, session)
    assert [call.path for call in simulator.calls] == [TOKEN] * calls
    assert (token != before) == bool(calls)
    assert token == tokens.decrypt(stored().token)


def test_a_token_without_a_known_end_is_renewed(
    listener: Listener, session: BoundedSession, simulator: Simulator
) -> None:
    SocialToken.objects.update(expires_at=None)
    tokens.access_token(listener, session)
    assert len(simulator.calls) == 1


def test_a_renewal_can_be_asked_for(listener: Listener, session: BoundedSession, simulator: Simulator) -> None:
    now = timezone.now()
    SocialToken.objects.update(expires_at=now + timedelta(hours=5))
    old = stored()
    token = tokens.access_token(listener, session, renew=True)
    (call,) = simulator.calls
    assert call.body == {"grant_type": "refresh_token", "refresh_token": tokens.decrypt(old.token_secret)}
    assert token == tokens.decrypt(stored().token) != tokens.decrypt(old.token)
    assert tokens.decrypt(stored().token_secret) in simulator.refresh_tokens
    assert timedelta(minutes=59) < stored().expires_at - now <= timedelta(minutes=61)


def test_a_renewal_changes_the_token_of_this_listener_alone(
    listener: Listener, session: BoundedSession, simulator: Simulator
) -> None:
    own = stored()
    other = SocialToken.objects.create(account=account("other"), token="", token_secret=own.token_secret)
    tokens.access_token(listener, session, renew=True)
    other.refresh_from_db()
    assert (other.token, other.token_secret) == ("", own.token_secret)


def test_the_newest_token_of_this_listener_is_used(
    listener: Listener, session: BoundedSession, simulator: Simulator
) -> None:
    def more(of: Any, name: str) -> None:
        SocialToken.objects.create(
            account=of, token=tokens.encrypt(name), token_secret=tokens.encrypt(name), expires_at=later
        )

    later = timezone.now() + timedelta(hours=1)
    SocialToken.objects.all().delete()
    more(listener.account, "newest")
    more(account("other"), "other's")
    assert tokens.access_token(listener, session) == "newest"
    assert tokens.is_readable(listener)


def test_without_a_token_only_a_sign_in_helps(listener: Listener, session: BoundedSession) -> None:
    SocialToken.objects.all().delete()
    with pytest.raises(SignInNeeded) as raised:
        tokens.access_token(listener, session)
    assert raised.value.spent is None


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.json(400, {"error": "invalid_grant"}), SignInNeeded),
        (Fault.json(401, {"error": "invalid_client"}), BadCredentials),
        (Fault.json(401, {}), BadCredentials),
        (Fault.json(500, {}), Unavailable),
        (Fault.json(200, {}), Unavailable),
    ],
)
def test_a_renewal_that_fails_leaves_the_stored_token(
    listener: Listener, session: BoundedSession, simulator: Simulator, fault: Fault, error: type[SpotifyError]
) -> None:
    expire()
    before = stored()
    simulator.fault(TOKEN, fault)
    with pytest.raises(error) as raised:
        tokens.access_token(listener, session)
    assert (stored().token, stored().token_secret) == (before.token, before.token_secret)
    assert getattr(raised.value, "spent", None) == (before if error is SignInNeeded else None)


def test_a_renewal_never_replaces_the_token_of_a_newer_sign_in(
    listener: Listener, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    expire()
    session = BoundedSession(seconds=10)
    post = session.post
    newer = tokens.encrypt("newer")

    def post_slowly(*args: Any, **kwargs: Any) -> Any:
        SocialToken.objects.update(token_secret=newer)
        return post(*args, **kwargs)

    monkeypatch.setattr(session, "post", post_slowly)
    assert tokens.access_token(listener, session) in simulator.access_tokens
    assert stored().token_secret == newer


def test_discarding_takes_the_token_that_was_refused_and_no_newer_one(listener: Listener) -> None:
    other = SocialToken.objects.create(account=account("other"), token="", token_secret=stored().token_secret)
    spent = SocialToken.objects.get(account=listener.account)
    SocialToken.objects.filter(pk=spent.pk).update(token_secret="newer")
    tokens.discard(spent)
    assert SocialToken.objects.count() == 2
    spent.refresh_from_db()
    tokens.discard(spent)
    assert SocialToken.objects.get() == other
