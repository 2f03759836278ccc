"""How often an address may try, which address that is, and that nobody's tries lock another out."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from axes.models import AccessAttempt
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client, RequestFactory

from simulator import Simulator
from tests.conftest import Browser, Server
from tracks.ops import limits

ENCODE = PBKDF2PasswordHasher.encode

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _limits(_no_limits: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.RATELIMIT_ENABLE = True
    settings.AXES_ENABLED = True
    # One window for the whole test: counts begin anew when a minute of the clock ends.
    window = int(time.time()) + 60
    monkeypatch.setattr("django_ratelimit.core._get_window", lambda value, period: window)
    monkeypatch.setattr(limits, "SECONDS_BETWEEN_HASHES", 0)
    monkeypatch.setattr(limits, "hashes", limits.Hashes())
    cache.clear()


def guess(password: str, *, user: str = "root", **extra: Any) -> Any:
    browser = Browser()
    browser.get("/admin/login/")
    data = {"username": user, "password": password, "csrfmiddlewaretoken": browser.cookies["csrftoken"].value}
    return browser.post("/admin/login/", data, **extra)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The users whose passwords were looked at."""
    users: list[str] = []

    def authenticate(self: ModelBackend, request: Any, username: str = "", **kwargs: Any) -> None:
        users.append(username)

    monkeypatch.setattr(ModelBackend, "authenticate", authenticate)
    return users


# Passwords


def test_guessing_passwords_is_locked_for_a_quarter_of_an_hour() -> None:
    User.objects.create_superuser("root", password="right and long")
    answers = [guess(f"wrong {number}") for number in range(5)]
    assert [answer.status_code for answer in answers[:4]] == [200] * 4
    cache.clear()
    for answer in (answers[-1], guess("right and long")):
        assert (answer.status_code, answer["Retry-After"]) == (429, "900")
        assert b"Wait 15 minutes" in answer.content
    AccessAttempt.objects.all().delete()
    assert guess("right and long").status_code == 302


def test_the_sixth_password_of_an_address_is_not_hashed_whoever_it_is_for(hashed: list[str]) -> None:
    answers = [guess("wrong", user=f"user {number}") for number in range(7)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
    assert answers[-1]["Retry-After"] == "60" and b"from your address" in answers[-1].content
    assert hashed == [f"user {number}" for number in range(5)]
    assert guess("wrong", REMOTE_ADDR="192.0.2.7").status_code == 200
    assert Browser().get("/admin/login/").status_code == 200


@pytest.mark.parametrize("user", ["root", "nobody"])
def test_a_wrong_password_is_hashed_once(settings: Any, monkeypatch: pytest.MonkeyPatch, user: str) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    User.objects.create_superuser("root", password="right and long")
    made: list[str] = []

    def encode(self: PBKDF2PasswordHasher, password: str, *args: Any, **kwargs: Any) -> str:
        made.append(password)
        return ENCODE(self, password, *args, **kwargs)

    monkeypatch.setattr(PBKDF2PasswordHasher, "encode", encode)
    assert guess("wrong", user=user).status_code == 200
    assert made == ["wrong"]


def test_a_network_of_64_bits_is_one_address(hashed: list[str]) -> None:
    answers = [guess("wrong", user=f"user {n}", REMOTE_ADDR=f"2001:db8:0:1::{n:x}") for n in range(1, 7)]
    assert answers[-1].status_code == 429 and len(hashed) == 5
    assert guess("wrong", REMOTE_ADDR="2001:db8:0:2::1").status_code == 200


def test_many_addresses_together_are_limited_too(hashed: list[str]) -> None:
    answers = [guess("wrong", user=f"user {n}", REMOTE_ADDR=f"192.0.2.{n}") for n in range(12)]
    assert [answer.status_code for answer in answers] == [200] * limits.HASHES_A_MINUTE + [429] * 2
    assert answers[-1]["Retry-After"] == "60" and b"Too many people" in answers[-1].content
    assert len(hashed) == limits.HASHES_A_MINUTE


def test_passwords_are_hashed_a_second_apart(hashed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SECONDS_BETWEEN_HASHES", 0.3)
    assert guess("wrong", REMOTE_ADDR="192.0.2.1").status_code == 200
    assert guess("wrong", REMOTE_ADDR="192.0.2.2").status_code == 429
    time.sleep(0.3)
    assert guess("wrong", REMOTE_ADDR="192.0.2.3").status_code == 200
    assert len(hashed) == 2


def test_a_password_check_that_fails_gives_the_turn_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("foreseen")

    with monkeypatch.context() as patch:
        patch.setattr(ModelBackend, "authenticate", fail)
        with pytest.raises(RuntimeError, match="foreseen"):
            guess("wrong")
    assert guess("wrong").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_flood_of_passwords_holds_nobody_up(server: Server) -> None:
    with requests.Session() as session:
        session.get(f"{server.site}/admin/login/", timeout=10)
        cookies = session.cookies.get_dict()

    def flood(number: int) -> int:
        data = {"username": f"user {number}", "password": "wrong", "csrfmiddlewaretoken": cookies["csrftoken"]}
        return requests.post(f"{server.site}/admin/login/", data, cookies=cookies, timeout=20).status_code

    def visit() -> float:
        started = time.monotonic()
        assert requests.get(f"{server.site}/", timeout=20).status_code == 200
        return time.monotonic() - started

    started = time.monotonic()
    ENCODE(PBKDF2PasswordHasher(), "wrong", "salt")
    hash_seconds = time.monotonic() - started
    quiet = visit()
    with ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(flood, number) for number in range(20)]
        slowest = max(visit() for _ in range(10))
        statuses = [answer.result() for answer in answers]
    # One a worker, and one more after the second between them.
    assert 1 <= statuses.count(200) <= 4 and statuses.count(429) >= 16
    # Behind one hash at most, where all twenty would take the two workers as long as ten.
    assert slowest < quiet + 5 * hash_seconds


# Sign-in and refresh


@pytest.mark.parametrize(
    ("path", "times"),
    [("/accounts/spotify/login/", 10), ("/accounts/spotify/login/callback/", 10), ("/refresh", 20)],
)
def test_sign_in_and_refresh_are_limited(simulator: Simulator, path: str, times: int) -> None:
    visitor = Client(HTTP_HOST="127.0.0.1:8000", HTTP_AUTHORIZATION="Bearer guess")
    knock = visitor.get if "callback" in path else visitor.post
    assert 429 not in [knock(path).status_code for _ in range(times)]
    answer = knock(path)
    assert (answer.status_code, answer["Retry-After"]) == (429, "60")
    assert knock(path, REMOTE_ADDR="192.0.2.7").status_code != 429


def test_nobodys_tries_lock_the_right_token_out(host: Browser, settings: Any) -> None:
    settings.REFRESH_TOKEN = settings.METRICS_TOKEN = "let me in"
    wrong, right = {"Authorization": "Bearer guess"}, {"Authorization": "Bearer let me in"}
    assert [Browser().post("/refresh", headers=wrong).status_code for _ in range(21)][-1] == 429
    # More often than anybody else may, too.
    assert {Browser().post("/refresh", headers=right).status_code for _ in range(22)} == {200}
    assert Browser().get("/metrics", headers=right).status_code == 200
    assert Browser().post("/refresh", headers=wrong).status_code == 429


def test_a_password_before_the_whole_site_is_not_the_buttons_token(
    host: Browser, settings: Any, simulator: Simulator
) -> None:
    """Basic authentication by a proxy: the browser sends it along with every request."""
    for settings.REFRESH_TOKEN in ("", "let me in"):
        host.defaults["HTTP_AUTHORIZATION"] = "Basic aG9zdDpwYXNzd29yZA=="
        answer = host.press("/refresh", on="/")
        assert (answer.status_code, answer["Location"]) == (302, "/")
    assert Browser().post("/refresh", headers={"Authorization": "Basic x"})["Location"] == "/login"
    assert host.get("/metrics").status_code == 401


# Which address


def address_of(forwarded: str | None, settings: Any, *, proxies: int = 1, remote: str = "10.0.0.1") -> str:
    settings.BEHIND_PROXY = forwarded is not None
    settings.TRUSTED_PROXIES = proxies
    request = RequestFactory().get("/", REMOTE_ADDR=remote)
    if forwarded is not None:
        request.META["HTTP_X_FORWARDED_FOR"] = forwarded
    return limits.client_address(request)


@pytest.mark.parametrize(
    ("forwarded", "proxies", "address"),
    [
        ("198.51.100.1, 203.0.113.9", 1, "203.0.113.9"),
        ("198.51.100.1, 203.0.113.9", 2, "198.51.100.1"),
        ("192.0.2.66, 198.51.100.1, 203.0.113.9", 2, "198.51.100.1"),
        ("192.0.2.66,198.51.100.1,203.0.113.9,10.1.2.3", 3, "198.51.100.1"),
        # Fewer than there are proxies: the leftmost.
        ("198.51.100.1", 2, "198.51.100.1"),
        ("198.51.100.1, 203.0.113.9", 10, "198.51.100.1"),
        # Nobody is trusted, or nobody said anything.
        ("198.51.100.1", 0, "10.0.0.1"),
        ("", 1, "10.0.0.1"),
        (" , ", 2, "10.0.0.1"),
        # With a port, and in brackets.
        ("1.2.3.4:5678", 1, "1.2.3.4"),
        ("[2001:db8::1]:99", 1, "2001:db8::"),
        ("[2001:db8::1]", 1, "2001:db8::"),
        ("2001:db8:1:2:3:4:5:6", 1, "2001:db8:1:2::"),
        ("::ffff:1.2.3.4", 1, "1.2.3.4"),
        ("fe80::1%eth0", 1, "fe80::"),
        # No address at all.
        ("unknown", 1, "10.0.0.1"),
        ("_hidden", 1, "10.0.0.1"),
        ("1.2.3.4.5", 1, "10.0.0.1"),
        ("[1.2.3.4", 1, "10.0.0.1"),
        ("1.2.3.4:99999999", 1, "10.0.0.1"),
        ("::1 OR 1=1", 1, "10.0.0.1"),
        ("\u0661.2.3.4", 1, "10.0.0.1"),
        ("\0", 1, "10.0.0.1"),
        ("9" * 10_000, 1, "10.0.0.1"),
        ("," * 10_000, 5, "10.0.0.1"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_the_address_is_what_the_outermost_trusted_proxy_saw(
    settings: Any, forwarded: str, proxies: int, address: str
) -> None:
    assert address_of(forwarded, settings, proxies=proxies) == address


def test_without_a_proxy_what_is_forwarded_counts_for_nothing(settings: Any) -> None:
    settings.BEHIND_PROXY = False
    request = RequestFactory().get("/", REMOTE_ADDR="192.0.2.7", HTTP_X_FORWARDED_FOR="198.51.100.1")
    assert limits.client_address(request) == "192.0.2.7"


@pytest.mark.parametrize("remote", ["", "unix:"])
def test_who_has_no_address_shares_one(settings: Any, remote: str) -> None:
    assert address_of(None, settings, remote=remote) == limits.NO_ADDRESS


@pytest.mark.parametrize("forwarded", ["1.2.3.4:5678", "[2001:db8::1]:99", "unknown", "x" * 10_000, "fe80::1%eth0"])
def test_a_malformed_address_is_nobodys_error(settings: Any, simulator: Simulator, forwarded: str) -> None:
    settings.BEHIND_PROXY = True
    settings.SECURE_SSL_REDIRECT = False
    assert guess("wrong", HTTP_X_FORWARDED_FOR=forwarded).status_code == 200
    assert AccessAttempt.objects.count() == 1
    for path in ("/refresh", "/accounts/spotify/login/"):
        assert Browser().post(path, HTTP_X_FORWARDED_FOR=forwarded).status_code < 500
    assert Browser().get("/accounts/spotify/login/callback/", HTTP_X_FORWARDED_FOR=forwarded).status_code == 400


def test_behind_two_proxies_one_visitor_locks_nobody_else_out(settings: Any, simulator: Simulator) -> None:
    settings.BEHIND_PROXY = True
    settings.TRUSTED_PROXIES = 2

    def knock(visitor: str, forged: str = "") -> int:
        forwarded = f"{forged}{visitor}, 203.0.113.9"
        return int(Browser().post("/refresh", HTTP_X_FORWARDED_FOR=forwarded).status_code)

    assert [knock("198.51.100.1", f"192.0.2.{number}, ") for number in range(21)][-1] == 429
    assert knock("198.51.100.2") != 429
