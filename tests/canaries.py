"""A word through every field that is sealed: for whoever wants to see where it turns up, which should be nowhere.

A new sealed field is planted by a function here, added to `PLANTERS`. `test_plaintext` fails while a sealed column of
the database stays empty, so that none can be forgotten.
"""

import base64
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from app import clock
from app.job_runner import KINDS, JobRunner
from app.models.client import Role
from app.models.thought_record import Distortion
from tests.eap import CASES, REFERRALS, SUBMISSIONS, Eap
from tests.held_sessions import hold_session
from tests.plans import PLANS, running_plan
from tests.world import World, etag

PREFIX = "canary"


@dataclass
class Planting:
    """The words that were sent, by where they belong, and every answer that was given."""

    world: World
    words: dict[str, str] = field(default_factory=dict)
    answers: list[httpx.Response] = field(default_factory=list)

    def word(self, place: str) -> str:
        """Return a new word for one field."""
        self.words[place] = f"{PREFIX}{secrets.token_hex(8)}"
        return self.words[place]

    async def send(self, who: httpx.AsyncClient, method: str, url: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send a body as it should be, and before that in each way in which it is refused. Return what it made."""
        fresh = {"Idempotency-Key": secrets.token_hex(8)} if method == "POST" else {"If-Match": "*"}
        stale = {"If-Match": '"999"'}
        broken: dict[str, Any] = {name: [value] for name, value in body.items()}
        unknown = body | {"unknown": next(iter(body.values()))}
        for refused, headers in ((unknown, fresh), (broken, fresh), (body, stale)):
            if method == "POST" and headers is stale:
                continue
            await self._keep(await who.request(method, url, json=refused, headers=headers), 400)
        stranger, absent = self.world.http(), url.rsplit("/", 1)[0] + f"/{self.world.id}"
        await self._keep(await stranger.request(method, url, json=body, headers=fresh), 400)
        await self._keep(await who.request(method, absent, json=body, headers=fresh), 400)
        kind = {"Content-Type": "application/json"}
        await self._keep(await who.request(method, url, content=f"{body}".encode(), headers=fresh | kind), 400)
        made = await who.request(method, url, json=body, headers=fresh)
        await self._keep(made, 200)
        if method == "POST":
            await self._keep(await who.request(method, url, json=body, headers=fresh), 200)
        result: dict[str, Any] = made.json()
        return result

    async def _keep(self, answer: httpx.Response, hundreds: int) -> None:
        assert hundreds <= answer.status_code < hundreds + 100, answer.text
        self.answers.append(answer)


async def plant_thought_records(planting: Planting) -> None:
    amira = planting.world.person("amira")
    fields = ("situation", "automatic_thought", "feeling", "speaks_for", "speaks_against", "balanced_thought")
    said: dict[str, Any] = {name: planting.word(f"thought_record.{name}") for name in fields}
    said |= {"strength_before": 81, "strength_after": 37, "distortions": [str(Distortion.mind_reading)]}
    record = await planting.send(amira, "POST", "/v1/thought-records", said)
    changed = {"feeling": planting.word("thought_record.feeling changed")}
    await planting.send(amira, "PATCH", f"/v1/thought-records/{record['id']}", changed)


async def plant_reviews(planting: Planting) -> None:
    amira, theo = planting.world.person("amira"), planting.world.person("theo")
    plan = await running_plan(amira)
    review = (await amira.post(f"{PLANS}/{plan['id']}/reviews", json={"kind": "appraisal"})).json()
    url = f"{PLANS}/{plan['id']}/reviews/{review['id']}"
    for who, part in ((amira, "self_part"), (theo, "reviewer_part")):
        await planting.send(who, "PATCH", url, {part: planting.word(f"review.{part}")})
    shared = await theo.post(f"{url}/share", headers=etag(await theo.get(url)))
    assert shared.status_code == 200, shared.text


async def plant_session_notes(planting: Planting) -> None:
    jonas = planting.world.person("jonas")
    url = f"/v1/coaching-sessions/{await hold_session(planting.world, 'amira')}/notes"
    said = {"text": planting.word("session_note.text"), "visibility": "shared_with_attendees"}
    note = await planting.send(jonas, "POST", url, said)
    await planting.send(jonas, "PATCH", f"{url}/{note['id']}", {"text": planting.word("session_note.text changed")})


async def plant_session_feedback(planting: Planting) -> None:
    amira = planting.world.person("amira")
    held: dict[str, Any] = {"state": "completed", "completed_at": clock.now()}
    url = f"/v1/coaching-sessions/{await hold_session(planting.world, 'amira', **held)}/feedback"
    words = {"words": planting.word("session_feedback.words"), "rating": 4}
    given = await planting.send(amira, "POST", url, words)
    changed = {"words": planting.word("session_feedback.words changed")}
    await planting.send(amira, "PATCH", f"{url}/{given['id']}", changed)


async def plant_eap(planting: Planting) -> None:
    """A suggestion, a referral, and a reason of the provider's."""
    world = planting.world
    theo, grace, eap = world.person("theo"), world.person("grace"), await Eap.build(world)
    suggested = {"reason": planting.word("eap_submission.reason"), "employee_id": str(world.people["amira"])}
    await planting.send(theo, "POST", SUBMISSIONS, {**suggested, "kind": "suggested"})
    told = {"note": planting.word("eap_referral.note"), "contact": planting.word("eap_referral.contact")}
    referral = await planting.send(grace, "POST", REFERRALS, {**told, "service_id": eap.service["id"]})
    case = await eap.move(await eap.case(await eap.send(grace, referral)), "accept", "start")
    reason = {"reason": planting.word("eap_step.reason")}
    await planting.send(eap.client, "POST", f"{CASES}/{case['id']}/hold", reason)


async def plant_break_glass(planting: Planting) -> None:
    ines = planting.world.person("ines")
    why = {name: planting.word(f"break_glass_request.{name}") for name in ("reason", "delay_reason")}
    asked = {**why, "employee_id": str(planting.world.people["amira"]), "delay_seconds": 3600}
    await planting.send(ines, "POST", "/v1/break-glass-requests", asked)


async def plant_reasons(planting: Planting) -> None:
    amira = planting.world.person("amira")
    plan = await running_plan(amira, title="Left early")
    why = {"reason": planting.word("audit_entry.reason")}
    await planting.send(amira, "POST", f"{PLANS}/{plan['id']}/abandon", why)


async def plant_export(planting: Planting) -> None:
    """Everything that the others planted about Amira, once more, in her export."""
    world = planting.world
    await world.hire("marguerite")
    await world.grant("marguerite", Role.data_protection_officer)
    asked = await world.person("marguerite").post(f"/v1/employees/{world.people['amira']}/exports")
    assert asked.status_code == 202, asked.text
    await JobRunner(world.database, 1, {"data_export": KINDS["data_export"]}).attend(world.id)


async def plant_source_credentials(planting: Planting) -> None:
    """The auth token of a platform, which signs: it cannot be kept as a digest alone."""
    noor = planting.world.person("noor")
    made = (await noor.post("/v1/sources", json={"name": "Twilio", "kind": "twilio"})).json()
    url = f"/v1/sources/{made['id']}/credentials"
    await planting.send(noor, "POST", url, {"kind": "twilio", "secret": planting.word("source_credential.sealed")})


async def plant_webhook_keys(planting: Planting) -> None:
    """The secrets that messages are signed with are made here: they are looked for as they were shown, once."""
    client, body = await planting.world.client(), {"url": "https://hooks.example.com/", "event_types": ["*"]}
    made = await client.post("/v1/webhook-endpoints", json=body)
    rotated = await client.post(f"/v1/webhook-endpoints/{made.json()['id']}/rotate-secret")
    for place, answer in {"previous_keys": made, "keys": rotated}.items():
        assert answer.status_code in (200, 201), answer.text
        shown = answer.json()["secret"].removeprefix("whsec_")
        planting.words[f"webhook_endpoint.{place}"] = shown
        planting.words[f"webhook_endpoint.{place} in bytes"] = base64.b64decode(shown).hex()
        planting.answers.append(answer)


PLANTERS: list[Callable[[Planting], Awaitable[None]]] = [
    plant_thought_records,
    plant_reasons,
    plant_reviews,
    plant_session_notes,
    plant_session_feedback,
    plant_eap,
    plant_break_glass,
    plant_source_credentials,
    plant_export,
    plant_webhook_keys,
]
