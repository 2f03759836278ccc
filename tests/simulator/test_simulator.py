"""The simulated Spotify keeps the rules of the real one, and breaks them on demand."""

import itertools
import json
import re
import secrets
import struct
import subprocess
import sys
import threading
import time
import unicodedata
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from simulator import Fault, Simulator
from simulator.catalogue import SONGS, TIME_RANGES
from simulator.state import pkce_challenge

REDIRECT_URI = "http://127.0.0.1:8000/accounts/spotify/login/callback/"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def sim(running: Simulator) -> Simulator:
    running.reset()
    return running


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def authorization(sim: Simulator, **changes: str | None) -> dict[str, str | None]:
    """The parameters of a request to authorize; None leaves one out."""
    return {
        "client_id": sim.client_id,
        "response_type": "code",
        "redirect_uri": REDIRECT_URI,
        "scope": "user-top-read",
        "state": "st&te",
        **changes,
    }


def consent(
    sim: Simulator, http: requests.Session, *, decision: str = "agree", account: str = "host", **changes: str | None
) -> dict[str, str]:
    """Answer the consent page; returns what the app is told at its redirect URI."""
    form = authorization(sim, **changes) | {"decision": decision, "account": account}
    response = http.post(f"{sim.accounts_url}/authorize", data=form, allow_redirects=False)
    assert response.status_code == 302, response.text
    assert response.headers["Location"].startswith(REDIRECT_URI + "?")
    return {name: values[0] for name, values in parse_qs(urlsplit(response.headers["Location"]).query).items()}


def ask_token(
    sim: Simulator, http: requests.Session, form: dict[str, str], *, auth: tuple[str, str] | None = None
) -> requests.Response:
    auth = auth or (sim.client_id, sim.client_secret)
    return http.post(f"{sim.accounts_url}/api/token", data=form, auth=auth)


def trade_code(sim: Simulator, http: requests.Session, code: str, **more: str) -> requests.Response:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI, **more}
    return ask_token(sim, http, form)


def renew(sim: Simulator, http: requests.Session, refresh_token: str) -> requests.Response:
    return ask_token(sim, http, {"grant_type": "refresh_token", "refresh_token": refresh_token})


def api(
    sim: Simulator,
    http: requests.Session,
    path: str = "/me/top/tracks",
    *,
    account: str = "host",
    timeout: float = 5,
    **params: Any,
) -> requests.Response:
    headers = {"Authorization": f"Bearer {sim.grant(account)['access_token']}"}
    return http.get(sim.api_url + path, params=params, headers=headers, timeout=timeout)


def names(sim: Simulator, http: requests.Session, **params: Any) -> list[str]:
    return [item["name"] for item in api(sim, http, **params).json()["items"]]


class TestAuthorize:
    def test_page_offers_the_accounts_and_escapes_what_it_repeats(self, sim: Simulator, http: requests.Session) -> None:
        sim.current = "stranger"
        params = authorization(sim, state='"><script>alert(1)</script>')
        response = http.get(f"{sim.accounts_url}/authorize", params=params)
        assert response.status_code == 200
        assert "Simulated Spotify — nothing here is real" in response.text
        assert "<script" not in response.text
        assert 'value="stranger" checked' in response.text
        assert not re.search(r'(src|href)="', response.text)

    @pytest.mark.parametrize(
        "uri",
        [
            "http://localhost:8000/",
            "https://localhost/",
            "http://example.com/",
            "ftp://127.0.0.1/",
            "/callback",
            "",
            "https://example.com/#there",
            "http://127.0.0.1/\r\nSet-Cookie: a=b",
            "http://[::1",
            "http://127.0.0.1.example/",
        ],
    )
    def test_bad_redirect_uri_is_refused_on_the_spot(self, sim: Simulator, http: requests.Session, uri: str) -> None:
        params = authorization(sim, redirect_uri=uri)
        response = http.get(f"{sim.accounts_url}/authorize", params=params, allow_redirects=False)
        assert response.status_code == 400
        assert "INVALID_CLIENT: Invalid redirect URI" in response.text

    @pytest.mark.parametrize("uri", ["http://127.0.0.1:8000/x", "http://[::1]:8000/", "https://top.example/x?a=b"])
    def test_good_redirect_uri_is_accepted(self, sim: Simulator, http: requests.Session, uri: str) -> None:
        response = http.get(f"{sim.accounts_url}/authorize", params=authorization(sim, redirect_uri=uri))
        assert response.status_code == 200

    @pytest.mark.parametrize(
        "changes",
        [
            {"client_id": "another"},
            {"response_type": "token"},
            {"response_type": None},
            {"code_challenge": "c" * 43},
            {"code_challenge": "c" * 43, "code_challenge_method": "plain"},
            {"code_challenge_method": "S256"},
            {"code_challenge": "short", "code_challenge_method": "S256"},
        ],
    )
    def test_bad_request_is_refused(self, sim: Simulator, http: requests.Session, changes: dict[str, str]) -> None:
        for method in ("GET", "POST"):
            url, params = f"{sim.accounts_url}/authorize", authorization(sim, **changes)
            response = http.request(method, url, params=params, data=params, allow_redirects=False)
            assert response.status_code == 400

    def test_cancel_returns_access_denied_with_the_state(self, sim: Simulator, http: requests.Session) -> None:
        assert consent(sim, http, decision="cancel") == {"error": "access_denied", "state": "st&te"}

    def test_auto_approve_skips_the_page(self, sim: Simulator, http: requests.Session) -> None:
        sim.auto_approve = True
        url, params = f"{sim.accounts_url}/authorize", authorization(sim)
        response = http.get(url, params=params, allow_redirects=False)
        assert response.status_code == 302
        assert "code=AQ" in response.headers["Location"]


class TestTokens:
    def test_whole_sign_in_with_pkce(self, sim: Simulator, http: requests.Session) -> None:
        verifier = secrets.token_urlsafe(48)
        told = consent(
            sim, http, account="stranger", code_challenge=pkce_challenge(verifier), code_challenge_method="S256"
        )
        assert told["state"] == "st&te"
        token = trade_code(sim, http, told["code"], code_verifier=verifier).json()
        assert token["access_token"].startswith("BQ") and len(token["access_token"]) > 140
        assert token["refresh_token"].startswith("AQ") and len(token["refresh_token"]) > 120
        assert (token["token_type"], token["expires_in"], token["scope"]) == ("Bearer", 3600, "user-top-read")
        headers = {"Authorization": f"Bearer {token['access_token']}"}
        me = http.get(f"{sim.api_url}/me", headers=headers).json()
        assert me["account_id"] == sim.accounts["stranger"].account_id
        assert {told["code"], token["access_token"], token["refresh_token"]} <= sim.issued

    def test_code_works_once(self, sim: Simulator, http: requests.Session) -> None:
        code = consent(sim, http)["code"]
        assert trade_code(sim, http, code).status_code == 200
        again = trade_code(sim, http, code)
        assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")

    def test_code_is_bound_to_the_verifier(self, sim: Simulator, http: requests.Session) -> None:
        pkce = {"code_challenge": pkce_challenge("right"), "code_challenge_method": "S256"}
        for verifier in ({"code_verifier": "wrong"}, {}):
            response = trade_code(sim, http, consent(sim, http, **pkce)["code"], **verifier)
            assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
        unasked = trade_code(sim, http, consent(sim, http)["code"], code_verifier="unasked")
        assert unasked.json()["error"] == "invalid_grant"

    def test_code_is_bound_to_the_redirect_uri(self, sim: Simulator, http: requests.Session) -> None:
        response = trade_code(sim, http, consent(sim, http)["code"], redirect_uri=REDIRECT_URI + "x")
        assert response.json() == {"error": "invalid_grant", "error_description": "Invalid redirect URI"}

    def test_code_lives_ten_minutes(
        self, sim: Simulator, http: requests.Session, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        code = consent(sim, http)["code"]
        now = time.time()
        monkeypatch.setattr("simulator.state.time.time", lambda: now + 601)
        assert trade_code(sim, http, code).json()["error"] == "invalid_grant"

    def test_wrong_secret_is_invalid_client(self, sim: Simulator, http: requests.Session) -> None:
        form = {"grant_type": "refresh_token", "refresh_token": sim.grant()["refresh_token"]}
        response = ask_token(sim, http, form, auth=(sim.client_id, "wrong"))
        assert response.status_code == 400
        assert response.json() == {"error": "invalid_client", "error_description": "Invalid client secret"}

    def test_credentials_may_be_in_the_body(self, sim: Simulator, http: requests.Session) -> None:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": sim.grant()["refresh_token"],
            "client_id": sim.client_id,
            "client_secret": sim.client_secret,
        }
        assert http.post(f"{sim.accounts_url}/api/token", data=form).status_code == 200

    def test_refresh_rotates_and_kills_the_old_token(self, sim: Simulator, http: requests.Session) -> None:
        old = sim.grant()["refresh_token"]
        new = renew(sim, http, old).json()["refresh_token"]
        assert new != old
        assert renew(sim, http, old).json() == {"error": "invalid_grant", "error_description": "Refresh token revoked"}
        assert renew(sim, http, new).status_code == 200

    def test_without_rotation_the_old_token_goes_on(self, sim: Simulator, http: requests.Session) -> None:
        sim.rotate = False
        token = sim.grant()["refresh_token"]
        assert "refresh_token" not in renew(sim, http, token).json()
        assert renew(sim, http, token).status_code == 200

    def test_two_renewals_at_once_give_one_winner(self, sim: Simulator) -> None:
        token, answers = sim.grant()["refresh_token"], []
        threads = [
            threading.Thread(target=lambda: answers.append(renew(sim, requests.Session(), token).status_code))
            for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [200, 400, 400, 400, 400, 400]

    def test_revoked_token_is_invalid_grant(self, sim: Simulator, http: requests.Session) -> None:
        token = sim.grant()["refresh_token"]
        sim.revoke()
        response = renew(sim, http, token)
        assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")

    def test_granted_scope_may_be_less_than_asked(self, sim: Simulator, http: requests.Session) -> None:
        sim.scope = "user-read-email"
        token = trade_code(sim, http, consent(sim, http)["code"]).json()
        assert token["scope"] == "user-read-email"
        headers = {"Authorization": f"Bearer {token['access_token']}"}
        response = http.get(f"{sim.api_url}/me/top/tracks", headers=headers)
        assert response.status_code == 403
        assert response.json() == {"error": {"status": 403, "message": "Insufficient client scope"}}

    def test_the_apps_own_token_opens_nobodys_data(self, sim: Simulator, http: requests.Session) -> None:
        answer = ask_token(sim, http, {"grant_type": "client_credentials"}).json()
        assert answer.keys() == {"access_token", "token_type", "expires_in"}
        headers = {"Authorization": f"Bearer {answer['access_token']}"}
        assert http.get(f"{sim.api_url}/me", headers=headers).status_code == 401
        response = http.get(f"{sim.api_url}/me/top/tracks", headers=headers)
        assert (response.status_code, response.json()["error"]["message"]) == (403, "Insufficient client scope")
        refused = ask_token(sim, http, {"grant_type": "client_credentials"}, auth=(sim.client_id, "wrong"))
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_client")

    def test_unknown_grant_type(self, sim: Simulator, http: requests.Session) -> None:
        assert ask_token(sim, http, {"grant_type": "password"}).json()["error"] == "unsupported_grant_type"


class TestWebAPI:
    def test_development_mode_tells_little_about_the_user(self, sim: Simulator, http: requests.Session) -> None:
        me = api(sim, http, "/me").json()
        assert me["account_id"] and me["id"] and me["display_name"]
        assert not {"email", "country", "product", "followers"} & me.keys()
        sim.extended = True
        assert {"email", "country", "product", "followers"} <= api(sim, http, "/me").json().keys()

    def test_account_id_may_be_missing(self, sim: Simulator, http: requests.Session) -> None:
        sim.accounts["host"].include_account_id = False
        assert "account_id" not in api(sim, http, "/me").json()

    def test_development_mode_leaves_fields_out(self, sim: Simulator, http: requests.Session) -> None:
        gone_from_tracks = {"popularity", "available_markets", "linked_from"}
        gone_from_albums = {"available_markets", "album_group", "label", "popularity"}
        items = api(sim, http, limit=50).json()["items"]
        assert len(items) == 50
        for item in items:
            assert not gone_from_tracks & item.keys()
            assert not gone_from_albums & item["album"].keys()
            assert item["preview_url"] is None
        sim.extended = True
        extended = api(sim, http, limit=50).json()["items"]
        assert all({"popularity", "available_markets"} <= item.keys() for item in extended)
        assert all(gone_from_albums <= item["album"].keys() for item in extended)
        assert any("linked_from" in item for item in extended)
        assert [item["id"] for item in extended] == [item["id"] for item in items]

    def test_page_has_spotifys_envelope(self, sim: Simulator, http: requests.Session) -> None:
        page = api(sim, http, time_range="short_term", limit=20, offset=20).json()
        assert (page["limit"], page["offset"], page["total"], len(page["items"])) == (20, 20, 50, 20)
        assert "locale=" in page["href"]
        assert "offset=40" in page["next"] and "offset=0" in page["previous"]
        assert api(sim, http, limit=50).json()["next"] is None

    @pytest.mark.parametrize(
        "params",
        [
            {"limit": 0},
            {"limit": 51},
            {"limit": "x"},
            {"limit": ""},
            {"offset": -1},
            {"time_range": "this_week"},
        ],
    )
    def test_bad_parameter_is_400(self, sim: Simulator, http: requests.Session, params: dict[str, Any]) -> None:
        response = api(sim, http, **params)
        assert (response.status_code, response.json()["error"]["status"]) == (400, 400)

    def test_token_belongs_in_the_header(self, sim: Simulator, http: requests.Session) -> None:
        params = {"access_token": sim.grant()["access_token"]}
        assert http.get(f"{sim.api_url}/me", params=params).status_code == 401
        for value, status in (("Bearer nonsense", 401), ("Basic x", 400)):
            assert http.get(f"{sim.api_url}/me", headers={"Authorization": value}).status_code == status

    def test_expired_token_is_401(self, sim: Simulator, http: requests.Session) -> None:
        headers = {"Authorization": f"Bearer {sim.grant()['access_token']}"}
        sim.expire_access_tokens()
        response = http.get(f"{sim.api_url}/me", headers=headers)
        assert response.status_code == 401
        assert response.json() == {"error": {"status": 401, "message": "The access token expired"}}
        assert api(sim, http, "/me").status_code == 200

    def test_user_off_the_allow_list_is_403_in_plain_text(self, sim: Simulator, http: requests.Session) -> None:
        sim.accounts["stranger"].allowed = False
        response = api(sim, http, "/me", account="stranger")
        assert (response.status_code, response.headers["Content-Type"]) == (403, "text/plain")
        assert response.text.startswith("Check settings on developer.spotify.com/dashboard")

    def test_unknown_path_is_404_and_wrong_method_405(self, sim: Simulator, http: requests.Session) -> None:
        assert api(sim, http, "/recommendations").status_code == 404
        assert http.get(f"{sim.url}/api/token").json()["error"]["status"] == 405

    def test_calls_are_recorded_until_reset(self, sim: Simulator, http: requests.Session) -> None:
        api(sim, http, limit=3)
        renew(sim, http, "AQtoken")
        first, second = sim.calls
        assert (first.method, first.path, first.query) == ("GET", "/v1/me/top/tracks", {"limit": "3"})
        assert first.headers["authorization"].startswith("Bearer BQ")
        assert second.body == {"grant_type": "refresh_token", "refresh_token": "AQtoken"}
        assert abs(second.at - time.time()) < 60
        sim.reset()
        assert sim.calls == []


class TestCatalogue:
    def test_ranges_differ_and_overlap(self, sim: Simulator) -> None:
        tops = [{item["id"] for item in sim.accounts["host"].rankings[span][:20]} for span in TIME_RANGES]
        for one, other in itertools.pairwise(tops):
            assert 5 <= len(one & other) < 20

    def test_new_account_has_few_tracks_or_none(self, sim: Simulator, http: requests.Session) -> None:
        assert len(names(sim, http, account="new", time_range="short_term")) == 7
        page = api(sim, http, account="new", time_range="long_term").json()
        assert (page["items"], page["total"], page["next"]) == ([], 0, None)

    def test_variety(self) -> None:
        assert len(SONGS) >= 60 and len({name for song in SONGS for name in song.artists}) >= 45
        assert {len(song.album.released) for song in SONGS} == {4, 7, 10}
        assert (min(song.duration for song in SONGS), max(song.duration for song in SONGS)) == (41_000, 719_000)
        assert {song.popularity for song in SONGS} >= {0, 100}
        assert {None, 1.0} < {song.album.cover_ratio for song in SONGS}
        assert {1, 2, 3, 4} == {len(song.artists) for song in SONGS}
        assert {"4", "<b>Loud</b> & Clear"} <= {song.title for song in SONGS}

    def test_rankings_are_the_same_in_every_process(self, sim: Simulator) -> None:
        top = sim.accounts["host"].rankings["short_term"]
        assert [item["name"] for item in top] == [song.title for song in SONGS[:50]]
        assert re.fullmatch(r"[0-9A-Za-z]{22}", top[0]["id"])

    def test_given_items_are_served_untouched(self, sim: Simulator, http: requests.Session) -> None:
        hostile = [None, 7, {"id": ["x"]}, {"name": "\ud800"}, sim.accounts["host"].rankings["short_term"][0]]
        sim.extended = True
        sim.set_top("host", "short_term", hostile)
        assert api(sim, http, time_range="short_term").json()["items"] == hostile
        sim.set_top("host", "short_term", {"not": "a list"})
        assert api(sim, http, time_range="short_term").json()["items"] == {"not": "a list"}

    def test_shuffle_brings_two_new_entries_and_some_moves(self, sim: Simulator, http: requests.Session) -> None:
        before = names(sim, http, time_range="short_term")
        sim.shuffle()
        after = names(sim, http, time_range="short_term")
        assert len(set(after) - set(before)) == 2 and len(set(after)) == 20
        sim.shuffle()
        third = names(sim, http, time_range="short_term")
        assert third != after
        sim.reset()
        assert names(sim, http, time_range="short_term") == before
        sim.shuffle()
        assert names(sim, http, time_range="short_term") == after
        sim.shuffle("new", "long_term")
        assert len(names(sim, http, account="new", time_range="long_term")) == 2

    def test_a_restless_listener_has_another_ranking_each_time(self, sim: Simulator, http: requests.Session) -> None:
        assert names(sim, http, time_range="medium_term") == names(sim, http, time_range="medium_term")
        sim.restless = True
        seen = [names(sim, http, time_range="medium_term") for _ in range(3)]
        assert len({tuple(ranking) for ranking in seen}) == 3
        pages = [names(sim, http, limit=10, offset=offset, time_range="medium_term") for offset in (0, 10)]
        assert len(set(pages[0] + pages[1])) == 20  # what follows belongs to the same day

    def test_number_one_has_a_cover_and_a_title_in_latin_script(self, sim: Simulator) -> None:
        ahead = set()
        for _ in range(300):
            sim.shuffle()
            first = sim.accounts["host"].rankings["short_term"][0]
            assert first["album"]["images"]
            ahead.add(first["name"])
        letters = {letter for name in ahead for letter in name if letter.isalpha()}
        assert all(unicodedata.name(letter).startswith("LATIN") for letter in letters)
        assert len(ahead) > 5 and "4" not in ahead

    def test_covers_are_png_of_the_promised_size(self, sim: Simulator, http: requests.Session) -> None:
        albums = [item["album"] for item in sim.accounts["host"].rankings["short_term"][:16]]
        images = [image for album in albums for image in album["images"]]
        assert any(image["height"] != image["width"] for image in images)
        for image in images:
            response = http.get(image["url"])
            assert response.headers["Content-Type"] == "image/png"
            assert "max-age" in response.headers["Cache-Control"]
            width, height = struct.unpack(">II", response.content[16:24])
            assert (width, height) == (image["width"], image["height"])
            data = response.content[response.content.index(b"IDAT") + 4 : -16]
            assert len(zlib.decompress(data)) == height * (3 * width + 1)
        assert sim.calls == []
        assert http.get(f"{sim.url}/image/x/641").status_code == 404


class TestFaults:
    def test_rate_limit_lasts_until_cleared(self, sim: Simulator, http: requests.Session) -> None:
        sim.fault("/v1/me/top/tracks", Fault.rate_limited(7200, quota=True))
        for _ in range(3):
            response = api(sim, http)
            assert (response.status_code, response.headers["Retry-After"]) == (429, "7200")
            assert response.json()["error"]["reason"] == "QUOTA_EXCEEDED"
        sim.clear_faults()
        assert api(sim, http).status_code == 200

    def test_several_faults_come_one_after_another(self, sim: Simulator, http: requests.Session) -> None:
        sim.fault("/v1/me", Fault(status=503), Fault.html(502), Fault.rate_limited(None), Fault.not_registered())
        answers = [api(sim, http, "/me") for _ in range(5)]
        assert [answer.status_code for answer in answers] == [503, 502, 429, 403, 200]
        assert answers[0].json()["error"]["message"] == "Service Unavailable"
        assert answers[1].headers["Content-Type"] == "text/html"
        assert "Retry-After" not in answers[2].headers

    def test_times_repeats(self, sim: Simulator, http: requests.Session) -> None:
        sim.fault("/v1/me", Fault(status=500), Fault(status=503), times=2)
        assert [api(sim, http, "/me").status_code for _ in range(5)] == [500, 503, 500, 503, 200]

    def test_later_faults_come_first(self, sim: Simulator, http: requests.Session) -> None:
        sim.fault("/v1/me", Fault(status=500))
        sim.fault("/v1/me", Fault(status=503), times=1)
        assert [api(sim, http, "/me").status_code for _ in range(3)] == [503, 500, 500]

    def test_fault_may_hit_one_time_range_only(self, sim: Simulator, http: requests.Session) -> None:
        sim.fault("/v1/me/top/tracks", Fault.html(500).only("long_term"))
        assert [api(sim, http, time_range=span).status_code for span in TIME_RANGES] == [200, 200, 500]

    def test_unknown_path_is_an_error(self, sim: Simulator) -> None:
        with pytest.raises(ValueError, match="/v1/albums"):
            sim.fault("/v1/albums", Fault(status=500))

    @pytest.mark.parametrize("body", [b"", b"null", b"[]", b"\xff", '{"items": [{"id": NaN}]}', "{"])
    def test_any_body(self, sim: Simulator, http: requests.Session, body: bytes | str) -> None:
        sim.fault("/v1/me/top/tracks", Fault(body=body))
        response = api(sim, http)
        assert response.status_code == 200
        assert response.content == (body if isinstance(body, bytes) else body.encode())

    def test_delay_keeps_the_real_answer(self, sim: Simulator, http: requests.Session) -> None:
        sim.fault("/v1/me", Fault(delay=0.3), times=1)
        start = time.monotonic()
        assert api(sim, http, "/me").json()["id"] == "simulated-host"
        assert time.monotonic() - start >= 0.3

    def test_hang_outlasts_a_timeout(self, sim: Simulator, http: requests.Session) -> None:
        sim.fault("/v1/me", Fault.hang(60))
        with pytest.raises(requests.ReadTimeout):
            api(sim, http, "/me", timeout=0.2)

    @pytest.mark.parametrize("fault", [Fault(drop=True), Fault(after=True), Fault(truncate=True), Fault(reset=True)])
    def test_broken_connections(self, sim: Simulator, http: requests.Session, fault: Fault) -> None:
        sim.fault("/v1/me/top/tracks", fault)
        with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            api(sim, http)
        assert len(sim.calls) == 1

    def test_reset_is_a_reset(self, sim: Simulator, http: requests.Session) -> None:
        sim.fault("/v1/me/top/tracks", Fault(reset=True))
        with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError), match="reset by peer"):
            api(sim, http)

    def test_drip_body_defeats_a_read_timeout(self, sim: Simulator, http: requests.Session) -> None:
        sim.fault("/v1/me", Fault(drip_body=0.05))
        headers = {"Authorization": f"Bearer {sim.grant()['access_token']}"}
        start = time.monotonic()
        with http.get(f"{sim.api_url}/me", headers=headers, timeout=0.5, stream=True) as response:
            received = b"".join(byte for byte, _ in zip(response.iter_content(1), range(15), strict=False))
        assert time.monotonic() - start > 0.5
        assert received.startswith(b'{"account_id')

    def test_drip_headers_defeats_a_read_timeout(self, sim: Simulator, http: requests.Session) -> None:
        sim.fault("/v1/me", Fault(drip_headers=0.01))
        start = time.monotonic()
        with pytest.raises(requests.ConnectionError, match="more than 100 headers"):
            api(sim, http, "/me", timeout=0.5)
        assert time.monotonic() - start > 0.5

    def test_huge_body(self, sim: Simulator, http: requests.Session) -> None:
        sim.fault("/v1/me/top/tracks", Fault(size=6_000_000), Fault(size=6_000_000, gzip=True))
        plain, packed = api(sim, http), api(sim, http)
        assert len(plain.content) == len(packed.content) == 6_000_000
        assert int(packed.headers["Content-Length"]) < 100_000
        assert isinstance(plain.json()["items"], list)

    def test_endless_body(self, sim: Simulator, http: requests.Session) -> None:
        sim.fault("/v1/me/top/tracks", Fault(endless=True))
        headers = {"Authorization": f"Bearer {sim.grant()['access_token']}"}
        with http.get(f"{sim.api_url}/me/top/tracks", headers=headers, stream=True, timeout=5) as response:
            read = sum(len(chunk) for chunk, _ in zip(response.iter_content(65536), range(200), strict=False))
        assert read > 10_000_000

    def test_after_rotates_and_then_loses_the_answer(self, sim: Simulator, http: requests.Session) -> None:
        token = sim.grant()["refresh_token"]
        sim.fault("/api/token", Fault(after=True), times=1)
        with pytest.raises(requests.ConnectionError):
            renew(sim, http, token)
        assert renew(sim, http, token).json()["error"] == "invalid_grant"

    def test_drop_does_nothing_before(self, sim: Simulator, http: requests.Session) -> None:
        token = sim.grant()["refresh_token"]
        sim.fault("/api/token", Fault(drop=True), times=1)
        with pytest.raises(requests.ConnectionError):
            renew(sim, http, token)
        assert renew(sim, http, token).status_code == 200

    def test_headers_are_added_to_the_real_answer(self, sim: Simulator, http: requests.Session) -> None:
        sim.fault("/v1/me", Fault(headers={"content-type": "text/plain", "X-More": "é"}))
        response = api(sim, http, "/me")
        assert (response.headers["Content-Type"], response.headers["X-More"]) == ("text/plain", "é")
        assert response.json()["id"] == "simulated-host"


class TestControl:
    def test_settings(self, sim: Simulator, http: requests.Session) -> None:
        settings = {"current": "new", "extended": True, "rotate": False}
        state = http.post(f"{sim.url}/_simulator/settings", json=settings).json()
        assert state.items() >= settings.items()
        assert (sim.current, sim.extended, sim.rotate) == ("new", True, False)

    @pytest.mark.parametrize("settings", [{"current": "nobody"}, {"extended": 1}, {"calls": []}, [], {"current": []}])
    def test_bad_settings_change_nothing(self, sim: Simulator, http: requests.Session, settings: Any) -> None:
        before = http.get(f"{sim.url}/_simulator/state").json()
        response = http.post(f"{sim.url}/_simulator/settings", data=json.dumps(settings))
        assert response.status_code == 400
        assert http.get(f"{sim.url}/_simulator/state").json() == before

    def test_faults_and_reset(self, sim: Simulator, http: requests.Session) -> None:
        wanted = [
            {"path": "/v1/me", "status": 429, "headers": {"Retry-After": "5"}, "times": 1},
            {"path": "/api/token", "drop": True},
        ]
        state = http.post(f"{sim.url}/_simulator/faults", json=wanted).json()
        assert state["faults"]["/v1/me"] == [{"status": 429, "headers": {"Retry-After": "5"}, "left": 1}]
        assert [api(sim, http, "/me").status_code for _ in range(2)] == [429, 200]
        assert http.get(f"{sim.url}/_simulator/state").json()["calls"] == 2
        state = http.post(f"{sim.url}/_simulator/reset").json()
        assert (state["calls"], state["faults"]) == (0, {})

    @pytest.mark.parametrize(
        "faults",
        [
            [{"path": "/v1/other", "drop": True}],
            [{"drop": True}],
            [{"path": "/v1/me", "surprise": 1}],
            "{",
            {"a": 1},
        ],
    )
    def test_bad_faults_are_400(self, sim: Simulator, http: requests.Session, faults: Any) -> None:
        data = faults if isinstance(faults, str) else json.dumps(faults)
        assert http.post(f"{sim.url}/_simulator/faults", data=data).status_code == 400

    def test_shuffle(self, sim: Simulator, http: requests.Session) -> None:
        before = names(sim, http, time_range="long_term")
        body = {"account": "host", "time_range": "long_term"}
        assert http.post(f"{sim.url}/_simulator/shuffle", json=body).status_code == 200
        assert names(sim, http, time_range="long_term") != before
        assert http.post(f"{sim.url}/_simulator/shuffle", json={"account": "x"}).status_code == 400


class TestLife:
    def test_it_needs_neither_django_nor_the_site(self) -> None:
        code = (
            "import pkgutil, sys\n"
            "sys.modules |= dict.fromkeys(['django', 'tracks', 'spotify_top'])\n"
            "import simulator\n"
            "for module in pkgutil.walk_packages(simulator.__path__, 'simulator.'):\n"
            "    __import__(module.name)\n"
            "with simulator.Simulator(): pass\n"
        )
        result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30)
        assert (result.returncode, result.stderr) == (0, "")

    def test_stopped_simulator_refuses_even_kept_connections(self, http: requests.Session) -> None:
        simulator = Simulator(extended=True)
        with simulator:
            url = simulator.url
            assert http.get(f"{url}/").status_code == 200
        with pytest.raises(requests.ConnectionError):
            http.get(f"{url}/", timeout=2)
        simulator.start()
        assert simulator.url == url
        assert http.get(f"{url}/").status_code == 200
        simulator.stop()
        simulator.stop()

    def test_stop_does_not_wait_for_slow_answers(self, http: requests.Session) -> None:
        with Simulator() as simulator:
            simulator.fault("/v1/me", Fault.hang(60))
            with pytest.raises(requests.ReadTimeout):
                api(simulator, http, "/me", timeout=0.1)
            start = time.monotonic()
        assert time.monotonic() - start < 20

    def test_command_prints_lines_for_env_serves_and_ends_cleanly_on_ctrl_c(self, http: requests.Session) -> None:
        command = [sys.executable, "-m", "simulator", "--port", "0", "--extended", "--restless"]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(6)]
            settings = dict(line.strip().split("=", 1) for line in lines[2:])
            url = settings["SPOTIFY_ACCOUNTS_URL"]
            assert settings == {
                "SPOTIPY_CLIENT_ID": "demo-client",
                "SPOTIPY_CLIENT_SECRET": "demo-secret",
                "SPOTIFY_ACCOUNTS_URL": url,
                "SPOTIFY_API_URL": f"{url}/v1",
            }
            state = http.get(f"{url}/_simulator/state").json()
            assert state["extended"] is True and state["restless"] is True
            process.send_signal(2)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
            process.communicate()
        assert (process.returncode, errors) == (0, "")

    def test_command_says_in_one_line_that_the_port_is_taken(self, sim: Simulator) -> None:
        command = [sys.executable, "-m", "simulator", "--port", sim.url.rsplit(":", 1)[1]]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert result.returncode == 1
        assert len(result.stderr.splitlines()) == 1
