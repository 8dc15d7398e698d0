"""The caller's organisation."""

import httpx

from tests.world import World, etag


class TestOrganisation:
    async def test_everyone_reads_what_call_events_are_kept_for(self, amira: httpx.AsyncClient, world: World) -> None:
        response = await amira.get("/v1/organisation")

        assert response.status_code == 200
        assert response.json()["slug"] == world.slug
        assert "never used for appraisal" in response.json()["monitoring_purpose"]

    async def test_the_programme_lead_changes_it(self, noor: httpx.AsyncClient) -> None:
        before = await noor.get("/v1/organisation")

        changed = await noor.patch("/v1/organisation", json={"time_zone": "Europe/London"}, headers=etag(before))

        assert changed.status_code == 200
        assert changed.json()["time_zone"] == "Europe/London"
        assert changed.headers["ETag"] != before.headers["ETag"]

    async def test_an_employee_does_not(self, amira: httpx.AsyncClient) -> None:
        response = await amira.patch("/v1/organisation", json={"name": "Mine"}, headers={"If-Match": "*"})

        assert response.status_code == 403

    async def test_a_stale_version_is_refused(self, noor: httpx.AsyncClient) -> None:
        response = await noor.patch("/v1/organisation", json={"name": "Mine"}, headers={"If-Match": '"99"'})

        assert response.status_code == 412

    async def test_a_small_group_cannot_be_made_smaller(self, noor: httpx.AsyncClient) -> None:
        response = await noor.patch("/v1/organisation", json={"minimum_group_size": 4}, headers={"If-Match": "*"})

        assert response.status_code == 422
        assert response.json()["errors"][0]["pointer"] == "/minimum_group_size"
