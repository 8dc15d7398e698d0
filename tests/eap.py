"""Builders of the EAP: a provider with its client, referrals on their way, and suggestions, each through HTTP."""

from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy import text

from tests.world import World

PROVIDERS, REFERRALS, TEXTS = "/v1/eap-providers", "/v1/eap-referrals", "/v1/consent-texts"
SUBMISSIONS, CASES = "/v1/eap-submissions", "/v1/eap-cases"
CRISIS = {"number": "+44 800 000 111", "kind": "voice", "description": "Day and night"}
OFFICE = {"number": "+44 20 7946 0000", "extension": "12", "kind": "voice"}
COUNSELLING: dict[str, Any] = {
    "name": "Counselling",
    "channels": ["phone", "video"],
    "languages": ["en", "cy"],
    "opening_hours": [{"rrule": "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "opens_at": "08:00", "closes_at": "20:00"}],
    "time_zone": "Europe/London",
    "sessions_included": 6,
    "confidentiality_statement": "Your employer never learns that you called.",
}
REASON = {"reason": "No room before the spring."}


async def made(response: httpx.Response, status: int = 201) -> dict[str, Any]:
    assert response.status_code == status, response.text
    body: dict[str, Any] = response.json()
    return body


async def done(response: httpx.Response) -> dict[str, Any]:
    return await made(response, 200)


@dataclass
class Eap:
    """A provider with a service, and the client that acts for it."""

    world: World
    noor: httpx.AsyncClient
    provider: dict[str, Any]
    service: dict[str, Any]
    client: httpx.AsyncClient

    @classmethod
    async def build(cls, world: World, name: str = "Lighthouse", **service: Any) -> "Eap":
        noor = world.person("noor")
        provider = await made(await noor.post(PROVIDERS, json={"name": name, "phones": [OFFICE]}))
        of_provider = f"{PROVIDERS}/{provider['id']}"
        offered = await made(await noor.post(f"{of_provider}/services", json={**COUNSELLING, **service}))
        client = await world.client("eap:read", "eap:write", name=f"{name} system")
        client_id = (await done(await client.get("/v1/me")))["client"]["id"]
        await made(await noor.post(f"{of_provider}/clients", json={"client_id": client_id}))
        return cls(world, noor, provider, offered, client)

    async def words(self, recipient: str) -> dict[str, Any]:
        """Return how a consent names the words that are to be shown now."""
        shown = await done(await self.noor.get(TEXTS, params={"recipient": recipient, "current": True}))
        return {"text_id": shown["data"][0]["id"], "text_sha256": shown["data"][0]["sha256"]}

    async def draft(self, who: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
        return await made(await who.post(REFERRALS, json={"service_id": self.service["id"], **fields}))

    async def consents(self, scope: str = "reference_only", to_referrer: str | None = None) -> dict[str, Any]:
        """Return the body of a request with these consents."""
        body: dict[str, Any] = {"provider_consent": {**await self.words("provider"), "scope": scope}}
        if to_referrer is not None:
            body["referrer_consent"] = {**await self.words("referrer"), "scope": to_referrer}
        return body

    async def send(
        self, who: httpx.AsyncClient, referral: dict[str, Any], scope: str = "reference_only", **fields: Any
    ) -> dict[str, Any]:
        to_referrer = fields.pop("to_referrer", None)
        body = {**await self.consents(scope, to_referrer), **fields}
        return await done(await who.post(f"{REFERRALS}/{referral['id']}/request", json=body))

    async def sent(self, who: httpx.AsyncClient, scope: str = "reference_only", **fields: Any) -> dict[str, Any]:
        """Return a self-referral that the provider has."""
        return await self.send(who, await self.draft(who, **fields), scope)

    async def suggest(self, lead: httpx.AsyncClient, employee_id: Any, **fields: Any) -> dict[str, Any]:
        """Return a suggestion that was proposed."""
        body = {"employee_id": str(employee_id), "kind": "suggested", **fields}
        submission = await made(await lead.post(SUBMISSIONS, json=body))
        return await done(await lead.post(f"{SUBMISSIONS}/{submission['id']}/propose"))

    async def proposed(self, who: httpx.AsyncClient) -> dict[str, Any]:
        """Return the suggestion that waits for a person's answer, with a service chosen."""
        (found,) = (await done(await who.get(REFERRALS, params={"state": "proposed"})))["data"]
        url, headers = f"{REFERRALS}/{found['id']}", {"If-Match": "*"}
        return await done(await who.patch(url, json={"service_id": self.service["id"]}, headers=headers))

    async def case(self, referral: dict[str, Any]) -> dict[str, Any]:
        """Return what the provider has of a referral, found by the reference that the person quotes."""
        found = await done(await self.client.get(CASES, params={"reference": referral["reference"]}))
        return found["data"][0] if found["data"] else {}

    async def move(self, case: dict[str, Any], *verbs: str, by: httpx.AsyncClient | None = None) -> dict[str, Any]:
        """Let the provider take steps, each with a reason where it needs one."""
        for verb in verbs:
            body = REASON if verb in ("reject", "hold", "fail", "cancel") else None
            case = await done(await (by or self.client).post(f"{CASES}/{case['id']}/{verb}", json=body))
        return case


# How a referral gets from requested into each state, by the provider's verbs.
WAYS: dict[str, tuple[str, ...]] = {
    "requested": (),
    "accepted": ("accept",),
    "rejected": ("reject",),
    "in_progress": ("accept", "start"),
    "on_hold": ("accept", "start", "hold"),
    "completed": ("accept", "start", "complete"),
    "failed": ("accept", "start", "fail"),
    "cancelled": ("accept", "cancel"),
}


async def read(who: httpx.AsyncClient, referral: dict[str, Any]) -> dict[str, Any]:
    return await done(await who.get(f"{REFERRALS}/{referral['id']}"))


async def rows(world: World, query: str, **values: Any) -> list[Any]:
    return list(await world.run(lambda session: session.execute(text(query), values).all()))


async def verb(who: httpx.AsyncClient, referral: dict[str, Any], name: str, body: Any = None) -> httpx.Response:
    return await who.post(f"{REFERRALS}/{referral['id']}/{name}", json=body)
