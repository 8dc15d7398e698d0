"""Genesys Cloud over EventBridge: how a conversation ended for one agent, and with which wrap-up code.

A wrap-up's notes, addresses, numbers, subjects and external contacts are never read. Durations come in milliseconds.
"""

import re
from collections.abc import Mapping
from typing import Any

from app.intake import canonical
from app.intake.adapter import Dropped, Item, SourceSettings
from app.intake.canonical import Form
from app.intake.members import derived_id, earlier, first, id_of, instant, lowered, said, seconds_of_milliseconds, word

PLATFORM = "genesys_cloud"
TOPIC = re.compile(r"v2\.detail\.events\.conversation\.[^.]*\.(.+)")

CHANNELS = {
    "voice": "voice",
    "callback": "voice",
    "chat": "chat",
    "email": "email",
    "message": "message",
    "internalmessage": "message",
    "video": "video",
    "screenshare": "video",
    "unknown": None,
}
DIRECTIONS = ("inbound", "outbound")
BY_THE_SYSTEM = ("system", "error", "spam", "timeout", "transport_failure", "uncallable", "not_available")
# Each side says how its own session ended: a client or an endpoint is that side's own, a peer is the other side.
OWN, PEER = ("client", "endpoint"), "peer"

NO_AGENT = "It names no agent: the conversation's .acw and .user.end events do."
NOT_ANSWERED = "The agent never spoke on it."
OTHER = "This topic says nothing of how a conversation ended for an agent."

STOOD = {
    "event_id": "/id",
    "contact_id": "/detail/eventBody/conversationId",
    "leg_id": "/detail/eventBody/sessionId",
    "agent": "/detail/eventBody/userId",
    "queue": "/detail/eventBody/queueId",
    "disposition": "/detail/eventBody/wrapupCode",
    "ended_at": "/detail/eventBody/eventTime",
    "wrapup_ended_at": "/detail/eventBody/eventTime",
    "as_of": "/detail/eventBody/eventTime",
}

Members = Mapping[str, Any]


def read(envelope: Members, detail: Members, source: SourceSettings) -> Item:
    """Return what one event says of a conversation of an agent. Topics other than its end and wrap-up are dropped."""
    topic = TOPIC.fullmatch(word(first(detail, "topicname", "topic") or envelope.get("detail-type")))
    kind, event_id = topic.group(1) if topic else "", envelope.get("id")
    own_id = id_of(event_id)
    if kind not in ("acw", "user.end", "customer.end"):
        return Dropped("other_event_type", OTHER, own_id)
    body = lowered(detail.get("eventbody"))
    if body.get("userid") is None:
        return Dropped("no_agent", NO_AGENT, own_id)
    if kind == "user.end" and _seconds(body, "interacting") in (None, 0):
        return Dropped("not_answered", NOT_ANSWERED, own_id)
    at = instant(body.get("eventtime"))
    about, assumed = _wrapup(body, at) if kind == "acw" else _end(body, at, kind)
    if event_id is None:
        event_id = derived_id(body.get("conversationid"), kind, body.get("userid"), body.get("eventtime"))
    event = {**_conversation(body), **about, "event_id": event_id, "as_of": at, "source_id": str(source.source_id)}
    return canonical.read(said(event), Form("/detail/eventBody", STOOD), assumed=frozenset(assumed))


def _conversation(body: Members) -> dict[str, Any]:
    """Return what every topic says."""
    media, direction = word(body.get("mediatype")), word(body.get("direction"))
    return {
        "platform": PLATFORM,
        "contact_id": body.get("conversationid"),
        "agent": {"ref": body.get("userid")},
        "queue": said({"ref": body.get("queueid")}),
        "channel": CHANNELS.get(media, "other") if media else None,
        "direction": direction if direction in DIRECTIONS else None,
        "result": "answered",
    }


def _wrapup(body: Members, at: Any) -> tuple[dict[str, Any], set[str]]:
    """Return what an .acw event says: the wrap-up is over. When the conversation was, is reckoned from it."""
    wrapup = _seconds(body, "wrapup")
    about = {
        "leg_id": body.get("sessionid"),
        "ended_at": earlier(at, wrapup) or at,
        "wrapup_ended_at": at,
        "durations": said({"wrapup_s": wrapup}),
        "disposition": said({"code": body.get("wrapupcode")}),
    }
    return about, {"ended_at"}


def _end(body: Members, at: Any, kind: str) -> tuple[dict[str, Any], set[str]]:
    """Return what the end of a session says: the agent's, or the customer's where it names an agent."""
    own = kind == "user.end"
    talk, hold = _seconds(body, "interacting"), _seconds(body, "held")
    connected = talk + (hold or 0) if isinstance(talk, int) and isinstance(hold, int | None) else None
    about = {
        "leg_id": body.get("sessionid") if own else None,
        "answered_at": earlier(at, connected) if own else None,
        "ended_at": at,
        "durations": said({"talk_s": talk, "hold_s": hold}) if own else None,
        "ended_by": _ended_by(word(body.get("disconnecttype")), own),
    }
    return about, {"answered_at"} if own else {"ended_at"}


def _ended_by(kind: str, own: bool) -> str | None:
    if "transfer" in kind:
        return "transfer"
    if kind in OWN:
        return "agent" if own else "customer"
    if kind == PEER:
        return "customer" if own else "agent"
    if kind in BY_THE_SYSTEM:
        return "system"
    return "unknown" if kind else None


def _seconds(body: Members, part: str) -> Any:
    return seconds_of_milliseconds(body.get(f"{part}durationms"))
