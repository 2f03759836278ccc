"""/openapi.json: one table of the addresses for programs, with the schemas of the models that write the answers."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from pydantic.json_schema import models_json_schema

from tracks.api import answers, examples
from tracks.history import SNAPSHOTS_A_PAGE
from tracks.models import TimeRange

Json = dict[str, Any]

# What /history.json takes: a place in time, and a day or a time. The place is in microseconds since 1970, 13 digits
# until 2112: an address that was cut off is none.
CURSOR = "[0-9a-f]{13}"
SINCE = "[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?([Zz]|[+-][0-9]{2}:[0-9]{2})?)?"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """What one address does. `responses` are by status; those that every address has need not be named."""

    path: str
    name: str
    summary: str
    responses: dict[int, Json]
    method: str = "get"
    description: str = ""
    parameters: list[Json] = field(default_factory=list)
    tag: str = "chart"
    token: str = ""
    # Whether it stands below /@{handle}/ too.
    of_each_listener: bool = False
    needs_database: bool = True


# Parameters


def query(name: str, description: str, schema: Json, *, required: bool = False) -> Json:
    return {"name": name, "in": "query", "description": description, "required": required, "schema": schema}


TIME_RANGE = query(
    "time_range",
    "Over what time: about 4 weeks, 6 months or a year.",
    {"$ref": "#/components/schemas/TimeRange", "default": TimeRange.SHORT_TERM.value},
)
HANDLE: Json = {
    "name": "handle",
    "in": "path",
    "required": True,
    "description": "A listener's, in any case. The host's own leads to the address without one.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9-]{1,30}$"},
    "example": "ana",
}
ID: Json = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "The song's `id`, as the chart has it.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"},
    "example": "6WnTgRvbdm1xMHh7vYyzOy",
}


# Responses


def body(description: str, example: answers.Answer, *headers: str) -> Json:
    """A JSON answer that the example's model writes."""
    return content({"$ref": reference(type(example))}, description, example.as_json(), *headers)


def content(schema: Json, description: str, example: Any, *headers: str, kind: str = "application/json") -> Json:
    found: Json = {"description": description, "content": {kind: {"schema": schema, "example": example}}}
    if headers:
        found["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in headers}
    return found


def error(description: str, example: str, *headers: str) -> Json:
    return body(description, answers.Error(error=example), *headers)


def link(operation: str, **parameters: str) -> Json:
    """Where an answer leads: the address of this name, with what the answer has."""
    return {"links": {operation: {"operationId": operation, "parameters": parameters}}}


def reference(model: type[answers.Answer]) -> str:
    return f"#/components/schemas/{model.__name__}"


def common(name: str) -> Json:
    return {"$ref": f"#/components/responses/{name}"}


NOT_MODIFIED = {304: common("NotModified")}
BAD_TIME_RANGE = error(
    "A parameter has another value.", "time_range must be one of short_term, medium_term, long_term."
)
DATABASE_AWAY = error(
    "The database is away.", "The database is away; the site is back as soon as it is.", "Retry-After"
)
WRONG_TOKEN = error(
    "The token is wrong, or this site has none.",
    "The token is wrong, or this site has no REFRESH_TOKEN.",
    "WWW-Authenticate",
)
PAGE = {"text/html": {"schema": {"type": "string"}}}
# What the server, its limits and its router answer at every address.
COMMON: dict[str, Json] = {
    "NotModified": {
        "description": "What `If-None-Match` names is still right.",
        "headers": {"ETag": {"$ref": "#/components/headers/ETag"}},
    },
    "HostsOwn": {
        "description": "The handle is the host's: the same without it.",
        "headers": {"Location": {"$ref": "#/components/headers/Location"}},
    },
    "BadRequest": error("The request cannot be read.", "The request is not UTF-8."),
    "OtherMethod": error("Another method.", "This address takes GET, HEAD only.", "Allow"),
    "TooLarge": error("The body is longer than 64 KiB.", "The request is larger than any address here takes (64 KiB)."),
    "TooLong": {"description": "The address is longer than 4,094 bytes (the server's own page).", "content": PAGE},
}


# The table of addresses


def operations() -> list[Operation]:
    """Those that this site has under its settings."""
    found = [
        Operation(
            path="tracks.json",
            name="chart",
            summary="The chart",
            parameters=[TIME_RANGE],
            responses={
                200: body("The chart.", examples.CHART, "ETag") | link("track", id="$response.body#/tracks/0/id"),
                400: BAD_TIME_RANGE,
                **NOT_MODIFIED,
            },
            of_each_listener=True,
        ),
        Operation(
            path="tracks.csv",
            name="chart_csv",
            summary="The chart as CSV",
            description="UTF-8, one header line. Text that a spreadsheet would run as a formula has an apostrophe.",
            parameters=[TIME_RANGE],
            responses={
                200: content(
                    {"type": "string"}, "The chart.", "name,artist\r\nSalt Lamp,Tomo\r\n", "ETag", kind="text/csv"
                ),
                400: BAD_TIME_RANGE,
                **NOT_MODIFIED,
            },
            of_each_listener=True,
        ),
        Operation(
            path="tracks/sql",
            name="chart_rows",
            summary="The chart as the earlier service gave it",
            parameters=[TIME_RANGE],
            responses={
                200: content(
                    {"type": "array", "items": {"$ref": reference(answers.Row)}},
                    "The chart.",
                    [examples.ROW.as_json()],
                    "ETag",
                ),
                400: BAD_TIME_RANGE,
                **NOT_MODIFIED,
            },
            of_each_listener=True,
        ),
        Operation(
            path="tracks/{id}.json",
            name="track",
            summary="A song and how it fared",
            description="Its history is empty where this site keeps none.",
            parameters=[ID],
            responses={
                200: body("The song.", examples.TRACK, "ETag"),
                404: error("It never stood in the chart.", "The song never stood in this chart."),
                **NOT_MODIFIED,
            },
            of_each_listener=True,
        ),
    ]
    if settings.HISTORY_DAYS:
        found.append(
            Operation(
                path="history.json",
                name="history",
                summary="Charts as they were, newest first",
                description=f"{SNAPSHOTS_A_PAGE} to a page. Charts that come meanwhile do not move the pages.",
                parameters=[
                    TIME_RANGE,
                    query(
                        "since",
                        "Charts that were first seen on this day or later, or at this time or later. UTC where it "
                        "names no zone; `+` is written as `%2B`.",
                        {"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]},
                    ),
                    query(
                        "cursor",
                        "Where the page begins: opaque, and best taken with the whole address from `next`.",
                        {"type": "string", "pattern": f"^{CURSOR}$"},
                    ),
                ],
                responses={
                    200: body("A page of charts.", examples.HISTORY, "ETag"),
                    400: error("A parameter has another value.", "cursor must be what `next` of an answer has."),
                    **NOT_MODIFIED,
                },
                of_each_listener=True,
            )
        )
    found.append(
        Operation(
            path="search.json",
            name="search",
            summary="Questions in plain words",
            description="Words of titles, albums and artists, and clauses in English or Spanish, in any order.",
            parameters=[
                query("q", "At most 200 characters.", {"type": "string", "default": ""}),
                query("tz", "The days are this zone's (IANA).", {"type": "string", "default": "UTC"}),
            ],
            responses={
                200: body("What was found.", examples.SEARCH),
                400: error("A parameter has another value.", "tz must be the name of a time zone, as Europe/Madrid."),
                429: error(
                    "120 questions a minute.",
                    "Too many tries from your address. Wait 1 minute and try again.",
                    "Retry-After",
                ),
            },
            of_each_listener=True,
        )
    )
    if settings.LISTENERS != "host":
        found.append(
            Operation(
                path="listeners.json",
                name="listeners",
                summary="The public listeners",
                description="50 to a page.",
                parameters=[query("page", "", {"type": "integer", "minimum": 1, "maximum": 999_999, "default": 1})],
                responses={
                    200: body("A page of listeners.", examples.LISTENERS, "ETag")
                    | link("listener_chart", handle="$response.body#/listeners/1/handle"),
                    400: error("`page` is no such number.", "page must be a number above 0, of six digits at most."),
                    404: error("There is no such page.", "There is no such page of the list."),
                    **NOT_MODIFIED,
                },
            )
        )
    return [*found, *_EMBEDDING, *_OPERATION]


_EMBEDDING = [
    Operation(
        path="oembed",
        name="oembed",
        summary="oEmbed 1.0: from a chart's address to its frame",
        parameters=[
            query(
                "url",
                "The whole address of a chart on this site, at most 500 characters; for any other one 404.",
                {"type": "string", "minLength": 1},
                required=True,
            ),
            query("maxwidth", "The most pixels.", {"type": "integer", "minimum": 1}),
            query("maxheight", "The most pixels.", {"type": "integer", "minimum": 1}),
            query("format", "", {"type": "string", "enum": ["json"], "default": "json"}),
        ],
        responses={
            200: body("The frame.", examples.OEMBED),
            400: error(
                "A parameter is missing or has another value.", "url must be the address of a chart on this site."
            ),
            404: error(
                "No chart that everybody may see.",
                "url is not the address of a chart on this site that everybody may see.",
            ),
            501: error("Another `format`.", "format must be json."),
        },
    ),
    Operation(
        path="openapi.json",
        name="openapi",
        summary="This document",
        needs_database=False,
        responses={
            200: content({"type": "object"}, "OpenAPI 3.1.", {"openapi": "3.1.0"}, "ETag"),
            **NOT_MODIFIED,
        },
    ),
]

_OPERATION = [
    Operation(
        path="refresh",
        name="refresh",
        method="post",
        tag="operation",
        token="REFRESH_TOKEN",  # noqa: S106  (the setting's name)
        summary="Refresh the charts",
        description="The host's, then those of the longest-waiting others for at most 20 seconds in all. The right "
        "token is never limited; without it an address may call 20 times a minute. A browser's session needs no "
        "token, but the form's; it is led back to the chart.",
        parameters=[
            query(
                "listener",
                "This one alone: what `/due.json` calls `listener`.",
                {"type": "string", "pattern": "^[0-9]{1,19}$"},
            )
        ],
        responses={
            200: body("Refreshed, or not needed now.", examples.REFRESHED),
            302: {
                "description": "A browser: to sign in, or back to the chart.",
                "headers": {"Location": {"$ref": "#/components/headers/Location"}},
            },
            401: WRONG_TOKEN,
            403: {"description": "A browser without the form's token, or not of a listener.", "content": PAGE},
            404: error("There is no such listener.", "There is no such listener any more."),
            409: body("The host, or this listener, must sign in (again) on the site.", examples.NOBODY),
            429: content(
                {"anyOf": [{"$ref": reference(answers.NotRefreshed)}, {"$ref": reference(answers.Error)}]},
                "Spotify says wait, or too many tries without the token.",
                examples.RATE_LIMITED.as_json(),
                "Retry-After",
            ),
            503: content(
                {"anyOf": [{"$ref": reference(answers.NotRefreshed)}, {"$ref": reference(answers.Error)}]},
                "The refresh failed, or the database is away.",
                examples.UNAVAILABLE.as_json(),
                "Retry-After",
            ),
        },
    ),
    Operation(
        path="due.json",
        name="due",
        tag="operation",
        token="REFRESH_TOKEN",  # noqa: S106
        summary="Whose refresh is due",
        responses={
            200: body("Longest-waiting first.", examples.DUE)
            | link("refresh", listener="$response.body#/due/0/listener"),
            401: WRONG_TOKEN,
        },
    ),
    Operation(
        path="health",
        name="health",
        tag="operation",
        summary="Whether the service is well, for monitors",
        responses={
            200: body("The database answers.", examples.HEALTH),
            503: body("The database is gone.", answers.Unhealthy(status="error", database="unreachable")),
        },
    ),
    Operation(
        path="live",
        name="live",
        tag="operation",
        summary="Whether the process serves, for platforms",
        description="Whatever the database does.",
        needs_database=False,
        responses={200: body("It does.", answers.Live(status="ok"))},
    ),
    Operation(
        path="metrics",
        name="metrics",
        tag="operation",
        token="METRICS_TOKEN",  # noqa: S106
        summary="Figures for Prometheus",
        description="While the database is away, without what is read from it.",
        needs_database=False,
        responses={
            200: content(
                {"type": "string"}, "Prometheus's text format.", "top_twenty_database_up 1.0\n", kind="text/plain"
            ),
            401: error(
                "The token is wrong, or this site has none.",
                "The token is wrong, or this site has no METRICS_TOKEN.",
                "WWW-Authenticate",
            ),
        },
    ),
]


# The document


def document(*, site: str) -> Json:
    """The OpenAPI document of the site at this address, without a slash at its end."""
    paths: dict[str, Json] = {}
    for operation in operations():
        for path, described in _described(operation):
            paths.setdefault(path, {})[operation.method] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": settings.SITE_NAME,
            "version": "1",
            "summary": "Top songs on Spotify, as they are and as they were.",
            "description": 'Keys may be added to answers, never changed. Errors are `{"error": "..."}`, a sentence for '
            "people. Times are UTC. Public data may be read by scripts of any site, and carries `ETag`. A private "
            "listener's addresses answer as if there were nobody of the handle. Addresses that take GET take HEAD too, "
            "but for `/health`, `/live` and `/metrics`.",
        },
        "servers": [{"url": site}],
        "tags": [
            {"name": "chart", "description": "The host's."},
            {"name": "listener", "description": "A listener's: the same below `/@{handle}/`."},
            {"name": "operation", "description": "For whoever runs the site."},
        ],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "responses": COMMON,
            "headers": {
                "ETag": {"description": "Of this answer, for `If-None-Match`.", "schema": {"type": "string"}},
                "Location": {"description": "Where to go.", "required": True, "schema": {"type": "string"}},
                "Allow": {"description": "The methods.", "required": True, "schema": {"type": "string"}},
                "WWW-Authenticate": {"description": "`Bearer`.", "required": True, "schema": {"type": "string"}},
                "Retry-After": {
                    "description": "Seconds.",
                    "required": True,
                    "schema": {"type": "integer", "minimum": 0},
                },
            },
            "securitySchemes": {
                name: {"type": "http", "scheme": "bearer", "description": f"The setting `{name}`; unset, nobody may."}
                for name in ("REFRESH_TOKEN", "METRICS_TOKEN")
            },
        },
    }


def _described(operation: Operation) -> Iterator[tuple[str, Json]]:
    """The operation with its path; twice, where each listener has it."""
    shared = {400: common("BadRequest"), 405: common("OtherMethod"), 413: common("TooLarge"), 414: common("TooLong")}
    if operation.needs_database:
        shared[503] = DATABASE_AWAY
    responses = shared | operation.responses
    yield f"/{operation.path}", _object(operation, operation.name, operation.tag, operation.parameters, responses)
    if operation.of_each_listener:
        responses = responses | {302: common("HostsOwn")}
        nobody = error("Nobody of this handle, or private.", "There is nobody of this name here.")
        responses[404] = responses.get(404, nobody)
        parameters = [HANDLE, *operation.parameters]
        yield (
            f"/@{{handle}}/{operation.path}",
            _object(operation, f"listener_{operation.name}", "listener", parameters, responses),
        )


def _object(operation: Operation, name: str, tag: str, parameters: list[Json], responses: dict[int, Json]) -> Json:
    return {
        "operationId": name,
        "tags": [tag],
        "summary": operation.summary,
        **({"description": operation.description} if operation.description else {}),
        **({"parameters": parameters} if parameters else {}),
        "responses": {str(status): responses[status] for status in sorted(responses)},
        "security": [{operation.token: []}] if operation.token else [],
    }


@functools.cache
def _schemas() -> Json:
    models = [
        model for model in vars(answers).values() if isinstance(model, type) and issubclass(model, answers.Answer)
    ]
    written = [model for model in models if model is not answers.Answer and not model.__name__.startswith("_")]
    _, schemas = models_json_schema(
        [(model, "serialization") for model in written], ref_template="#/components/schemas/{model}"
    )
    found: Json = schemas["$defs"]
    return found
