"""Nothing that is held about people is forgotten by exports, erasures and retention: the catalogue is whole."""

from sqlalchemy import text

from app.database import Database
from app.holding import Effect
from app.models import Base
from app.personal_data import BY_TABLE, HOLDINGS, NOBODY
from app.personal_data_classes import CLASSES, DataClass
from tests.world import World

# Columns that hold the id of a person without a foreign key, or as one of many.
WITHOUT_A_KEY = {
    "audit_entry": {"subject_id", "actor_id"},
    "erasure": {"employee_id", "erased_by_id"},
    "keys.person_key": {"id"},
    "employee": {"id"},
}
REFERRING = """
SELECT k.conrelid::regclass::text AS relname,
       (SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = k.conrelid AND a.attnum = k.conkey[2]) AS name
FROM pg_constraint k WHERE k.contype = 'f' AND k.confrelid = 'employee'::regclass
"""


async def referring(database: Database) -> dict[str, set[str]]:
    """Return the columns of each table that refer to a person, as the database itself has them."""
    found: dict[str, set[str]] = {name: set(columns) for name, columns in WITHOUT_A_KEY.items()}
    for row in await database.run(lambda session: list(session.execute(text(REFERRING)))):
        found.setdefault(row.relname, set()).add(row.name)
    return found


class TestCatalogue:
    async def test_every_table_is_in_it_or_names_nobody(self, database: Database) -> None:
        assert set(BY_TABLE) | set(NOBODY) == set(Base.metadata.tables)
        assert set(BY_TABLE) & set(NOBODY) == set()
        assert set(await referring(database)) == set(BY_TABLE)
        assert all(NOBODY.values())

    async def test_every_column_that_names_a_person_is_in_it(self, database: Database) -> None:
        for table, columns in (await referring(database)).items():
            holding = BY_TABLE[table]
            assert {*holding.about, *holding.by} | ({"employee_id"} if table == "erasure" else set()) == columns, table

    def test_a_column_whose_name_says_employee_refers_to_one(self) -> None:
        for table in Base.metadata.sorted_tables:
            if any("employee_id" in column.name for column in table.c):
                assert table.fullname in BY_TABLE

    def test_what_it_says_of_columns_is_true(self) -> None:
        for holding in HOLDINGS:
            columns = set(holding.table.c.keys())
            named = {
                *holding.about,
                *holding.by,
                *holding.withheld,
                *holding.blanks,
                *(s.column for s in holding.sealed),
            }
            assert named <= columns, holding.name
            assert not holding.by or set(holding.part) <= columns, holding.name
            needed = {
                name for name, value in holding.blanks.items() if value is None and not holding.table.c[name].nullable
            }
            assert needed == set(), holding.name

    def test_every_sealed_column_is_opened_or_withheld(self) -> None:
        for holding in HOLDINGS:
            binary = {each.name for each in holding.table.c if each.type.python_type is bytes}
            assert binary == {each.column for each in holding.sealed} | (binary & set(holding.withheld)), holding.name

    def test_every_free_text_of_a_blanked_row_goes(self) -> None:
        """What stays of it are codes, names of settings and references: each named here."""
        stay = {
            "employee": None,  # see ``pseudonymise``, which keeps what it names
            "team": None,
            "call_event": {"platform", "queue_ref", "queue_name", "team_ref", "channel", "direction", "result",
                           "ended_by", "disposition_code", "disposition_key", "disposition_label",
                           "disposition_scheme", "as_of_event_id"},
            "strain_signal": {"explanation", "state"},
            "development_plan": {"state"},
            "goal": {"kind", "priority", "state", "health"},
            "progress_update": {"health", "state"},
            "review": {"kind", "shown_when", "state"},
            "mentor_assignment": {"state", "kind", "health", "paused_because"},
            "session_attendee": {"answer"},
            "session_action": {"state"},
            "session_feedback": {"kind"},
            "eap_submission": {"kind", "state"},
            "eap_referral": {"kind", "state", "urgency"},
            "role_grant": {"role", "state", "granted_by", "approved_by"},
        }  # fmt: skip
        for holding in HOLDINGS:
            if holding.effect is Effect.blanked and stay.get(holding.name, set()) is not None:
                texts = {each.name for each in holding.table.c if each.type.python_type in (str, bytes)}
                assert texts - set(holding.blanks) == stay.get(holding.name, set()), holding.name

    async def test_every_class_is_explained_and_every_organisation_has_its_rule(self, world: World) -> None:
        assert set(CLASSES) == set(DataClass) == {holding.data_class for holding in HOLDINGS}
        rules = (await world.person("amira").get("/v1/retention-rules")).json()["data"]
        assert [rule["data_class"] for rule in rules] == sorted(DataClass)
        assert {rule["data_class"]: rule["keep_days"] for rule in rules} == {
            name: about.keep_days for name, about in CLASSES.items()
        }
