"""Examples of the EAP's directory, referrals, submissions and cases: see `examples_of_resources`."""

from collections.abc import Callable, Mapping, MutableMapping
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.models import (
    Client,
    ConsentText,
    EapCase,
    EapConsent,
    EapCount,
    EapProvider,
    EapProviderClient,
    EapReferral,
    EapService,
    EapStep,
    EapSubmission,
)
from app.models.base import new_id
from tests.world import World

PROVIDER, REFERRAL = "/v1/eap-providers/{provider_id}", "/v1/eap-referrals/{referral_id}"
SUBMISSION, CASE = "/v1/eap-submissions/{submission_id}", "/v1/eap-cases/{case_id}"
OF_PROVIDER = {"provider_id": "eap_provider"}
EXAMPLES: dict[str, dict[str, str]] = {
    PROVIDER: OF_PROVIDER,
    PROVIDER + "/services/{service_id}": {**OF_PROVIDER, "service_id": "eap_service"},
    PROVIDER + "/clients/{binding_id}": {**OF_PROVIDER, "binding_id": "eap_provider_client"},
    "/v1/eap-directory/{organisation}": {"organisation": "organisation"},
    "/v1/consent-texts/{text_id}": {"text_id": "consent_text"},
    REFERRAL: {"referral_id": "eap_draft"},
    **{
        f"{REFERRAL}/{part}": {"referral_id": example}
        for part, example in {
            "decline": "eap_proposed",
            "give-consent": "eap_referral",
            "withdraw-consent": "eap_referral",
            "assign-coordinator": "eap_referral",
            "cancel": "eap_referral",
            "consents": "eap_referral",
            "history": "eap_referral",
        }.items()
    },
    SUBMISSION: {"submission_id": "eap_submission"},
    f"{SUBMISSION}/shared": {"submission_id": "eap_proposed_submission"},
    CASE: {"case_id": "eap_case"},
    **{
        f"{CASE}/{verb}": {"case_id": f"eap_case_{state}"}
        for verb, state in {
            "start": "accepted",
            "hold": "in_progress",
            "resume": "on_hold",
            "record-attendance": "in_progress",
            "complete": "in_progress",
            "fail": "in_progress",
        }.items()
    },
}


def _shown(ids: Mapping[str, UUID]) -> dict[str, Any]:
    return {"text_id": str(ids["provider_text"]), "text_sha256": SHA256[ids["provider_text"]]}


# Of the words that stand behind an id: the digest is no id.
SHA256: dict[UUID, str] = {}
MEMBERS: dict[str, Callable[[Mapping[str, UUID]], dict[str, Any]]] = {
    "create_eap_provider": lambda _: {"name": "Beacon"},
    "create_eap_service": lambda _: {"always_open": False},
    "update_eap_service": lambda _: {
        "channels": ["chat"],
        "languages": ["cy"],
        "always_open": False,
        **dict.fromkeys(("routine_seconds", "soon_seconds", "urgent_seconds"), 7200),
    },
    "create_eap_provider_client": lambda ids: {"client_id": str(ids["eap_client"])},
    "create_eap_referral": lambda ids: {"service_id": str(ids["eap_service"])},
    "update_eap_referral": lambda _: {"service_id": None},
    "request_eap_referral": lambda ids: {
        "provider_consent": {**_shown(ids), "scope": "name", "expires_at": None},
        "referrer_consent": None,
    },
    "give_eap_consent": lambda ids: {**_shown(ids), "recipient": "provider", "scope": "name", "expires_at": None},
    "assign_eap_coordinator": lambda _: {"with_coordinator": False},
    "create_eap_submission": lambda ids: {"employee_id": str(ids["amira"])},
}
PHONE = {"number": "+44 20 7946 0000", "extension": None, "kind": "voice", "description": "Day and night"}


def make_eap(session: Session, world: World, number: int, make: Any, made: MutableMapping[str, UUID]) -> None:
    """Make a provider with services, and referrals of Amira in each of some states, with suggestions of Theo."""
    _make_directory(session, world, number, make, made)
    amira, theo = world.people["amira"], world.people["theo"]
    about = {"employee_id": amira, "referred_by_id": theo, "kind": "suggested"}
    made["eap_proposed_submission"] = make(EapSubmission, **about, state="proposed", proposed_at=clock.now())
    mine = {"employee_id": amira, "service_id": made["eap_service"]}
    made["eap_proposed"] = make(
        EapReferral, **mine, kind="suggested", state="proposed", submission_id=made["eap_proposed_submission"]
    )
    made["eap_draft"] = make(EapReferral, **mine, kind="self", state="draft", urgency="soon")
    for state in ("accepted", "in_progress", "on_hold", "requested"):
        made[f"eap_case_{state}"] = _send(make, made, mine, number, state, world.people["ines"])
    make(EapSubmission, **about, state="draft")
    make(EapCount, month=date(2026, number, 1), minimum=10, rounded_to=5, people=15)


def _make_directory(session: Session, world: World, number: int, make: Any, made: MutableMapping[str, UUID]) -> None:
    make(EapProvider, name=f"Lighthouse {number}", name_key=f"lighthouse {number}", phones=[PHONE])
    for name in ("Crisis line", "Counselling"):
        make(
            EapService,
            provider_id=made["eap_provider"],
            name=name,
            channels=["phone"],
            languages=["en"],
            opening_hours=[],
            phones=[],
            confidentiality_statement="Your employer never learns that you called.",
        )
    first = made["client"]
    for _ in range(2):
        client_id = make(Client, name=f"provider {new_id()}", scopes=["eap:read"])
        make(EapProviderClient, provider_id=made["eap_provider"], client_id=client_id)
    made["eap_client"] = make(Client, name=f"provider {new_id()}", scopes=["eap:read"])
    made["client"] = first
    query = select(ConsentText.id, ConsentText.sha256).where(
        ConsentText.organisation_id == world.id, ConsentText.recipient == "provider"
    )
    text = session.execute(query).one()
    made["provider_text"] = made["consent_text"] = text.id
    SHA256[text.id] = text.sha256


def _send(
    make: Any, made: MutableMapping[str, UUID], mine: Mapping[str, UUID], number: int, state: str, coordinator: UUID
) -> UUID:
    now, due = clock.now(), clock.now() + timedelta(days=5)
    sent = {**mine, "provider_id": made["eap_provider"], "state": state, "first_contact_due_at": due}
    make(EapReferral, **sent, kind="self", requested_at=now, coordinator_id=coordinator)
    of_referral = {"referral_id": made["eap_referral"], "employee_id": mine["employee_id"]}
    words = {"text_id": made["provider_text"], "text_version": 1, "text_sha256": SHA256[made["provider_text"]]}
    given = {**of_referral, **words, "recipient": "provider", "provider_id": made["eap_provider"], "given_at": now}
    for nth, scope in enumerate(("reference_only", "name"), 1):
        make(EapConsent, **given, number=nth, scope=scope)
        make(EapStep, **of_referral, state="requested", taken_by="employee")
    reference = f"{state}-{number}"
    case_id: UUID = make(EapCase, **sent, referral_id=made["eap_referral"], reference=reference, urgency="routine")
    return case_id


async def acting_for_the_provider(world: World) -> httpx.AsyncClient:
    """Return a client with every scope that acts for the first provider of an organisation, where it has one."""
    name = f"EAP provider {new_id()}"
    client = await world.client(name=name)

    def bind(session: Session) -> None:
        providers = select(EapProvider.id).where(EapProvider.organisation_id == world.id).order_by(EapProvider.id)
        provider_id = session.scalar(providers.limit(1))
        client_id = session.scalar(select(Client.id).where(Client.organisation_id == world.id, Client.name == name))
        if provider_id is not None:
            session.add(EapProviderClient(organisation_id=world.id, provider_id=provider_id, client_id=client_id))

    await world.run(bind)
    return client
