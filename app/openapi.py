"""The description of the API, and its export: FastAPI's draft, made into one that clients can be built from."""

import json
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts

from app.schemas.problem import Problem
from app.webhooks.headers import HEADERS

SUMMARY = "Backs resilience programmes for people who answer customers' calls."
DESCRIPTION = """\
Ballast notices hard calls from what the contact centre already records, offers a break, a debrief or a word with a
mentor, and keeps the plans, coaching and support that follow. It holds outcomes of calls, never recordings, transcripts
or phone numbers.

**Who calls.** A *client* (an HR system, a contact centre, a script) sends its key as
`Authorization: Bearer blst_live_...` and may do what its scopes allow. A *person* sends a token of their organisation's
identity provider and may do what their roles and relations to others allow. What is not yours to know of answers 404,
as if it were not there.

**Errors** are `application/problem+json` (RFC 9457). Decide by `code`, show `detail`; a 422 lists every fault in
`errors`. Every response carries an `X-Request-Id` to quote when you ask about it.

**Lists** come in pages: `data`, and `next_cursor` to send back as `cursor` until it is null. `limit` is 1 to 200. A
query parameter that an operation does not know is a 422, never ignored. Where a list offers `application/jsonl` in
`Accept`, it is streamed whole, one object a line. Poll with `modified_since` and the watermark of the last answer.

**Writes.** Send `Idempotency-Key` with a POST and repeat it safely for 24 hours. Every representation has an `ETag`;
PATCH, PUT and DELETE need it back as `If-Match` (428 without, 412 when somebody else was faster). PATCH is a JSON merge
patch: absent keeps, null clears. States move by `POST .../{verb}`, and `allowed_actions` says which verbs are open to
you now.

**Values.** Times are RFC 3339 with an offset, durations whole seconds, ids UUIDs. Tolerate new members and new enum
values in responses: adding them is not a breaking change.
"""

# In the order in which the documentation shows them.
TAGS = {
    "Organisation": "The tenant that everything else belongs to, and its settings.",
    "Employees": "The people in the programme, as the HR system or identity provider knows them.",
    "Teams": "Groups of employees and who leads them.",
    "Service areas": "The queue groups or accounts that people work on, and how well each is supported.",
    "SCIM": "How what an identity provider sends over SCIM 2.0 (under `/scim/v2`) is understood.",
    "Pillars": "The pillars of emotional resilience: the five that come with the service, and an organisation's own.",
    "Practices": "Techniques that strengthen a pillar, each with the text that it comes from.",
    "Clients": "Machine callers: their scopes and their keys.",
    "Role grants": "Who holds which role. Nobody grants themself one, and the sensitive ones need a second person.",
    "Sources": "Systems that post call events, and how their raw codes map to our outcomes.",
    "Intake": "The address of a source, for platforms that post in formats of their own: credentials, trial, health.",
    "Call events": "What happened on each call. An outcome, never a recording, a transcript or a phone number.",
    "Strain rules": "When exposure is too much: the thresholds, each with its basis, all of them adjustable.",
    "Strain signals": "That exposure was too much, with the rule, the window and the call events behind it.",
    "Support prompts": "The break, debrief or word with a mentor that was offered, and the person's free answer to it.",
    "Development plans": "What each employee wants to grow in, for one period, and how far they are.",
    "Goals": "SMART goals, checked by the server, with progress that is never overwritten. Private ones stay private.",
    "Goal templates": "What goals for many people at once are made from.",
    "Reviews": "One-to-ones and appraisals: two parts, each its author's until shared. Never fed by strain data.",
    "Coaching sessions": "Planned conversations: asked for, scheduled without double booking, held, acknowledged.",
    "Thought records": "Another look at a hard thought: its author's alone, unless they share it.",
    "Mentors": "Who can mentor whom on what, pairs through their life, and when they met. Never what they spoke about.",
    "Mentor matches": "The best mentors for many people at once: a job that proposes, and is confirmed.",
    "EAP directory": "Who helps in confidence, how to reach them, and the words of consents. Nobody sees who looks.",
    "EAP referrals": "A person's own way to the EAP: suggested or their own idea, never mandatory, shared by consent.",
    "EAP cases": "What a provider has of the referrals that were sent to it, under a reference instead of a name.",
    "Session notes": "What people note on a session: private, or shared with those who take part. Nobody else sees it.",
    "Session actions": "What was agreed in a session: by whom, until when, what became of it. It can become a goal.",
    "Session feedback": "What attendees say of a session, to its coach; as a whole only where enough people spoke.",
    "Calendar feeds": "One's coaching sessions as a calendar to subscribe to, under an address that can be revoked.",
    "Me": "Everything about the person who asks, for that person.",
    "Data rights": "What is held about a person: read by them, erased, and kept no longer than said.",
    "Audit": "Who did what and when, in a chain that shows tampering.",
    "Break-glass": "Reading a referral in an emergency: with a reason, a second person's approval, once, and told.",
    "Sign-in": "How a caller gets a token and learns what it allows.",
    "Events": "What happened, to be read in order: the source of truth beside the webhooks, kept for 90 days.",
    "Webhook endpoints": "Where events are posted to, what became of each delivery, secrets, tests and replays.",
    "Service": "Whether the service is up and ready, and its figures.",
    "Webhooks": "Events that Ballast posts to your endpoint, signed after Standard Webhooks.",
}

SECURITY_SCHEMES: dict[str, dict[str, Any]] = {
    "client_key": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "blst_live_...",
        "description": "The key of a client (`blst_live_...`), shown once. Its scopes bound what it may do.",
    },
    "person": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token of a person, from an OpenID Connect provider that the organisation trusts.",
    },
    "ticket": {
        "type": "apiKey",
        "in": "query",
        "name": "ticket",
        "description": "A ticket for this one stream (`blst_ticket_...`), for an EventSource, which sends no header.",
    },
}

PROBLEM_JSON = "application/problem+json"
PROBLEM: dict[str, Any] = {"$ref": "#/components/schemas/Problem"}
PROBLEMS = {
    400: "Not readable: the body cannot be parsed, a header is malformed, or a cursor is not one that this list gave.",
    401: "No credential came with the request, or it is unknown, expired or revoked.",
    403: "The credential is good, but its scopes or roles do not cover this.",
    404: "There is no such thing, or it is not yours to know of.",
    405: "This path does not know the method; `Allow` lists those it knows.",
    406: "None of the media types in `Accept` can be given.",
    409: "A rule forbids this as things stand; `code` names the rule.",
    410: "It was here, and is gone for good.",
    412: "`If-Match` names a version that is no longer the current one. Read again, then repeat.",
    413: "The body is larger than this operation takes.",
    415: "The body is of a media type that this operation does not read.",
    422: "The form of the payload or of a parameter is wrong; `errors` points at each fault.",
    428: "This write needs the `ETag` of what it changes as `If-Match`.",
    429: "Too many requests. Wait for `Retry-After`.",
    500: "A fault of ours; nothing was changed. Quote `X-Request-Id` when you report it.",
    503: "Too busy or not ready. Repeat after `Retry-After`.",
}
RETRY_AFTER = {
    "Retry-After": {"description": "Seconds to wait before the next attempt.", "schema": {"type": "integer"}}
}
PROBLEM_HEADERS: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"description": "The kind of credential asked for.", "schema": {"type": "string"}}},
    405: {"Allow": {"description": "The methods that this path knows.", "schema": {"type": "string"}}},
    429: RETRY_AFTER,
    503: RETRY_AFTER,
}

# Under these paths another standard decides how errors look: what such an operation declares is left as it is.
OTHER_PROTOCOLS = ("/scim/", "/oauth/", "/v1/intake/")
FASTAPI_ERRORS = ("HTTPValidationError", "ValidationError")
METHODS = ("get", "head", "post", "put", "patch", "delete", "options", "trace")

Document = dict[str, Any]


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the ``responses=`` of a route that may refuse with ``statuses``. Raises KeyError for one we do not use."""
    return {status: _problem_response(status) for status in statuses}


def _problem_response(status: int) -> dict[str, Any]:
    response: dict[str, Any] = {"description": PROBLEMS[status], "content": {PROBLEM_JSON: {"schema": PROBLEM}}}
    if headers := PROBLEM_HEADERS.get(status):
        response["headers"] = headers
    return response


def describe(app: FastAPI) -> Document:
    """Return the OpenAPI 3.1 document of ``app``, built once.

    Raises ValueError where two operations share an id, or a tag has no description in ``TAGS``.
    """
    if app.openapi_schema is None:
        app.openapi_schema = _build(app)
    return app.openapi_schema


def render(app: FastAPI) -> str:
    """Return the document of ``app`` as the text that is committed: the same code gives the same bytes."""
    return json.dumps(describe(app), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def export(path: Path) -> None:
    """Write the document of the service to ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(_service()), encoding="utf-8", newline="\n")


def is_current(path: Path) -> bool:
    """Whether ``path`` holds exactly what ``export`` would write."""
    return path.exists() and path.read_bytes() == render(_service()).encode()


def _service() -> FastAPI:
    from app.main import create_app  # noqa: PLC0415 - app.main imports this module

    return create_app()


def _build(app: FastAPI) -> Document:
    draft = get_openapi(
        title="Ballast",
        version=_version(),
        summary=SUMMARY,
        description=DESCRIPTION,
        routes=app.routes,
        webhooks=app.webhooks.routes,
        servers=[{"url": "/"}],
        contact={"name": "Ballast maintainers"},
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        separate_input_output_schemas=app.separate_input_output_schemas,
    )
    for path, operation in _operations(draft, "paths"):
        _describe_item_streams(operation)
        _describe_problems(path, operation)
        operation.setdefault("security", [])
    names = _webhook_names(app)
    for event, operation in _operations(draft, "webhooks"):
        _describe_webhook(operation, names.get(event))
    _require_unique_ids(draft)
    return _arrange(draft)


def _version() -> str:
    try:
        return metadata.version("ballast")
    except metadata.PackageNotFoundError:
        return "0+unknown"  # run from a source tree that is not installed


def _operations(document: Document, section: str) -> Iterator[tuple[str, Document]]:
    for path, item in document.get(section, {}).items():
        for method, operation in item.items():
            if method in METHODS:
                yield path, operation


def _describe_item_streams(operation: Document) -> None:
    # FastAPI writes `itemSchema` for streams of JSON lines and of server-sent events. That is OpenAPI 3.2: under 3.1
    # validators and generators refuse the whole document. The shape of a line stays readable, as an extension.
    for response in operation["responses"].values():
        for media in response.get("content", {}).values():
            if "itemSchema" in media:
                media["x-itemSchema"] = media.pop("itemSchema")
                media.setdefault("schema", {"type": "string"})


def _describe_problems(path: str, operation: Document) -> None:
    responses = operation["responses"]
    if path.startswith(OTHER_PROTOCOLS):
        if _is_fastapi_error(responses.get("422", {})):
            del responses["422"]
        return
    for status, response in responses.items():
        if status[0] not in "45":
            continue
        if _is_fastapi_error(response):
            responses[status] = _problem_response(int(status))
            continue
        declared = response.get("content", {}).get(PROBLEM_JSON, {})  # keeps the examples that a route gives
        response["content"] = {PROBLEM_JSON: {**declared, "schema": PROBLEM}}


def _is_fastapi_error(response: Document) -> bool:
    schema: Document = response.get("content", {}).get("application/json", {}).get("schema", {})
    return schema == {"$ref": "#/components/schemas/HTTPValidationError"}


def _webhook_names(app: FastAPI) -> dict[str, str]:
    # app.webhooks is a router of its own that the app's generate_unique_id_function does not reach.
    names = {}
    for context in iter_route_contexts(app.webhooks.routes):
        route = context.original_route
        if isinstance(route, APIRoute) and route.operation_id is None:
            names[route.path_format] = route.name
    return names


def _describe_webhook(operation: Document, name: str | None) -> None:
    # A webhook is answered by its receiver: FastAPI's 200 and 422 are about requests that we answer.
    answers = {status: answer for status, answer in operation["responses"].items() if status not in ("200", "422")}
    operation["responses"] = {"2XX": {"description": "Any 2xx answer means that the event was received."}, **answers}
    # Never a tag shared with paths: openapi-generator then writes two files of the same name.
    operation["tags"] = ["Webhooks"]
    operation.setdefault("security", [])
    if name is not None:
        operation["operationId"] = name


def _require_unique_ids(document: Document) -> None:
    paths: dict[str, str] = {}
    for section in ("paths", "webhooks"):
        for path, operation in _operations(document, section):
            operation_id = operation["operationId"]
            if operation_id in paths:
                raise ValueError(f"{operation_id} is the id of two operations, at {paths[operation_id]} and {path}")
            paths[operation_id] = path


def _arrange(draft: Document) -> Document:
    # Sorted where the order means nothing, so that the committed file changes only where the API does. The members of
    # a schema keep theirs: it is the order in which people read them.
    document = {name: draft[name] for name in ("openapi", "info", "servers")}
    document["tags"] = _tags(draft)
    for section in ("paths", "webhooks"):
        if section in draft:
            document[section] = {path: _arrange_item(item) for path, item in sorted(draft[section].items())}
    drafted = draft.get("components", {}) | ({"parameters": HEADERS} if "webhooks" in draft else {})
    components = {kind: dict(sorted(entries.items())) for kind, entries in sorted(drafted.items())}
    components["schemas"] = _schemas(drafted.get("schemas", {}))
    components["securitySchemes"] = drafted.get("securitySchemes", {}) | SECURITY_SCHEMES
    return document | {"components": components}


def _tags(draft: Document) -> list[dict[str, str]]:
    operations = [operation for section in ("paths", "webhooks") for _, operation in _operations(draft, section)]
    used = {tag for operation in operations for tag in operation.get("tags", [])}
    if unknown := used - TAGS.keys():
        raise ValueError(f"TAGS describes no {', '.join(sorted(unknown))}")
    return [{"name": name, "description": description} for name, description in TAGS.items() if name in used]


def _arrange_item(item: Document) -> Document:
    for method in METHODS:
        if method in item:
            item[method]["responses"] = dict(sorted(item[method]["responses"].items()))
    # FastAPI keeps the methods of a route in a set: their order would differ from run to run.
    methods = {method: item[method] for method in METHODS if method in item}
    return {name: value for name, value in item.items() if name not in METHODS} | methods


def _schemas(drafted: Document) -> Document:
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    schemas = drafted | problem.pop("$defs") | {"Problem": problem}
    return {name: schemas[name] for name in sorted(schemas) if name not in FASTAPI_ERRORS}
