"""The library's own contract for storages, on real PostgreSQL; every call is a transaction of its own."""

from collections.abc import Iterator
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from scim2_models import Resource, ResourceType, ResponseParameters, ScimProvider, SearchRequest
from scim2_server.storage import ScimStorage, SearchPage
from scim2_server.testing import ScimStorageContract
from sqlalchemy.orm import Session

from app import migrate
from app.auth import Caller
from app.database import Database, make_engine, set_tenant
from app.models.base import new_id
from app.scim.resources import PROVIDER
from app.scim.storage import Storage
from app.services import organisation as organisations
from app.settings import Settings

pytestmark = pytest.mark.broad


class InTransactions(ScimStorage):
    """Our storage for one new organisation, called from a thread without a session."""

    supports_cursors = True

    def __init__(self, portal: BlockingPortal, database: Database) -> None:
        self.portal, self.database = portal, database
        slug = f"org-{new_id().hex[-12:]}"
        self.organisation_id = portal.call(database.run, lambda session: organisations.create(session, slug, slug).id)

    def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        def work(session: Session) -> Any:
            set_tenant(session, self.organisation_id)
            with PROVIDER:
                caller = Caller(self.organisation_id, "client", new_id(), frozenset({"scim:read", "scim:write"}))
                return getattr(Storage(session, caller), name)(*args, **kwargs)

        return self.portal.call(self.database.run, work)

    def get(
        self,
        resource_type: ResourceType,
        resource_id: str,
        *,
        response_parameters: ResponseParameters[Any] | None = None,
    ) -> Resource[Any]:
        return self._call("get", resource_type, resource_id, response_parameters=response_parameters)  # type: ignore[no-any-return]

    def search(
        self, resource_types: list[ResourceType], search_request: SearchRequest[Any], *, position: Any = None
    ) -> SearchPage:
        return self._call("search", resource_types, search_request, position=position)  # type: ignore[no-any-return]

    def create(self, resource_type: ResourceType, resource: Resource[Any]) -> Resource[Any]:
        return self._call("create", resource_type, resource)  # type: ignore[no-any-return]

    def update(
        self, resource_type: ResourceType, resource: Resource[Any], *, expected_version: str | None = None
    ) -> Resource[Any]:
        return self._call("update", resource_type, resource, expected_version=expected_version)  # type: ignore[no-any-return]

    def delete(self, resource_type: ResourceType, resource_id: str, *, expected_version: str | None = None) -> None:
        self._call("delete", resource_type, resource_id, expected_version=expected_version)


@pytest.fixture(scope="module")
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture(scope="module")
def threaded_database(portal: BlockingPortal, urls: migrate.Urls, settings: Settings) -> Iterator[Database]:
    database = Database(make_engine(urls.application, settings, role=urls.application_role))
    yield database
    portal.call(database.close)


class TestContract(ScimStorageContract):
    @pytest.fixture
    def provider(self) -> ScimProvider:
        return PROVIDER

    @pytest.fixture
    def storage(self, portal: BlockingPortal, threaded_database: Database) -> InTransactions:
        return InTransactions(portal, threaded_database)
