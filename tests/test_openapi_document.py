"""The OpenAPI document, on an application small enough to see all of it."""

import json
from collections.abc import AsyncIterable
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel

from app import openapi
from app.openapi import PROBLEM_JSON, PROBLEMS, TAGS, describe, problem_responses, render

PROBLEM_CONTENT = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}
client_key = HTTPBearer(scheme_name="client_key", auto_error=False)
person = HTTPBearer(scheme_name="person", auto_error=False)


class TeamOut(BaseModel):
    name: str
    id: str


def tiny_app() -> FastAPI:
    app = FastAPI(generate_unique_id_function=lambda route: route.name)

    @app.get("/v1/teams/{team_id}", tags=["Teams"], responses=problem_responses(401, 404, 429))
    def read_team(
        team_id: str, key: Annotated[Any, Depends(client_key)], token: Annotated[Any, Depends(person)]
    ) -> TeamOut:
        """Read one team."""
        raise AssertionError

    @app.get("/v1/teams", tags=["Teams"], responses={503: {"description": "Later."}})
    async def stream_teams(limit: int = 50) -> AsyncIterable[TeamOut]:
        """Stream every team."""
        yield TeamOut(name="Harbour", id="1")

    @app.api_route("/healthz", methods=["GET"], tags=["Service"])
    def check_health() -> dict[str, str]:
        """Say that the process is up."""
        raise AssertionError

    @app.post("/oauth/token", tags=["Sign-in"], responses={400: {"content": {"application/json": {"schema": {}}}}})
    def issue_token(grant_type: str) -> TeamOut:
        """Exchange a credential for a token."""
        raise AssertionError

    @app.webhooks.post("employee.created", tags=["Employees"])
    def on_employee_created(body: TeamOut) -> None:
        """Tell that an employee has joined."""

    return app


@pytest.fixture
def document() -> dict[str, Any]:
    return describe(tiny_app())


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        operation
        for section in ("paths", "webhooks")
        for item in document[section].values()
        for operation in item.values()
    ]


class TestDescribe:
    def test_is_valid_openapi_3_1(self, document: dict[str, Any]) -> None:
        assert document["openapi"] == "3.1.0"
        OpenAPIV31SpecValidator(document).validate()

    def test_is_built_once(self) -> None:
        app = tiny_app()
        assert describe(app) is describe(app)
        assert describe(app) is app.openapi_schema

    def test_says_who_and_where(self, document: dict[str, Any]) -> None:
        assert document["info"]["title"] == "Ballast"
        assert document["info"]["license"] == {"name": "Apache-2.0", "identifier": "Apache-2.0"}
        assert document["info"]["contact"] == {"name": "Ballast maintainers"}
        assert document["servers"] == [{"url": "/"}]

    def test_every_error_is_a_problem(self, document: dict[str, Any]) -> None:
        read_team = document["paths"]["/v1/teams/{team_id}"]["get"]["responses"]
        stream_teams = document["paths"]["/v1/teams"]["get"]["responses"]
        assert list(read_team) == ["200", "401", "404", "422", "429"]
        assert [read_team[status]["content"] for status in ("401", "404", "422", "429")] == [PROBLEM_CONTENT] * 4
        assert stream_teams["503"] == {"description": "Later.", "content": PROBLEM_CONTENT}
        assert read_team["422"]["description"] == PROBLEMS[422]
        assert "Retry-After" in read_team["429"]["headers"]
        assert read_team["200"]["content"].keys() == {"application/json"}

    def test_another_protocol_keeps_its_errors(self, document: dict[str, Any]) -> None:
        responses = document["paths"]["/oauth/token"]["post"]["responses"]
        assert responses.keys() == {"200", "400"}
        assert responses["400"]["content"].keys() == {"application/json"}

    def test_holds_no_validation_error_of_fastapi(self, document: dict[str, Any]) -> None:
        assert document["components"]["schemas"].keys() == {"Problem", "ProblemError", "TeamOut"}
        assert "ValidationError" not in json.dumps(document)

    def test_problem_has_the_members_that_are_promised(self, document: dict[str, Any]) -> None:
        problem = document["components"]["schemas"]["Problem"]
        assert problem["required"] == ["type", "title", "status", "detail", "instance", "code"]
        assert problem["properties"]["errors"]["items"] == {"$ref": "#/components/schemas/ProblemError"}
        assert document["components"]["schemas"]["ProblemError"]["required"] == ["pointer", "code", "detail"]

    def test_a_json_lines_stream_has_no_item_schema(self, document: dict[str, Any]) -> None:
        content = document["paths"]["/v1/teams"]["get"]["responses"]["200"]["content"]
        assert content == {
            "application/jsonl": {
                "schema": {"type": "string"},
                "x-itemSchema": {"$ref": "#/components/schemas/TeamOut"},
            }
        }
        assert '"itemSchema"' not in json.dumps(document)

    def test_operation_ids_are_function_names(self, document: dict[str, Any]) -> None:
        ids = {operation["operationId"] for operation in operations(document)}
        assert ids == {"read_team", "stream_teams", "check_health", "issue_token", "on_employee_created"}

    @pytest.mark.filterwarnings("ignore:Duplicate Operation ID:UserWarning")  # FastAPI only warns
    def test_refuses_an_operation_id_used_twice(self) -> None:
        app = tiny_app()
        app.get("/v1/other-teams", name="read_team")(lambda: None)
        with pytest.raises(ValueError, match="read_team is the id of two operations"):
            describe(app)

    def test_refuses_a_tag_without_description(self) -> None:
        app = tiny_app()
        app.get("/v1/boats", name="list_boats", tags=["Boats"])(lambda: None)
        with pytest.raises(ValueError, match="TAGS describes no Boats"):
            describe(app)

    def test_lists_the_tags_used_in_order(self, document: dict[str, Any]) -> None:
        assert document["tags"] == [
            {"name": tag, "description": TAGS[tag]} for tag in ("Teams", "Sign-in", "Service", "Webhooks")
        ]

    def test_every_operation_says_who_may_call(self, document: dict[str, Any]) -> None:
        assert document["components"]["securitySchemes"].keys() == {"client_key", "person", "ticket"}
        assert document["paths"]["/v1/teams/{team_id}"]["get"]["security"] == [{"client_key": []}, {"person": []}]
        assert document["paths"]["/healthz"]["get"]["security"] == []
        assert all("security" in operation for operation in operations(document))

    def test_a_webhook_is_answered_by_its_receiver(self, document: dict[str, Any]) -> None:
        webhook = document["webhooks"]["employee.created"]["post"]
        assert webhook["tags"] == ["Webhooks"]
        assert webhook["responses"].keys() == {"2XX"}


class TestProblemResponses:
    def test_each_status_has_its_description(self) -> None:
        responses = problem_responses(*PROBLEMS)
        assert list(responses) == [400, 401, 403, 404, 405, 406, 409, 410, 412, 413, 415, 422, 428, 429, 500, 503]
        assert len({response["description"] for response in responses.values()}) == len(responses)

    def test_a_status_we_do_not_use_is_refused(self) -> None:
        with pytest.raises(KeyError):
            problem_responses(418)


class TestExport:
    @pytest.fixture(autouse=True)
    def service(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(openapi, "_service", tiny_app)

    def test_writes_what_is_then_current(self, tmp_path: Path) -> None:
        path = tmp_path / "openapi" / "openapi.json"
        assert not openapi.is_current(path)
        openapi.export(path)
        assert openapi.is_current(path)
        path.write_text(path.read_text(encoding="utf-8") + " ", encoding="utf-8")
        assert not openapi.is_current(path)

    def test_the_order_of_registration_does_not_show(self) -> None:
        app = tiny_app()
        app.router.routes.reverse()
        text = render(app)
        assert text == render(tiny_app())
        assert text.startswith('{\n  "openapi": "3.1.0",\n  "info"')
        assert text.endswith("}\n")

    def test_the_members_of_a_schema_keep_their_order(self) -> None:
        assert list(describe(tiny_app())["components"]["schemas"]["TeamOut"]["properties"]) == ["name", "id"]
