"""What no published suite notices, a small probe does: it passes on our server, and fails on each broken one."""

import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from scim2_models import NotFoundException
from scim2_server.conditions import Conditions

from app import migrate
from app.database import Database, make_engine
from app.main import create_app
from app.scim.handler import Handler
from app.scim.service import Service
from app.scim.storage import Storage
from app.settings import Settings
from tests import scim
from tests.scim import MESSAGES, asked, patch
from tests.test_tenancy import without_the_codes_filter
from tests.world import World

Break = Callable[[pytest.MonkeyPatch], None]


async def probe(client: httpx.AsyncClient, foreign: str) -> None:
    """Use a server as providers do. Raise AssertionError, naming what is broken. ``foreign`` is not ours to see."""

    async def search(**query: Any) -> tuple[int, list[str]]:
        page = await asked(client, "GET", "/Users", 200, params=query)
        return page["totalResults"], [each["id"] for each in page["Resources"]]

    assert (await client.get(f"/scim/v2/Users/{foreign}")).status_code == 404, "tenancy"
    people = [await scim.made(client, scim.user(name)) for name in ("probe one", "probe two", "probe three")]
    ids = [each["id"] for each in people]
    assert await search(filter='userName eq "PROBE two"') == (1, ids[1:2]), "filters"
    assert await search(filter='userName eq "nobody"') == (0, []), "filters"
    assert await search(filter=f'id eq "{foreign}"') == (0, []), "tenancy"

    total, everybody = await search()
    assert len(everybody) == total >= len(ids), "paging"
    pages = [await search(startIndex=start, count=2) for start in range(1, total + 1, 2)]
    assert {found for found, _ in pages} == {total}, "paging"
    assert [page for _, page in pages] == [everybody[at : at + 2] for at in range(0, total, 2)], "paging"

    one = f"/Users/{ids[0]}"
    change = patch({"op": "replace", "path": "title", "value": "Adviser"})
    await asked(client, "PATCH", one, 200, json=change)
    for method, body in (("PATCH", change), ("PUT", people[0]), ("DELETE", None)):
        stale = {"If-Match": people[0]["meta"]["version"]}
        answer = await client.request(method, f"/scim/v2{one}", json=body, headers=stale)
        assert answer.status_code == 412, "If-Match"

    operation = {"method": "POST", "path": "/Users", "bulkId": "a", "data": scim.user("probe four")}
    bulk = {"schemas": [f"{MESSAGES}BulkRequest"], "Operations": [operation]}
    answer = await client.post("/scim/v2/Bulk", json=bulk)
    assert answer.status_code == 200, "bulk"
    assert [each["status"] for each in answer.json()["Operations"]] == ["201"], "bulk"
    assert (await search(filter='userName eq "probe four"'))[0] == 1, "bulk"


def searching(**ignored: Any) -> Break:
    """Return how to make the storage overlook part of what a search asks for."""

    def change(monkeypatch: pytest.MonkeyPatch) -> None:
        page = Storage.page

        def overlooking(self: Storage, kinds: Any, request: Any, position: Any) -> Any:
            return page(self, kinds, request.model_copy(update=ignored), position)

        monkeypatch.setattr(Storage, "page", overlooking)

    return change


def without_conditions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Service, "read_conditions", staticmethod(lambda request: Conditions()))


def without_bulk(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(self: Handler, request: Any) -> Any:
        raise NotFoundException

    monkeypatch.setattr(Handler, "bulk", absent)


MUTANTS: dict[str, tuple[Break, str]] = {
    "filters ignored": (searching(filter=None), "filters"),
    "paging ignored": (searching(start_index=1, count=None), "paging"),
    "count ignored": (searching(count=None), "paging"),
    "startIndex ignored": (searching(start_index=1), "paging"),
    "If-Match ignored": (without_conditions, "If-Match"),
    "Bulk gone": (without_bulk, "bulk"),
}


@pytest.fixture
async def foreign(elsewhere: World) -> str:
    """Somebody of another organisation."""
    return str(elsewhere.people["amira"])


async def test_the_probe_passes_on_our_server(world: World, foreign: str) -> None:
    await probe(await scim.provider(world), foreign)


@pytest.mark.parametrize(("change", "found"), MUTANTS.values(), ids=MUTANTS.keys())
async def test_the_probe_fails_on_a_mutant(
    world: World, foreign: str, monkeypatch: pytest.MonkeyPatch, change: Break, found: str
) -> None:
    client = await scim.provider(world)
    change(monkeypatch)
    with pytest.raises(AssertionError, match=f"^{re.escape(found)}\n"):
        await probe(client, foreign)


class TestTenantScopeDropped:
    """The code's own scope and row-level security each hold alone; without both, the probe fails."""

    @pytest.fixture
    async def as_role(self, urls: migrate.Urls, settings: Settings) -> AsyncIterator[Database]:
        database = Database(make_engine(urls.application, settings, role=urls.application_role))
        yield database
        await database.close()

    @pytest.fixture
    async def as_owner(self, urls: migrate.Urls, settings: Settings) -> AsyncIterator[Database]:
        database = Database(make_engine(urls.owner, settings.model_copy(update={"pool_size": 2})))
        yield database
        await database.close()

    async def client(self, world: World, database: Database, settings: Settings) -> httpx.AsyncClient:
        app = create_app(settings, database)
        return await scim.provider(World(app, world.database, id=world.id, people=world.people))

    async def test_in_the_code_alone(self, world: World, foreign: str, as_role: Database, settings: Settings) -> None:
        removed = without_the_codes_filter(as_role)
        await probe(await self.client(world, as_role, settings), foreign)
        assert removed() > 10

    async def test_in_the_database_alone(
        self, world: World, foreign: str, as_owner: Database, settings: Settings
    ) -> None:
        await probe(await self.client(world, as_owner, settings), foreign)

    async def test_in_both(self, world: World, foreign: str, as_owner: Database, settings: Settings) -> None:
        without_the_codes_filter(as_owner)
        with pytest.raises(AssertionError, match=r"^tenancy\n"):
            await probe(await self.client(world, as_owner, settings), foreign)
