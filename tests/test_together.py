"""What stands in two places and has to say the same in both."""

import json
import re
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator

from tests.conftest import ROOT, Browser
from tracks.etl.lease import LEASE
from tracks.etl.service import EXTRACT_SECONDS
from tracks.signin.export import TABLES
from tracks.urls import chart_patterns, urlpatterns


@pytest.mark.django_db
def test_the_documented_song_has_the_keys_of_a_real_one(host: Browser, visitor: Browser) -> None:
    section = (ROOT / "docs/API.md").read_text().partition("## `/tracks.json`")[2]
    example = json.loads(section.partition("```json")[2].partition("```")[0])
    answer = visitor.get("/tracks.json").json()
    assert (list(example), list(example["tracks"][0])) == (list(answer), list(answer["tracks"][0]))


def test_the_slowest_refresh_ends_well_within_its_lease() -> None:
    assert LEASE.total_seconds() >= 3 * EXTRACT_SECONDS


def section(title: str) -> str:
    """A section of docs/API.md."""
    return (ROOT / "docs/API.md").read_text().partition(f"\n## {title}")[2].partition("\n## ")[0]


@pytest.fixture
def document(visitor: Browser, settings: Any) -> Any:
    settings.LISTENERS = "invited"
    return visitor.get("/openapi.json").json()


@pytest.mark.django_db
def test_both_documents_have_the_same_addresses(document: Any) -> None:
    rows = re.findall(r"^\| `(GET|POST) (/\S+)` \| (too )?\|", section("For programs"), re.MULTILINE)
    to_people = set()
    for method, path, too in rows:
        path = re.sub("<(.*?)>", r"{\1}", path)
        to_people |= {(method, path)} | ({(method, f"/@{{handle}}{path}")} if too else set())
    to_tools = {(method.upper(), path) for path, one in document["paths"].items() for method in one}
    assert to_people == to_tools


@pytest.mark.django_db
def test_every_address_for_programs_is_in_the_document(document: Any) -> None:
    found = set()
    every: list[tuple[str, list[Any]]] = [("/", urlpatterns), ("/", chart_patterns), ("/@{handle}/", chart_patterns)]
    for prefix, patterns in every:
        for pattern in patterns:
            if getattr(getattr(pattern, "callback", None), "answers_errors_as_json", False):
                found.add(prefix + re.sub("<.*?>", "{id}", str(pattern.pattern)))
    assert found == set(document["paths"])


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("title", "method", "path"), [("oEmbed", "get", "/oembed"), ("`POST /refresh`", "post", "/refresh")]
)
def test_both_documents_have_the_same_statuses(document: Any, title: str, method: str, path: str) -> None:
    to_people = set(re.findall(r"^\| (\d{3}) \|", section(title), re.MULTILINE))
    to_tools = set(document["paths"][path][method]["responses"])
    # Every address has these; the table says them once for all.
    everywhere = {"400", "405", "413", "414", "503"}
    assert to_people <= to_tools and to_tools <= to_people | everywhere


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("title", "schema"),
    [("`/history.json`", "History"), ("`/tracks/<id>.json`", "SongHistory"), ("`/health`", "Health")],
)
def test_the_examples_to_people_are_as_the_schemas_to_tools(document: Any, title: str, schema: str) -> None:
    example = json.loads(section(title).partition("```json")[2].partition("```")[0])
    OAS31Validator({"$ref": f"#/components/schemas/{schema}", "components": document["components"]}).validate(example)
    assert list(example) == list(document["components"]["schemas"][schema]["properties"])


@pytest.mark.django_db
def test_the_documented_export_has_the_files_of_a_real_one() -> None:
    text = section("Taking everything along").partition("CSV: ")[2].partition("below `pictures/`")[0]
    assert re.findall("`([a-z_]+)`", text) == [table.name for table in TABLES]


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/ARCHITECTURE.md", "docs/PERFORMANCE.md"])
def test_every_file_that_a_document_names_is_there(name: str) -> None:
    roots = "bench|deploy|docs|locale|simulator|spotify_top|templates|tests|tracks"
    named = set(re.findall(rf"`((?:{roots})/[\w./-]+)`", (ROOT / name).read_text()))
    assert named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
