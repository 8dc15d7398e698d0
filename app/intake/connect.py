"""Amazon Connect: contact events, contact records and Contact Lens rule matches, each about one contact of one agent.

A contact and an agent are named by their ids alone, the last segment of an ARN: the three shapes agree on those.
Endpoints, contact attributes (but for the one that the site names), recordings, names and user names are never read.
"""

import re
from collections.abc import Mapping
from typing import Any

from app.intake import canonical
from app.intake.adapter import Dropped, Item, SourceSettings
from app.intake.canonical import Form
from app.intake.members import attribute, between, derived_id, first, id_of, instant, lowered, said, seconds, word

PLATFORM = "amazon_connect"
CONTACT_EVENT = re.compile(r"(?:amazon )?connect (?:customer )?contact event")
RULES_MATCHED = re.compile(r"contact lens .*rules matched|rule for contact lens .*matched")

CHANNELS = {"voice": "voice", "chat": "chat", "task": "task", "email": "email", "video": "video"}
DIRECTIONS = {
    "inbound": "inbound",
    "webrtc_api": "inbound",
    "outbound": "outbound",
    "external_outbound": "outbound",
    "callback": "outbound",
    "agent_reply": "outbound",
}
ENDED_BY = {
    "customer_disconnect": "customer",
    "customer_never_arrived": "customer",
    "agent_disconnect": "agent",
    "agent_completed": "agent",
    "transferred": "transfer",
    "third_party_disconnect": "unknown",
    "barged": "unknown",
    "other": "unknown",
}
BY_THE_SYSTEM = (
    "telecom_problem contact_flow_disconnect expired api idle_disconnect agent_network_disconnect"
    " customer_connection_not_established system_error outbound_destination_endpoint_error outbound_resource_error"
    " outbound_attempt_failed"
)
ENDED_BY |= dict.fromkeys(BY_THE_SYSTEM.split(), "system")
MACHINES = {
    "voicemail_beep": "voicemail",
    "voicemail_no_beep": "voicemail",
    "amd_unanswered": "no_answer",
    "sit_tone_busy": "busy",
    "sit_tone_invalid_number": "failed",
    "sit_tone_detected": "failed",
    "fax_machine_detected": "failed",
}
FAILURES = ("outbound_destination_endpoint_error", "outbound_resource_error", "outbound_attempt_failed")

NO_AGENT = "No agent had a part in it."
NOT_ENDED = "The contact has not ended yet: only its end is read, and what follows."
MONITORING = "Somebody listened in: that is no contact of theirs."
OTHER = "This type of event says nothing of a contact's course."
EVALUATION = "It is about how an agent's work was evaluated, which is never read."

OF_RECORDS_ALONE = {"lastupdatetimestamp", "awscontacttracerecordformatversion"}

# Where members stood, for the faults that point at them.
OF_EVENT = {
    "contact_id": "/detail/contactId",
    "root_contact_id": "/detail/initialContactId",
    "agent": "/detail/agentInfo/agentArn",
    "queue": "/detail/queueInfo",
    "started_at": "/detail/initiationTimestamp",
    "answered_at": "/detail/agentInfo/connectedToAgentTimestamp",
    "ended_at": "/detail/disconnectTimestamp",
    "wrapup_ended_at": "/detail/agentInfo/afterContactWorkEndTimestamp",
    "durations": "/detail/agentInfo",
    "disposition": "/detail/attributes",
    "as_of": "/time",
    "event_id": "/id",
}
OF_RECORD = {
    "contact_id": "/ContactId",
    "root_contact_id": "/InitialContactId",
    "agent": "/Agent/ARN",
    "queue": "/Queue",
    "started_at": "/InitiationTimestamp",
    "answered_at": "/Agent/ConnectedToAgentTimestamp",
    "ended_at": "/DisconnectTimestamp",
    "wrapup_ended_at": "/Agent/AfterContactWorkEndTimestamp",
    "durations": "/Agent",
    "disposition": "/Attributes",
    "as_of": "/LastUpdateTimestamp",
}
OF_MATCH = {
    "contact_id": "/detail/contactArn",
    "agent": "/detail/agentArn",
    "queue": "/detail/queueArn",
    "markers": "/detail/actionName",
    "ended_at": "/time",
    "as_of": "/time",
    "event_id": "/id",
}

Members = Mapping[str, Any]


def read(envelope: Members, detail: Members, source: SourceSettings) -> Item:
    """Return what an envelope of Amazon Connect holds: a contact event, or a rule match. All others are dropped."""
    kind, event_id = word(envelope.get("detail-type")), id_of(envelope.get("id"))
    if CONTACT_EVENT.fullmatch(kind):
        return _contact_event(envelope, detail, source)
    if not RULES_MATCHED.fullmatch(kind):
        return Dropped("other_event_type", OTHER, event_id)
    if "evaluation" in kind:
        return Dropped("evaluation", EVALUATION, event_id)
    return _rule_match(envelope, detail, source)


def is_record(members: Members) -> bool:
    """Return whether an object is a contact record: what a contact event calls otherwise or has not."""
    return "contactid" in members and (
        "lastupdatetimestamp" in members or "awscontacttracerecordformatversion" in members
    )


def read_record(record: Members, source: SourceSettings) -> Item:
    """Return a contact record, whose id is made of its contact and of when it was last updated: it has none itself."""
    contact_id, as_of = record.get("contactid"), first(record, "lastupdatetimestamp", "disconnecttimestamp")
    event_id = derived_id(contact_id, "contact_record", as_of)
    dropped = _drop(record, lowered(record.get("agent")), event_id)
    if dropped is not None:
        return dropped
    if record.get("disconnecttimestamp") is None:
        return Dropped("not_ended", NOT_ENDED, event_id)
    event = _contact(record, source)
    if record.get("transfercompletedtimestamp") is not None:
        event["ended_by"] = "transfer"
    return _made({**event, "event_id": event_id, "as_of": instant(as_of)}, Form("", OF_RECORD), source, set())


def _contact_event(envelope: Members, detail: Members, source: SourceSettings) -> Item:
    kind, event_id = word(detail.get("eventtype")), id_of(envelope.get("id"))
    if kind not in ("disconnected", "completed"):
        return Dropped("not_ended", NOT_ENDED, event_id)
    dropped = _drop(detail, lowered(detail.get("agentinfo")), event_id)
    if dropped is not None:
        return dropped
    event, at = _contact(detail, source), first(envelope, "time") or detail.get("disconnecttimestamp")
    # The record also names the queue, and says it as one: what names it stands, whichever comes last.
    assumed = {"queue"}
    if event.get("ended_at") is None:
        event["ended_at"] = instant(at)
        assumed.add("ended_at")
    own_id = first(envelope, "id") or derived_id(event.get("contact_id"), kind, at)
    return _made({**event, "event_id": own_id, "as_of": instant(at)}, Form("/detail", OF_EVENT), source, assumed)


def _rule_match(envelope: Members, detail: Members, source: SourceSettings) -> Item:
    """Return that a rule of the site matched a contact, perhaps while it lasts: its end is a guess until it is said.

    That one rule matched says nothing of others: such markers are assumed, and so they add up.
    """
    agent, at = _last(detail.get("agentarn")), instant(envelope.get("time"))
    contact_id, rule = _last(detail.get("contactarn")), first(detail, "actionname", "rulename")
    if agent is None or contact_id is None:
        return Dropped("no_agent", NO_AGENT, id_of(envelope.get("id")))
    event = {
        "event_id": first(envelope, "id") or derived_id(contact_id, "rule_match", rule, at),
        "contact_id": contact_id,
        "agent": {"ref": agent},
        "queue": said({"ref": _last(detail.get("queuearn"))}),
        "markers": [said({"kind": "other", "origin": "rule", "rule": "" if rule is None else rule, "at": at})],
        "ended_at": at,
        "as_of": at,
    }
    return _made(event, Form("/detail", OF_MATCH), source, {"ended_at", "queue", "markers"})


def _drop(contact: Members, agent: Members, event_id: str | None) -> Dropped | None:
    """Return why a contact is nothing that an agent went through; None where it is."""
    if word(contact.get("initiationmethod")) == "monitor":
        return Dropped("monitoring", MONITORING, event_id)
    if first(agent, "agentarn", "arn") is None:
        return Dropped("no_agent", NO_AGENT, event_id)
    return None


def _contact(contact: Members, source: SourceSettings) -> dict[str, Any]:
    """Return what a contact event and a contact record both say, each with its own names."""
    agent, queue = lowered(first(contact, "agentinfo", "agent")), lowered(first(contact, "queueinfo", "queue"))
    code = attribute(contact.get("attributes"), source.options.get("disposition_attribute"))
    answered = agent.get("connectedtoagenttimestamp")
    return {
        "contact_id": _last(first(contact, "contactid", "contactarn")),
        "root_contact_id": _last(contact.get("initialcontactid")),
        "agent": {"ref": _last(first(agent, "agentarn", "arn"))},
        "queue": said({"ref": _last(first(queue, "queuearn", "arn")), "name": queue.get("name")}),
        "team_ref": _team(lowered(agent.get("hierarchygroups"))),
        "channel": _channel(contact.get("channel")),
        "direction": DIRECTIONS.get(word(contact.get("initiationmethod"))),
        "started_at": instant(contact.get("initiationtimestamp")),
        "answered_at": instant(answered),
        "ended_at": instant(contact.get("disconnecttimestamp")),
        "wrapup_ended_at": instant(agent.get("aftercontactworkendtimestamp")),
        "durations": _durations(agent, queue),
        "result": _result(contact, answered),
        "ended_by": _ended_by(contact.get("disconnectreason")),
        "disposition": said({"code": code}),
    }


def _durations(agent: Members, queue: Members) -> dict[str, Any]:
    queued = first(queue, "duration")
    if queued is None:
        until = first(queue, "dequeuetimestamp") or agent.get("connectedtoagenttimestamp")
        queued = between(queue.get("enqueuetimestamp"), until)
    return said(
        {
            "queue_s": seconds(queued),
            "talk_s": seconds(agent.get("agentinteractionduration")),
            "hold_s": seconds(first(agent, "customerholdduration", "holdduration")),
            "wrapup_s": seconds(agent.get("aftercontactworkduration")),
        }
    )


def _result(contact: Members, answered: Any) -> str | None:
    machine = MACHINES.get(word(contact.get("answeringmachinedetectionstatus")))
    if machine is not None:
        return machine
    if word(contact.get("disconnectreason")) in FAILURES:
        return "failed"
    outbound = DIRECTIONS.get(word(contact.get("initiationmethod"))) == "outbound"
    if answered is None or (outbound and contact.get("connectedtosystemtimestamp") is None):
        return None
    return "answered"


def _channel(value: Any) -> str | None:
    return CHANNELS.get(word(value), "other") if word(value) else None


def _ended_by(reason: Any) -> str | None:
    return ENDED_BY.get(word(reason), "unknown") if word(reason) else None


def _team(groups: Members) -> Any:
    """Return the id of the narrowest group of the agent's hierarchy."""
    levels = [lowered(groups.get(f"level{level}")) for level in (5, 4, 3, 2, 1)]
    return next((_last(first(level, "arn", "grouparn")) for level in levels if first(level, "arn", "grouparn")), None)


def _last(arn: Any) -> Any:
    """Return the id at the end of an ARN; of an id, itself."""
    return arn.rpartition("/")[2] if isinstance(arn, str) else arn


def _made(event: Members, form: Form, source: SourceSettings, assumed: set[str]) -> Item:
    raw = {"source_id": str(source.source_id), "platform": PLATFORM, **said(event)}
    return canonical.read(raw, form, assumed=frozenset(assumed))
