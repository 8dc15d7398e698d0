"""Twilio: Event Streams (CloudEvents of TaskRouter and Voice) and the classic callbacks, which are forms.

A call and its task are one contact: the task's attributes say the call's SID, and the agent is TaskRouter's worker.
Of the attributes only that SID, the direction and what the site names as its disposition are looked at; numbers, names
and the worker's attributes never are. Who the agent of a voice callback is, only the site's own parameter can say.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from app.errors import BadRequest, Unprocessable
from app.intake import canonical
from app.intake.adapter import Delivery, Dropped, Item, SourceSettings
from app.intake.canonical import Form
from app.intake.members import (
    ISO,
    NOT_AN_EVENT,
    NOT_STORABLE,
    attribute,
    derived_id,
    earlier,
    first,
    form_of,
    id_of,
    instant,
    items_of,
    lowered,
    said,
    seconds,
    word,
)
from app.intake.twilio_signature import is_form
from app.strict_request import parse_json

PLATFORM = "twilio"
TASKROUTER = re.compile(r"com\.twilio\.taskrouter\.(.+)")
VOICE = re.compile(r"com\.twilio\.voice\.(?:webhook\.)?status-callback\.call\.(.+)")
CALL_SID = re.compile(r"CA[0-9a-fA-F]{32}")
TOKEN = b"i-twilio-idempotency-token"

# A wrap-up begins when the conversation ends; where only its end is heard of, the conversation's end is a guess.
ENDS = ("reservation.wrapup", "task.wrapup")
FOLLOWS = ("reservation.completed", "task.completed")
CHANNELS = {"voice": "voice", "chat": "chat", "email": "email", "sms": "message", "video": "video", "default": "task"}
RESULTS = {
    "completed": "answered",
    "busy": "busy",
    "no-answer": "no_answer",
    "canceled": "no_answer",
    "failed": "failed",
}
DIRECTIONS = {"inbound": "inbound", "outbound": "outbound", "outbound-api": "outbound", "outbound-dial": "outbound"}

NO_AGENT = "No worker had a part in it, or it does not say which."
NOT_ENDED = "It has not ended yet: only its end is read, and what follows."
OTHER = "This type of event says nothing of how a call ended."

OF_TASK = {
    "event_id": "Sid",
    "contact_id": "TaskSid",
    "leg_id": "ReservationSid",
    "agent": "WorkerSid",
    "queue.ref": "TaskQueueSid",
    "queue.name": "TaskQueueName",
    "disposition": "TaskAttributes",
    "started_at": "TaskDateCreated",
    **dict.fromkeys(("ended_at", "wrapup_ended_at", "as_of"), "Timestamp"),
}
OF_CALL = {
    "event_id": "SequenceNumber",
    "contact_id": "CallSid",
    "leg_id": "CallSid",
    "agent": "WorkerSid",
    "durations": "CallDuration",
    **dict.fromkeys(("answered_at", "ended_at", "as_of"), "Timestamp"),
}
TASK = Form("", {member: f"/{name}" for member, name in OF_TASK.items()})
CALL = Form("", {member: f"/{name}" for member, name in OF_CALL.items()})
SNAKE = re.compile(r"(?<=[a-z])(?=[A-Z])")
STREAMED_TASK = Form(
    "/data/payload",
    {member: f"/data/payload/{SNAKE.sub('_', name).lower()}" for member, name in OF_TASK.items()} | {"event_id": "/id"},
)
STREAMED_CALL = Form(
    "/data/request/parameters",
    {member: f"/data/request/parameters/{name}" for member, name in OF_CALL.items()} | {"event_id": "/id"},
)

Members = Mapping[str, Any]


def read(delivery: Delivery, source: SourceSettings) -> list[Item]:
    """Return what one delivery holds, in its order. Raise Unreadable for a body that is neither a form nor JSON."""
    if is_form(delivery):
        return [_callback(delivery, source)]
    return [_streamed(raw, source) for raw in items_of(delivery.body)]


def _streamed(raw: Any, source: SourceSettings) -> Item:
    """Return one CloudEvent. Its other attributes are not looked at: Twilio puts a time where a media type belongs."""
    if raw is None:
        return NOT_STORABLE
    event = lowered(raw)
    kind, data, event_id = word(event.get("type")), lowered(event.get("data")), event.get("id")
    if not isinstance(raw, dict) or not kind or event_id is None:
        return NOT_AN_EVENT
    told = [event.get("time"), event.get("datacontenttype")]
    sent_at = next((each for each in told if isinstance(each, str) and ISO.match(each)), None)
    if found := TASKROUTER.fullmatch(kind):
        payload = _squeezed(data.get("payload"))
        return _task(found.group(1), payload, event_id, sent_at, source, STREAMED_TASK)
    if VOICE.fullmatch(kind):
        request = lowered(data.get("request"))
        return _voice(_squeezed(request.get("parameters")), event_id, sent_at, source, STREAMED_CALL)
    return Dropped("other_event_type", OTHER, id_of(event_id))


def _callback(delivery: Delivery, source: SourceSettings) -> Item:
    """Return a classic callback: what happened to a task, or to a call."""
    # What the site wrote into the address of its callback, such as the worker, counts as a field.
    added = parse_qsl(urlsplit(delivery.url).query, errors="replace")
    fields = _squeezed(dict(added) | form_of(delivery))
    if any("\x00" in value for value in fields.values()):
        return NOT_STORABLE
    token = delivery.header(TOKEN)
    own_id = token.decode("latin-1") if token else None
    if fields.get("eventtype"):
        event_id = first(fields, "sid") or own_id
        return _task(word(fields["eventtype"]), fields, event_id, None, source, TASK)
    if fields.get("callsid"):
        number = fields.get("sequencenumber")
        return _voice(fields, f"{fields['callsid']}-{number}" if number else own_id, None, source, CALL)
    return NOT_AN_EVENT


def _task(kind: str, task: Members, event_id: Any, sent_at: Any, source: SourceSettings, form: Form) -> Item:
    """Return what TaskRouter says of a task at its end."""
    if kind not in ENDS + FOLLOWS:
        return Dropped("other_event_type", OTHER, id_of(event_id))
    agent = task.get("workersid")
    if not agent:
        return Dropped("no_agent", NO_AGENT, id_of(event_id))
    attributes = _attributes(task.get("taskattributes"))
    named, as_of = lowered(attributes), instant(first(task, "timestampms", "timestamp") or sent_at)
    call = named.get("call_sid")
    contact_id = call if isinstance(call, str) and CALL_SID.fullmatch(call) else task.get("tasksid")
    followed = kind in FOLLOWS
    event = {
        "event_id": event_id or derived_id(contact_id, kind, agent, as_of),
        "contact_id": contact_id,
        "leg_id": task.get("reservationsid"),
        "agent": {"ref": agent},
        "queue": said({"ref": task.get("taskqueuesid"), "name": task.get("taskqueuename")}),
        "channel": _channel(task.get("taskchanneluniquename")),
        "direction": DIRECTIONS.get(word(named.get("direction"))),
        "started_at": instant(task.get("taskdatecreated")),
        "ended_at": as_of,
        "wrapup_ended_at": as_of if followed else None,
        "result": "answered",
        "disposition": said({"code": attribute(attributes, source.options.get("disposition_attribute"))}),
        "as_of": as_of,
    }
    return _made(event, form, source, {"ended_at"} if followed else set())


def _voice(call: Members, event_id: Any, sent_at: Any, source: SourceSettings, form: Form) -> Item:
    """Return what Voice says of a call at its end, where the site's own parameter says who the worker was."""
    status = word(call.get("callstatus"))
    if status not in RESULTS:
        return Dropped("not_ended", NOT_ENDED, id_of(event_id))
    agent = call.get("workersid")
    if not agent:
        return Dropped("no_agent", NO_AGENT, id_of(event_id))
    contact_id, as_of = first(call, "parentcallsid", "callsid"), instant(first(call, "timestamp") or sent_at)
    talked = seconds(call.get("callduration"))
    event = {
        "event_id": event_id or derived_id(contact_id, "voice", agent, as_of),
        "contact_id": contact_id,
        "leg_id": call.get("callsid"),
        "agent": {"ref": agent},
        "channel": "voice",
        "direction": DIRECTIONS.get(word(call.get("direction"))) if call.get("parentcallsid") is None else None,
        "answered_at": earlier(as_of, talked) if status == "completed" else None,
        "ended_at": as_of,
        "durations": said({"talk_s": talked if status == "completed" else None}),
        "result": RESULTS[status],
        "as_of": as_of,
    }
    return _made(event, form, source, {"answered_at", "leg_id"})


def _attributes(text: Any) -> Any:
    """Return a task's attributes, which are JSON in a text; where they are not, none."""
    if not isinstance(text, str):
        return text
    try:
        return parse_json(text.encode())
    except (ValueError, BadRequest, Unprocessable):
        return None


def _squeezed(members: Any) -> dict[str, Any]:
    """Return members by their names in lower case without underscores: a stream writes task_sid, a form TaskSid."""
    found = {name.replace("_", ""): value for name, value in lowered(members).items()}
    return {name: value for name, value in found.items() if value != ""}


def _channel(value: Any) -> str | None:
    return CHANNELS.get(word(value), "other") if word(value) else None


def _made(event: Members, form: Form, source: SourceSettings, assumed: set[str]) -> Item:
    raw = {"source_id": str(source.source_id), "platform": PLATFORM, **said(event)}
    return canonical.read(raw, form, assumed=frozenset(assumed))
