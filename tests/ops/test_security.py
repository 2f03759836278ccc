"""Nobody in: headers, cookies, and tokens that leave no trace."""

import logging
import re
from itertools import product
from typing import Any

import pytest
from django.core.management import call_command

from simulator import Simulator
from tests.conftest import Browser
from tests.helpers import PAGES
from tracks.models import UserSession

pytestmark = pytest.mark.django_db


# Headers


def test_every_page_has_the_headers_that_keep_others_out(host: Browser, visitor: Browser) -> None:
    for browser, path in [*PAGES, ("visitor", "/tracks.json"), ("visitor", "/admin/login/"), ("host", "/admin/")]:
        response = {"host": host, "visitor": visitor}[browser].get(path)
        policy = response["Content-Security-Policy"]
        assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy, path
        assert "unsafe" not in policy and "data:" not in policy
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["X-Frame-Options"] == "DENY"
        assert response["Referrer-Policy"] == "same-origin"
        assert "camera=()" in response["Permissions-Policy"]
        assert response["Cross-Origin-Opener-Policy"] == "same-origin"


def test_what_a_middleware_answers_is_not_framed_either(visitor: Browser) -> None:
    redirected, refused = visitor.get("/embed"), visitor.get("/", CONTENT_LENGTH="100000")
    assert (redirected.status_code, refused.status_code) == (301, 413)
    assert redirected["X-Frame-Options"] == refused["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("path", ["/tracks.json", "/tracks.csv", "/tracks/sql", "/tracks.json?time_range=x"])
def test_any_site_may_read_the_public_data(host: Browser, visitor: Browser, path: str) -> None:
    assert visitor.get(path)["Access-Control-Allow-Origin"] == "*"


def test_no_site_may_read_anything_else(host: Browser, visitor: Browser) -> None:
    for path in ("/", "/health", "/login", "/feed.atom", "/history/", "/admin/login/", "/nothing"):
        assert not visitor.get(path).has_header("Access-Control-Allow-Origin")


def test_cookies_are_kept_from_scripts_and_other_sites(host: Browser) -> None:
    cookie = Browser().sign_in().cookies["sessionid"]
    assert cookie["httponly"] and cookie["samesite"] == "Lax"


COOKIES = (
    [r'sessionid="\000aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"', "sessionid=" + "x" * 9000, r'sessionid="\377\376aaaaaaaa"',
     r'csrftoken="\000aaaaaaaa"', r'messages="\000"', r'django_language="\000"', "sessionid=", "=;=;;"]
)  # fmt: skip


def test_a_cookie_of_the_visitors_making_is_nobodys_error(host: Browser, subtests: pytest.Subtests) -> None:
    for cookie, path in product(COOKIES, ["/", "/admin/", "/login", "/disconnect"]):
        with subtests.test(path, cookie=cookie[:30]):
            assert Browser().get(path, HTTP_COOKIE=cookie).status_code in {200, 302}


@pytest.mark.parametrize("where", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_no_parameter_sends_anyone_elsewhere(visitor: Browser, simulator: Simulator, where: str) -> None:
    response = visitor.press("/accounts/spotify/login/", next=where)
    assert visitor.come_back(response["Location"])["Location"] == "/"
    for path in ("/logout", "/refresh", "/disconnect"):
        answer = visitor.press(f"{path}?next={where}", on="/", next=where)
        assert not re.search("evil|javascript", answer.headers.get("Location", ""))


# Traces


def test_a_dump_of_the_database_and_the_whole_log_hold_no_token(
    host: Browser,
    simulator: Simulator,
    caplog: pytest.LogCaptureFixture,
    capfd: Any,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("", "tracks", "allauth", "urllib3", "requests", "spotipy.client", "spotipy.oauth2", "django.db"):
        monkeypatch.setattr(logging.getLogger(name), "level", logging.DEBUG)
    simulator.expire_access_tokens()
    Browser().sign_in()
    call_command("refresh_top_tracks", "--force", verbosity=3)
    dump = tmp_path / "dump.json"
    call_command("dumpdata", "--all", "--output", str(dump))
    out, err = capfd.readouterr()
    everything = dump.read_text() + caplog.text + out + err
    assert len(simulator.issued) >= 4
    assert not [token for token in simulator.issued if token in everything]


def test_the_hosts_sessions_end_when_the_host_disconnects(host: Browser) -> None:
    elsewhere = Browser()
    elsewhere.sign_in()
    assert elsewhere.get("/admin/").status_code == 200
    host.press("/disconnect", on="/disconnect", confirm="yes")
    assert elsewhere.get("/admin/").status_code == 302
    assert b"Disconnect" not in elsewhere.get("/").content
    assert not re.search(r"_auth_user_id", str([session.get_decoded() for session in UserSession.objects.all()]))
