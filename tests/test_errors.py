"""What an exception means to a caller, and that its answer tells nothing that it should not."""

import json
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from fastapi.exceptions import RequestValidationError
from pydantic import Field, TypeAdapter, ValidationError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError
from starlette.exceptions import HTTPException

from app.database import Database
from app.errors import CONSTRAINT, Busy, Conflict, Refusal, Unauthenticated, Unprocessable
from app.problems import MOST_FAULTS, fault_of, instance_of, refusal_of, respond
from app.schemas.base import Day, Flag, In, Int, Key, Moment, Name, Prose, Seconds

CANARY = "canary7f3a"


async def raised(database: Database, statement: str, **values: Any) -> DBAPIError:
    """Return the error that the real database answers a statement with."""
    with pytest.raises(DBAPIError) as caught:
        await database.run(lambda session: session.execute(text(statement), values))
    return caught.value


def answered(refusal: Refusal) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(bytes(respond(refusal, {"path": "/v1/x"}).body))
    return body


class TestDatabaseErrors:
    @pytest.mark.parametrize(
        ("state", "status"),
        [
            ("57014", 503),  # the statement took too long
            ("55P03", 503),  # a lock was not given
            ("40001", 503),  # serialization
            ("40P01", 503),  # deadlock
            ("53300", 503),  # too many connections
            ("53200", 503),  # out of memory
            ("57P01", 503),  # shut down by an administrator
            ("57P03", 503),  # starting up
            ("08006", 503),  # connection lost
            ("22003", 422),  # number out of range
            ("22P02", 422),  # not a number
            ("22021", 422),  # not of the encoding
            ("23505", 409),
            ("23503", 409),
            ("23514", 409),
            ("23502", None),  # a column that we forgot to fill
            ("42P01", None),  # a table that is not there
            ("42501", None),  # a right that we lack
            ("P0001", None),
            ("XX000", None),
        ],
    )
    async def test_are_told_by_their_sqlstate(self, database: Database, state: str, status: int | None) -> None:
        error = await raised(database, f"DO $$ BEGIN RAISE EXCEPTION '{CANARY}' USING ERRCODE = '{state}'; END $$")

        refusal = refusal_of(error)

        assert (refusal.status if refusal else None) == status
        if refusal:
            assert CANARY not in json.dumps(answered(refusal))
        if status == 503:
            assert refusal is not None
            assert refusal.headers == {"Retry-After": "1"}

    async def test_a_duplicate_names_the_field_and_not_its_value(self, database: Database) -> None:
        statement = (
            "INSERT INTO organisation_directory (organisation_id, slug, state)"
            f" VALUES (gen_random_uuid(), '{CANARY}', 'active'), (gen_random_uuid(), '{CANARY}', 'active')"
        )

        refusal = refusal_of(await raised(database, statement))

        assert isinstance(refusal, Conflict)
        assert refusal.problem_code == "already_exists"
        assert refusal.problem_detail == "There is one like it already (organisation directory slug)."

    async def test_a_value_that_the_driver_cannot_send_is_a_wrong_value(self, database: Database) -> None:
        for value in (2**70, "not a number", float("nan")):
            error = await raised(database, "SELECT CAST(:value AS integer) + 1", value=value)
            assert isinstance(refusal_of(error), Unprocessable), value

    async def test_values_do_not_get_into_messages(self, database: Database) -> None:
        error = await raised(database, "SELECT CAST(:value AS uuid)", value=CANARY)

        assert CANARY not in str(error).replace(str(error.orig), "")
        assert error.hide_parameters

    def test_a_constraint_of_a_shard_is_known_by_its_own_name(self) -> None:
        found = CONSTRAINT.search('violates unique constraint "uq_team_organisation_id_name_key_102008"')

        assert found is not None
        assert found.group(1) == "uq_team_organisation_id_name_key"


class TestOtherErrors:
    def test_busy_is_busy(self) -> None:
        for error in (PoolTimeout(), TimeoutError(), ConnectionResetError()):
            assert isinstance(refusal_of(error), Busy)

    def test_a_stale_version_is_a_conflict(self) -> None:
        refusal = refusal_of(StaleDataError(CANARY))

        assert isinstance(refusal, Conflict)
        assert CANARY not in json.dumps(answered(refusal))

    def test_a_fault_of_ours_is_none(self) -> None:
        for error in (ValueError(CANARY), KeyError(CANARY), RuntimeError(), AssertionError(), ZeroDivisionError()):
            assert refusal_of(error) is None

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 406, 409, 410, 413, 415, 418, 422, 429, 503])
    def test_those_of_the_framework_say_nothing_of_their_own(self, status: int) -> None:
        refusal = refusal_of(HTTPException(status, CANARY))

        assert refusal is not None
        body = answered(refusal)
        assert body["status"] == status
        assert CANARY not in json.dumps(body)
        assert body["type"] == f"urn:ballast:problem:{body['code']}"
        assert body["code"] == body["code"].lower()

    def test_401_asks_for_a_credential_and_503_says_when(self) -> None:
        assert Unauthenticated().headers["WWW-Authenticate"].startswith("Bearer")
        assert Busy().headers["Retry-After"] == "1"


class Nested(In):
    name: Name
    number: Int


class Whole(In):
    """Every type that a body is made of."""

    name: Name
    prose: Prose
    key: Key
    number: Int
    seconds: Seconds
    flag: Flag
    moment: Moment
    day: Day
    id: UUID
    kind: Literal["one", "two"]
    names: Annotated[list[Name], Field(max_length=1)]
    nested: Nested
    many: dict[str, Nested]
    choice: Annotated[UUID | int, Field(union_mode="left_to_right")]
    pattern: Annotated[str, Field(pattern="^x$")]


WRONG: tuple[Any, ...] = (CANARY, "x" + CANARY * 500, f"{CANARY}\n", "", 7, -(2**80), 1.5, True, None, [], {}, [CANARY])
WRONG += ({CANARY: CANARY}, [[CANARY]], [CANARY, CANARY], {"name": CANARY, "number": CANARY, "other": CANARY})


class TestFaults:
    def every_error(self) -> list[Any]:
        found = []
        for value in WRONG:
            for body in (dict.fromkeys(Whole.model_fields, value), value):
                try:
                    Whole.model_validate(body)
                except ValidationError as error:
                    found += error.errors()
        return found

    def test_never_repeat_a_value(self) -> None:
        errors = self.every_error()
        kinds = {error["type"] for error in errors}
        assert len(kinds) > 15

        for error in errors:
            fault = fault_of(error)
            named = [part for part in error["loc"] if part == CANARY]
            assert CANARY not in fault.detail, error
            assert CANARY not in fault.pointer or named, error
            assert fault.pointer.startswith("/")
            assert fault.code == error["type"]

    def test_point_to_the_place(self) -> None:
        with pytest.raises(ValidationError) as caught:
            TypeAdapter(list[Nested]).validate_python([{"name": "x", "number": 1}, {"name": "x"}])

        (error,) = caught.value.errors()

        assert fault_of(error).pointer == "/1/number"
        assert fault_of({**error, "loc": ("body", 1, "number")}).pointer == "/1/number"
        assert fault_of({**error, "loc": ("query", "limit")}).pointer == "?limit"
        assert fault_of({**error, "loc": ("header", "if-match")}).pointer == "header:-"
        assert fault_of({**error, "loc": ("body",)}).pointer == "/"
        assert fault_of(error, prefix="/employees").pointer == "/employees/1/number"

    def test_hide_names_that_are_not_names(self) -> None:
        for name in ("+44 7700 900123", "a b", "é", "<script>", "x" * 65, "", "1"):
            error = {"type": "extra_forbidden", "loc": ("body", name), "msg": "Extra inputs are not permitted"}
            assert fault_of(error).pointer == "/-"

    def test_are_not_more_than_anyone_reads(self) -> None:
        error = {"type": "missing", "loc": ("body", "x"), "msg": "Field required"}

        refusal = refusal_of(RequestValidationError([error] * 5000))

        assert refusal is not None
        assert len(refusal.faults) == MOST_FAULTS

    def test_a_path_that_holds_no_id_is_not_found(self) -> None:
        error = {"type": "uuid_parsing", "loc": ("path", "employee_id"), "msg": CANARY}

        refusal = refusal_of(RequestValidationError([error]))

        assert refusal is not None
        assert (refusal.status, refusal.faults) == (404, ())


class TestInstance:
    def test_has_names_in_place_of_values(self) -> None:
        scope = {
            "path": f"/v1/teams/{CANARY}/members/7",
            "path_params": {"team_id": CANARY, "member_id": 7},
            "endpoint": None,
        }

        assert instance_of(scope) == "/v1/teams/team_id/members/member_id"

    def test_of_an_unknown_path_is_nothing(self) -> None:
        assert instance_of({"path": f"/{CANARY}"}) == "/"
