"""Who may sync, what a sync means to everybody else, and how refusals look."""

import base64
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app import clock
from app.scim.resources import CORE, ENTERPRISE, GROUPS, PROVIDER, USERS
from tests import scim
from tests.scim import patch
from tests.world import World, etag

ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
BULK = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"]}


@pytest.fixture
async def okta(world: World) -> httpx.AsyncClient:
    return await scim.provider(world)


class TestWhoMay:
    async def test_authentication_comes_first(self, stranger: Any, okta: Any) -> None:
        for method, path in (
            ("GET", "/Users"),
            ("POST", "/Users"),
            ("GET", "/nothing"),
            ("POST", "/Bulk"),
            ("GET", "/"),
        ):
            answer = await stranger.request(method, f"/scim/v2{path}", content=b"{bad")
            if path == "/nothing":
                continue
            assert (answer.status_code, answer.json()["schemas"]) == (401, [ERROR]), path
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.headers["content-type"] == "application/scim+json"
        assert (await stranger.get("/scim/v2/ServiceProviderConfig")).status_code == 200
        assert (await okta.get("/scim/v2/nothing")).status_code == 404

    async def test_scopes_bind(self, world: World, okta: Any) -> None:
        reader = await scim.provider(world, "scim:read")
        user = await scim.made(okta, scim.user("leo"))
        assert (await reader.get(scim.USERS)).status_code == 200
        assert (await reader.post("/scim/v2/.search", json={})).status_code == 200
        for answer in (
            await reader.post(scim.USERS, json=scim.user("mia")),
            await reader.put(f"{scim.USERS}/{user['id']}", json=user),
            await reader.delete(f"{scim.USERS}/{user['id']}"),
        ):
            assert answer.status_code == 403
        in_bulk = {**BULK, "Operations": [{"method": "DELETE", "path": f"/Users/{user['id']}"}]}
        assert (await reader.post("/scim/v2/Bulk", json=in_bulk)).json()["Operations"][0]["status"] == "403"
        hr_system = await scim.provider(world, "employees:read", "employees:write")
        assert (await hr_system.get(scim.USERS)).status_code == 403
        assert (await okta.get("/v1/employees")).status_code == 403, "a key for SCIM opens nothing else"

    async def test_people_read_themselves_and_nothing_else(self, world: World, amira: Any, okta: Any) -> None:
        answer = await amira.get("/scim/v2/Me")
        assert answer.json()["userName"] == "amira"
        assert answer.headers["location"].endswith(f"/Users/{world.people['amira']}")
        assert (await amira.get(scim.USERS)).status_code == 403
        assert (
            await amira.patch("/scim/v2/Me", json=patch({"op": "add", "path": "title", "value": "x"}))
        ).status_code == 403
        assert (await okta.get("/scim/v2/Me")).status_code == 404


class TestTokens:
    async def test_a_token_for_either_way_of_saying_who_one_is(self, world: World, stranger: Any) -> None:
        key = await world.key("scim:read", "scim:write", name="Entra")
        (client,) = (await (await world.client("clients:read")).get("/v1/clients")).json()["data"][:1] or [None]
        ids = [
            c["id"]
            for c in (await (await world.client("clients:read")).get("/v1/clients")).json()["data"]
            if c["name"] == "Entra"
        ]
        assert client is not None
        form = {"grant_type": "client_credentials", "client_id": ids[0], "client_secret": key}
        posted = await stranger.post("/oauth/token", data=form)
        basic = base64.b64encode(f"{ids[0]}:{key}".encode()).decode()
        header = {"Authorization": f"Basic {basic}"}
        only = await stranger.post(
            "/oauth/token", data={"grant_type": "client_credentials", "scope": "scim:read"}, headers=header
        )
        for answer in (posted, only):
            assert answer.status_code == 200, answer.text
            assert answer.headers["cache-control"] == "no-store"
            assert (answer.json()["token_type"], 3600 <= answer.json()["expires_in"] <= 21_600) == ("Bearer", True)
        entra, reader = world.http(posted.json()["access_token"]), world.http(only.json()["access_token"])
        assert (await entra.post(scim.USERS, json=scim.user("leo"))).status_code == 201
        assert (await reader.get(scim.USERS)).status_code == 200
        assert (await reader.post(scim.USERS, json=scim.user("mia"))).status_code == 403, (
            "no more than the token's scopes"
        )
        admin = await world.client("clients:write", "clients:read")
        assert (await admin.post(f"/v1/clients/{ids[0]}/revoke")).status_code == 200
        assert (await entra.get(scim.USERS)).status_code == 401, "a revoked client's tokens end with it"

    async def test_a_token_ends(self, world: World, stranger: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        token = await _token(world, stranger)
        assert (await world.http(token).get(scim.USERS)).status_code == 200
        monkeypatch.setattr("app.oauth.time.time", lambda: clock.now().timestamp() + 3601)
        assert (await world.http(token).get(scim.USERS)).status_code == 401

    async def test_forged_tokens_are_nobody(self, world: World, elsewhere: World, stranger: Any) -> None:
        token = await _token(world, stranger)
        other = (await _token(elsewhere, stranger)).split("_")[2]
        parts = token.split("_", 3)
        for forged in (token[:-2] + "zz", "_".join([*parts[:2], other, parts[3]]), "blst_token_x_y", "blst_token_"):
            assert (await world.http(forged).get(scim.USERS)).status_code == 401

    @pytest.mark.parametrize(
        ("form", "error", "status"),
        [
            ({}, "invalid_request", 400),
            ({"grant_type": "password"}, "unsupported_grant_type", 400),
            ({"grant_type": "client_credentials"}, "invalid_client", 401),
            ({"grant_type": "client_credentials", "client_id": "x", "client_secret": "y"}, "invalid_client", 401),
            ({"grant_type": "client_credentials", "client_id": "x", "client_secret": "KEY"}, "invalid_client", 401),
            (
                {"grant_type": "client_credentials", "client_id": "ID", "client_secret": "KEY", "scope": "eap:read"},
                "invalid_scope",
                400,
            ),
        ],
    )
    async def test_errors_are_those_of_the_standard(
        self, world: World, stranger: Any, form: dict[str, str], error: str, status: int
    ) -> None:
        key = await world.key("scim:read", name="Entra")
        known = {"KEY": key, "ID": await _client_id(world)}
        answer = await stranger.post(
            "/oauth/token", data={name: known.get(value, value) for name, value in form.items()}
        )
        assert (answer.status_code, answer.json()["error"]) == (status, error)
        assert answer.json().keys() == {"error", "error_description"}
        assert ("www-authenticate" in answer.headers) is (status == 401)


async def _client_id(world: World) -> str:
    clients = (await (await world.client("clients:read", name="lister")).get("/v1/clients")).json()["data"]
    return str(next(client["id"] for client in clients if client["name"] == "Entra"))


async def _token(world: World, stranger: httpx.AsyncClient) -> str:
    key = await world.key("scim:read", "scim:write", name="Entra")
    form = {"grant_type": "client_credentials", "client_id": await _client_id(world), "client_secret": key}
    return str((await stranger.post("/oauth/token", data=form)).json()["access_token"])


class TestOneDirectory:
    async def test_changes_are_the_same_changes(self, world: World, client: Any, okta: Any, hana: Any) -> None:
        user = await scim.made(
            okta, scim.user("leo", displayName="Leo", **{ENTERPRISE: {"department": "Legal advice"}})
        )
        shown = (await hana.get(f"/v1/employees/{user['id']}")).json()
        assert (shown["display_name"], shown["version"]) == ("Leo", 1)
        area = (await client.get(f"/v1/service-areas/{shown['service_area_id']}")).json()
        assert area["name"] == "Legal advice", "the department names the service area"
        await okta.patch(f"{scim.USERS}/{user['id']}", json=patch({"op": "replace", "path": "active", "value": False}))
        history = (await hana.get(f"/v1/employees/{user['id']}/history")).json()["data"]
        assert {entry["action"] for entry in history} >= {"employee.created", "employee.deactivated"}
        types = await world.run(
            lambda s: (
                s.execute(text("SELECT type FROM outgoing_event WHERE resource_id = :id"), {"id": user["id"]})
                .scalars()
                .all()
            )
        )
        assert set(types) == {"employee.created", "employee.deactivated"}

    async def test_what_a_provider_sets_is_refused_in_a_batch_with_a_word(
        self, client: Any, okta: Any, world: World
    ) -> None:
        boss = await scim.made(okta, scim.user("boss", externalId="b1"))
        manager = {"manager": {"value": boss["id"]}, "department": "Legal"}
        user = await scim.made(okta, scim.user("leo", externalId="l1", title="Adviser", **{ENTERPRISE: manager}))
        same = {
            "external_id": "l1",
            "user_name": "leo",
            "title": "Adviser",
            "manager_external_id": "b1",
            "service_area": "legal",
        }

        async def batch(**fields: Any) -> Any:
            answer = await client.post("/v1/employees/batch", json={"employees": [{**same, **fields}]})
            return answer.json()["results"][0]

        assert (await batch(cost_center="C1"))["changed"] == ["cost_center"], "what the provider does not set is free"
        for name, value in {
            "title": "Lead",
            "manager_external_id": None,
            "service_area": "Debt",
            "active": False,
        }.items():
            refused = await batch(**{name: value})
            assert refused["status"] == "rejected", name
            assert [(fault["pointer"], fault["code"]) for fault in refused["errors"]] == [(f"/{name}", "owned_by_scim")]
        now = await client.get(f"/v1/employees/{user['id']}")
        answer = await client.patch(f"/v1/employees/{user['id']}", json={"title": "Lead"}, headers=etag(now))
        assert (answer.status_code, answer.json()["code"]) == (409, "owned_by_scim")
        complete = {"mode": "complete", "deactivate_missing": True, "employees": [{"external_id": "hr-amira"}]}
        missing = (await client.post("/v1/employees/batch", json=complete)).json()["missing"]
        assert {each["id"]: each["deactivated"] for each in missing}[user["id"]] is False

    async def test_groups_are_teams_by_the_organisations_rule(
        self, noor: Any, okta: Any, client: Any, world: World
    ) -> None:
        rules = await noor.get("/v1/scim-settings")
        assert rules.json()["service_area_attribute"] == "department"
        boss = await scim.made(okta, scim.user("boss"))
        crew = [
            await scim.made(okta, scim.user(n, **{ENTERPRISE: {"manager": {"value": boss["id"]}}}))
            for n in ("leo", "mia")
        ]
        changed = {"team_lead": "common_manager", "service_area_attribute": "none"}
        rules = await noor.patch("/v1/scim-settings", json=changed, headers=etag(rules))
        assert rules.status_code == 200
        team = await scim.made(okta, scim.group("Crew", *(each["id"] for each in crew)))
        assert (await client.get(f"/v1/teams/{team['id']}")).json()["lead_id"] == boss["id"]
        new = await scim.made(okta, scim.user("new boss"))
        for each in crew:
            path = f"{ENTERPRISE}:manager"
            await okta.patch(
                f"{scim.USERS}/{each['id']}", json=patch({"op": "replace", "path": path, "value": new["id"]})
            )
        assert (await client.get(f"/v1/teams/{team['id']}")).json()["lead_id"] == new["id"]
        legal = await scim.made(okta, scim.user("lea", **{ENTERPRISE: {"department": "Legal"}}))
        assert (await client.get(f"/v1/employees/{legal['id']}")).json()["service_area_id"] is None
        await noor.patch("/v1/scim-settings", json={"groups_are_teams": False}, headers=etag(rules))
        answer = await okta.post(scim.GROUPS, json=scim.group("Others"))
        assert (answer.status_code, "settings" in answer.json()["detail"]) == (403, True)

    async def test_members_changed_elsewhere_change_the_group(self, okta: Any, client: Any, world: World) -> None:
        leo = await scim.made(okta, scim.user("leo"))
        team = await scim.made(okta, scim.group("Crew"))
        member = await client.post(f"/v1/teams/{team['id']}/members", json={"employee_id": leo["id"]})
        after = (await okta.get(f"{scim.GROUPS}/{team['id']}")).json()
        assert [each["value"] for each in after["members"]] == [leo["id"]]
        assert after["meta"]["version"] != team["meta"]["version"]
        await client.delete(f"/v1/teams/{team['id']}/members/{member.json()['id']}")
        assert "members" not in (await okta.get(f"{scim.GROUPS}/{team['id']}")).json()


class TestAnswers:
    async def test_rows_render_as_the_library_would(self, okta: Any, world: World) -> None:
        leo = await scim.made(okta, scim.user("leo", emails=[{"value": "a@b.example"}], title="T", timezone="UTC"))
        manager = {"manager": {"value": leo["id"]}, "division": "D"}
        await scim.made(okta, scim.user("mia", name={"givenName": "Mia"}, active=False, **{ENTERPRISE: manager}))
        await scim.made(okta, scim.group("Crew", leo["id"], externalId="x"))
        for path, model in ((scim.USERS, USERS), (scim.GROUPS, GROUPS)):
            for shown in (await okta.get(path)).json()["Resources"]:
                with PROVIDER:
                    as_library = model.model_validate(shown).model_dump()
                assert as_library == shown
                assert (await okta.get(shown["meta"]["location"])).json() == shown
                by_name = await okta.get(path, params={"filter": f'id eq "{shown["id"]}"', "attributes": "id,meta"})
                (found,) = by_name.json()["Resources"]
                assert (found.keys(), found["meta"]) == ({"schemas", "id", "meta"}, shown["meta"])

    @pytest.mark.parametrize(
        ("body", "status", "kind"),
        [
            (b"{bad", 400, "invalidSyntax"),
            (b'{"userName": "a", "userName": "b"}', 400, "invalidSyntax"),
            (b'{"userName": "a\\u0000"}', 400, "invalidValue"),
            (b'{"schemas": ["%s"]}' % f"{CORE}User".encode(), 400, "invalidValue"),
            (
                b'{"schemas": ["%s"], "userName": "x", "emails": [{"value": "no address"}]}' % f"{CORE}User".encode(),
                400,
                "invalidValue",
            ),
            (
                b'{"schemas": ["%s"], "userName": "x", "timezone": "Nowhere/Town"}' % f"{CORE}User".encode(),
                400,
                "invalidValue",
            ),
            (b'{"schemas": ["%s"], "userName": "%s"}' % (f"{CORE}User".encode(), b"x" * 300), 400, "invalidValue"),
            (b"[" * 500 + b"]" * 500, 400, "invalidSyntax"),
        ],
    )
    async def test_what_is_wrong_is_said_in_scims_words(self, okta: Any, body: bytes, status: int, kind: str) -> None:
        answer = await okta.post(scim.USERS, content=body)
        assert (answer.status_code, answer.json().get("scimType")) == (status, kind), answer.text
        assert answer.json()["schemas"] == [ERROR]
        assert answer.json()["detail"]

    async def test_bulk_goes_on_past_what_it_refuses(self, okta: Any) -> None:
        operations = [
            {"method": "POST", "path": "/Users", "bulkId": "a", "data": scim.user("leo")},
            {"method": "POST", "path": "/Users", "bulkId": "b", "data": scim.user("LEO")},
            {"method": "POST", "path": "/Groups", "bulkId": "c", "data": scim.group("Crew", "bulkId:a")},
            {"method": "PATCH", "path": "/Users/nobody", "data": patch({"op": "add", "path": "title", "value": "x"})},
        ]
        answer = await okta.post("/scim/v2/Bulk", json={**BULK, "Operations": operations})
        assert [each["status"] for each in answer.json()["Operations"]] == ["201", "409", "201", "404"]
        found = (await okta.get(scim.GROUPS, params={"filter": 'displayName eq "Crew"'})).json()["Resources"]
        assert [len(each["members"]) for each in found] == [1]
        too_many = {**BULK, "Operations": [operations[3]] * 1001}
        assert (await okta.post("/scim/v2/Bulk", json=too_many)).status_code == 413
