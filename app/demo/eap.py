"""The EAP of the demo organisation: two providers, and people on their way to one of them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.auth import Caller
from app.models import ConsentText, EapCase
from app.models.client import Role
from app.policy.eap import EAP_READ, EAP_WRITE
from app.schemas.eap_provider import ProviderClientCreate, ProviderCreate, ServiceCreate
from app.schemas.eap_referral import Attendance, ReferralCreate, ReferralRequest, StatusReason, SubmissionCreate
from app.services import client as clients
from app.services import eap_case as cases
from app.services import eap_provider as providers
from app.services import eap_provider_client as bindings
from app.services import eap_referral as referrals
from app.services import eap_service as services
from app.services import eap_submission as submissions

EAP_PROVIDER = "EAP provider"
SCOPES = (EAP_READ, EAP_WRITE)
WEEKS = 7
# Numbers that are kept for films and books: nobody answers.
LIGHTHOUSE: dict[str, Any] = {
    "name": "Lighthouse EAP",
    "description": "Counsellors who work with people in helplines.",
    "url": "https://lighthouse.example/",
    "phones": [{"number": "+44 20 7946 0100", "description": "To ask, or to make an appointment"}],
}
HOURS = [{"rrule": "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "opens_at": "08:00", "closes_at": "20:00"}]
CONFIDENTIAL = "Nobody at work learns that you called, nor what you said, unless a life is in danger."
OFFERED: tuple[dict[str, Any], ...] = (
    {
        "name": "Crisis line",
        "channels": ["phone", "text_message"],
        "languages": ["en"],
        "always_open": True,
        "crisis_line": True,
        "phones": [{"number": "+44 808 157 0199", "description": "Day and night"}],
        "confidentiality_statement": CONFIDENTIAL,
    },
    {
        "name": "Counselling",
        "channels": ["phone", "video", "in_person"],
        "languages": ["en", "cy", "pl"],
        "opening_hours": HOURS,
        "time_zone": "Europe/London",
        "sessions_included": 6,
        "eligibility": "Everyone who works here, and adults who live with them.",
        "confidentiality_statement": CONFIDENTIAL,
    },
)
BEACON: dict[str, Any] = {"name": "Beacon Debt Advice", "phones": [{"number": "+44 20 7946 0111"}]}


def make(session: Session, organisation_id: UUID, ids: Mapping[str, UUID], others: Sequence[str]) -> str:
    """Let two of the others go their way, and Theo suggest it to Amira. Return the key of the provider's client."""
    return Support(session, organisation_id, ids, clock.now()).live(others)


@dataclass
class Support:
    """The organisation, its people by their user names, and the present."""

    session: Session
    organisation_id: UUID
    ids: Mapping[str, UUID]
    now: datetime

    def live(self, others: Sequence[str]) -> str:
        with self._ago(weeks=WEEKS):
            service_id, client, key = self._keep_directory()
        self._go(client, service_id, others[0], WEEKS - 1, ("accept", "start"), sessions=6, last="complete")
        self._go(client, service_id, others[1], 4, ("accept", "start"), sessions=2, last="hold")
        with self._ago(weeks=0, hours=30):
            data = SubmissionCreate(employee_id=self.ids["amira"], kind="suggested", reason="The last weeks were hard.")
            submission = submissions.create(self.session, self._as("theo"), data)
            submissions.propose(self.session, self._as("theo"), submission["id"])
        return key

    def _keep_directory(self) -> tuple[UUID, Caller, str]:
        lead = self._as("noor", Role.programme_lead)
        provider = providers.create(self.session, lead, ProviderCreate(**LIGHTHOUSE))
        providers.create(self.session, lead, ProviderCreate(**BEACON))
        made = [services.create(self.session, lead, provider["id"], ServiceCreate(**each)) for each in OFFERED]
        operator = Caller(self.organisation_id, "system", None)
        client, key = clients.create_client(self.session, operator, EAP_PROVIDER, SCOPES)
        bindings.create(self.session, lead, provider["id"], ProviderClientCreate(client_id=client.id))
        return made[1]["id"], Caller(self.organisation_id, "client", client.id, frozenset(SCOPES)), key

    def _go(
        self,
        client: Caller,
        service_id: UUID,
        name: str,
        weeks: int,
        verbs: Sequence[str],
        sessions: int = 0,
        last: str | None = None,
    ) -> None:
        """Let somebody ask for help, and the provider answer."""
        with self._ago(weeks=weeks):
            draft = referrals.create(self.session, self._as(name), ReferralCreate(service_id=service_id))
            referrals.request(self.session, self._as(name), draft["id"], self._consents())
        of_referral = select(EapCase.id).where(
            EapCase.organisation_id == self.organisation_id, EapCase.referral_id == draft["id"]
        )
        case_id = self.session.scalars(of_referral).one()
        with self._ago(weeks=weeks - 1, hours=72):
            for verb in verbs:
                self._move(client, case_id, verb)
        if sessions:
            with self._ago(weeks=0, hours=50):
                cases.record_attendance(self.session, client, case_id, Attendance(sessions_used=sessions))
        if last is not None:
            with self._ago(weeks=0, hours=26):
                self._move(client, case_id, last)

    def _move(self, client: Caller, case_id: UUID, verb: str) -> None:
        reasons = {"hold": "On holiday until the end of the month."}
        data = StatusReason(reason=reasons[verb]) if verb in reasons else None
        cases.move(self.session, client, case_id, verb, data)

    def _consents(self) -> ReferralRequest:
        words = self.session.scalars(
            select(ConsentText).where(
                ConsentText.organisation_id == self.organisation_id, ConsentText.recipient == "provider"
            )
        ).one()
        given = {"text_id": words.id, "text_sha256": words.sha256, "scope": "name"}
        return ReferralRequest.model_validate({"provider_consent": given})

    def _as(self, name: str, *roles: Role) -> Caller:
        return Caller(self.organisation_id, "person", self.ids[name], roles=frozenset(roles))

    @contextmanager
    def _ago(self, *, weeks: int, hours: int = 0) -> Iterator[None]:
        with clock.standing_at(self.now - timedelta(weeks=weeks, hours=hours)):
            yield
