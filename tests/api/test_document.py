"""What /openapi.json tells, held against what each address answers: every status, and every body's schema."""

from typing import Any

import pytest
from allauth.socialaccount.models import SocialToken
from django.db import OperationalError
from openapi_schema_validator import OAS31Validator

from simulator import Fault, Simulator
from tests.conftest import Browser
from tests.factories import an_hour_passes
from tests.helpers import TOP
from tests.people import made, say
from tracks.models import Placement

pytestmark = pytest.mark.django_db

TOKEN = "a-token-for-machines"
Operation = tuple[str, str]
# Those that the server answers before Django: tests/api/test_running_site.py.
BEFORE_DJANGO = "414"


@pytest.fixture(autouse=True)
def _site(host: Browser, settings: Any, simulator: Simulator) -> None:
    """A host with the handle "hanne", and Ana, who is public."""
    settings.LISTENERS, settings.REFRESH_TOKEN, settings.METRICS_TOKEN = "invited", TOKEN, TOKEN
    say(host, handle="hanne")
    made(simulator, "stranger", name="Ana", handle="ana", visibility="public")


def document() -> Any:
    return Browser().get("/openapi.json").json()


def statuses() -> dict[str, list[Operation]]:
    """The operations that answer with each status."""
    found: dict[str, list[Operation]] = {}
    for path, operations in document()["paths"].items():
        for method, operation in operations.items():
            for status in operation["responses"]:
                found.setdefault(status, []).append((method, path))
    return found


def ask(operation: Operation, *, handle: str = "ana", browser: Browser | None = None, **more: Any) -> Any:
    """A request that is right but for what `more` says: query, headers, or method."""
    method, path = operation
    song = more.pop("id", None) or song_of(is_host=handle == "hanne" or "@" not in path)
    address = path.replace("{handle}", handle).replace("{id}", song)
    query = more.pop("query", "url=http%3A%2F%2F127.0.0.1%3A8000%2F" if path == "/oembed" else "")
    headers = {"Authorization": f"Bearer {TOKEN}"} | more.pop("headers", {})
    method = more.pop("method", method)
    return getattr(browser or Browser(), method)(f"{address}?{query}", headers=headers, **more)


def song_of(*, is_host: bool) -> str:
    return Placement.objects.filter(snapshot__listener__is_host=is_host).earliest("pk").track_id


def bad_query(path: str) -> str:
    """A value that the address does not take, "" where it has no parameters of its own."""
    if "history" in path:
        return "cursor=none"
    name = path.rpartition("/")[2]
    return {
        "listeners.json": "page=0",
        "oembed": "maxwidth=0",
        "search.json": "tz=none",
        "tracks.json": "time_range=none",
    }.get(name, "time_range=none" if name in ("tracks.csv", "sql") else "")


def answer(status: str, operation: Operation, host: Browser, simulator: Simulator, monkeypatch: Any) -> Any:
    """What the operation answers where its document promises this status."""
    path = operation[1]
    match status:
        case "200":
            return ask(operation)
        case "302":
            return ask(operation, handle="hanne") if "@" in path else ask(operation, headers={"Authorization": ""})
        case "304":
            return ask(operation, headers={"If-None-Match": ask(operation)["ETag"]})
        case "400":
            if query := bad_query(path):
                return ask(operation, query=query)
            return ask(operation, headers={"Content-Type": "text/plain; charset=latin-1"})
        case "401":
            return ask(operation, headers={"Authorization": "Bearer guess"})
        case "403":
            return ask(operation, browser=host, headers={"Authorization": ""})
        case "404":
            if "@" in path:
                return ask(operation, handle="nobody")
            return ask(operation, id="none", query="url=x&page=99&listener=99999")
        case "405":
            return ask(operation, method="patch")
        case "409":
            an_hour_passes()
            SocialToken.objects.all().delete()
            return ask(operation)
        case "413":
            return ask(operation, headers={"Content-Length": "70000"})
        case "429" if "search" in path:
            with monkeypatch.context() as often:
                often.setattr("tracks.ops.limits.is_ratelimited", lambda *args, **kwargs: True)
                return ask(operation)
        case "429":
            an_hour_passes()
            simulator.fault(TOP, Fault(status=429, headers={"Retry-After": "30"}))
            return ask(operation)
        case "501":
            return ask(operation, query="url=x&format=xml")
        case "503":
            with monkeypatch.context() as without:
                without.setattr("django.db.backends.utils.CursorWrapper.execute", refuse)
                return ask(operation, id="none")
    raise AssertionError(f"no way to a {status} is known")


def refuse(*args: Any, **kwargs: Any) -> None:
    raise OperationalError("connection refused")


@pytest.mark.parametrize(
    "status", ["200", "302", "304", "400", "401", "403", "404", "405", "409", "413", "429", "501", "503"]
)
def test_every_status_is_answered_where_the_document_says_so(
    status: str, host: Browser, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    promised = document()
    for operation in statuses()[status]:
        method, path = operation
        response = answer(status, operation, host, simulator, monkeypatch)
        assert str(response.status_code) == status, (operation, response.content[:300])
        told = promised["paths"][path][method]["responses"][status]
        if "$ref" in told:
            told = promised["components"]["responses"][told["$ref"].rpartition("/")[2]]
        for name, header in told.get("headers", {}).items():
            described = promised["components"]["headers"][header["$ref"].rpartition("/")[2]]
            assert name in response.headers or not described.get("required"), (operation, name)
        kinds = told.get("content", {})
        assert bool(kinds) == bool(response.content), operation
        if kinds:
            kind = response["Content-Type"].partition(";")[0]
            assert kind in kinds, (operation, kind)
        if "application/json" in kinds:
            schema = kinds["application/json"]["schema"] | {"components": promised["components"]}
            OAS31Validator(schema).validate(response.json())


def test_no_other_status_is_promised() -> None:
    known = {"200", "302", "304", "400", "401", "403", "404", "405", "409", "413", "429", "501", "503"}
    assert statuses().keys() == known | {BEFORE_DJANGO}


def test_every_example_is_as_its_schema_says() -> None:
    promised = document()
    operations = [operation for path in promised["paths"].values() for operation in path.values()]
    responses = [response for operation in operations for response in operation["responses"].values()]
    examples = [
        content
        for response in [*responses, *promised["components"]["responses"].values()]
        for content in response.get("content", {}).values()
        if "example" in content
    ]
    assert len(examples) > 50
    for content in examples:
        OAS31Validator(content["schema"] | {"components": promised["components"]}).validate(content["example"])


def test_it_tells_of_what_this_site_has(settings: Any) -> None:
    assert {"/history.json", "/@{handle}/history.json", "/listeners.json"} <= document()["paths"].keys()
    settings.HISTORY_DAYS, settings.LISTENERS = 0, "host"
    for path in ("/history.json", "/@ana/history.json", "/listeners.json"):
        response = Browser().get(path)
        assert response.status_code == 404 and list(response.json()) == ["error"]
    paths = document()["paths"]
    assert not [path for path in paths if "history" in path or "listeners" in path]
    assert "/@{handle}/tracks.json" in paths


def test_it_is_kept_and_read_by_any_sites_script() -> None:
    response = Browser().get("/openapi.json")
    assert response["Access-Control-Allow-Origin"] == "*" and response["Content-Type"] == "application/json"
    assert "s-maxage" in response["Cache-Control"]
    assert Browser().get("/openapi.json", headers={"If-None-Match": response["ETag"]}).status_code == 304
