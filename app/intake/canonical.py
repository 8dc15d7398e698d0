"""The canonical event: one item is read into it, or refused with reasons and with what of it is safe to keep."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from app import clock
from app.errors import Fault
from app.intake import privacy
from app.intake.privacy import Path
from app.problems import NAME, fault_of
from app.schemas.call_event import CallEventCreate

FUTURE = timedelta(days=1)
AHEAD = "Must not lie more than a day in the future."
MOST_FAULTS = 20


@dataclass(frozen=True, slots=True)
class Form:
    """Where an item's members stood in what was sent, so that a fault can say where it is."""

    prefix: str = ""
    names: Mapping[str, str] = field(default_factory=dict)

    def pointer(self, path: Path) -> str:
        """Return where it stood; ``names`` tell of whole members (``queue``) or of parts of them (``queue.name``)."""
        for name in (".".join(str(part) for part in path), *path[:1]):
            if name in self.names:
                return self.names[name]
        parts = [part if isinstance(part, int) or NAME.fullmatch(part) else "-" for part in path]
        return self.prefix + "".join(f"/{part}" for part in parts) or "/"


PLAIN = Form()


@dataclass(frozen=True, slots=True)
class Taken:
    """An item that is a canonical event. ``assumed`` members were not said: they lose against whatever is."""

    event: CallEventCreate
    form: Form = PLAIN
    assumed: frozenset[str] = frozenset()

    def refuse(self, member: str, code: str, detail: str) -> "Refused":
        """Return it as refused after all, for a reason that its form does not show."""
        fault = Fault(self.form.pointer((member,)), code, detail)
        return Refused((fault,), self.event.model_dump(mode="json", exclude_unset=True), self.assumed)


@dataclass(frozen=True, slots=True)
class Refused:
    """An item that cannot be taken: why, and those of its members that are fine by themselves."""

    faults: tuple[Fault, ...]
    payload: dict[str, Any] = field(default_factory=dict)
    assumed: frozenset[str] = frozenset()


def read(
    raw: Any, form: Form = PLAIN, faults: Sequence[Fault] = (), assumed: frozenset[str] = frozenset()
) -> Taken | Refused:
    """Return one raw item as a canonical event, or refused. ``faults`` are those of its envelope.

    ``assumed`` members are a reader's guess: whatever is really said of them, earlier or later, wins.
    """
    found = _read(raw, form, faults)
    return replace(found, assumed=assumed) if assumed else found


def _read(raw: Any, form: Form, faults: Sequence[Fault]) -> Taken | Refused:
    try:
        event = CallEventCreate.model_validate(raw)
    except ValidationError as error:
        return _refused(raw, form, faults, error.errors(include_url=False, include_input=False))
    wrong = _out_of_order(event, form)
    if faults or wrong or privacy.holds_phone(_free_texts(event)):
        return _refused(raw, form, [*faults, *wrong], ())
    if event.as_of is None:
        event.as_of = event.ended_at
    return Taken(event, form)


def _free_texts(event: CallEventCreate) -> str:
    """Return all texts of an event that could hold anything, in one, so that one search does for them."""
    found = [event.event_id, event.contact_id, event.agent.ref, event.root_contact_id, event.leg_id, event.team_ref]
    found.append(event.platform)
    if event.queue is not None:
        found += (event.queue.ref, event.queue.name)
    if event.disposition is not None:
        found += (event.disposition.code, event.disposition.label, event.disposition.scheme)
    if event.sentiment is not None:
        found += (event.sentiment.label, event.sentiment.provider)
    if event.markers:
        found += (marker.rule for marker in event.markers)
    return "\n".join([text for text in found if text])


def _out_of_order(event: CallEventCreate, form: Form) -> list[Fault]:
    """Return what is impossible about the times: they run backwards, or lie more than a day ahead."""
    faults = []
    if event.answered_at is not None:
        if event.started_at is not None and event.answered_at < event.started_at:
            faults.append(Fault(form.pointer(("answered_at",)), "out_of_order", "Must not lie before started_at."))
        if event.ended_at < event.answered_at:
            faults.append(Fault(form.pointer(("ended_at",)), "out_of_order", "Must not lie before answered_at."))
    elif event.started_at is not None and event.ended_at < event.started_at:
        faults.append(Fault(form.pointer(("ended_at",)), "out_of_order", "Must not lie before started_at."))
    latest = clock.now() + FUTURE
    if event.ended_at > latest:
        faults.append(Fault(form.pointer(("ended_at",)), "in_the_future", AHEAD))
    if event.as_of is not None and event.as_of > latest:
        faults.append(Fault(form.pointer(("as_of",)), "in_the_future", AHEAD))
    return faults


def _refused(raw: Any, form: Form, faults: Sequence[Fault], errors: Sequence[Any]) -> Refused:
    kept = _copied(raw) if isinstance(raw, dict) else {}
    found = [*faults, *(_fault(error, form) for error in errors[:MOST_FAULTS])]
    for error in errors:
        # Whose sentiment it is, decides whether it may be kept: in doubt, nothing of it is.
        _remove(kept, error["loc"] if error["loc"][:1] != ("sentiment",) else ("sentiment",))
    for path, text in list(privacy.texts(kept)):
        if privacy.holds_phone(text):
            found.append(Fault(form.pointer(path), "personal_data", privacy.NUMBER))
            _remove(kept, path)
    return Refused(tuple(found[:MOST_FAULTS]), kept if _is_safe(kept) else {})


def _copied(value: Any, depth: int = 4) -> Any:
    """Return a copy as deep as an event is; whatever lies deeper is no part of one."""
    if isinstance(value, dict):
        return {name: _copied(member, depth - 1) for name, member in value.items()} if depth else None
    if isinstance(value, list):
        return [_copied(member, depth - 1) for member in value] if depth else None
    return value


def _fault(error: Mapping[str, Any], form: Form) -> Fault:
    path, kind = error["loc"], error["type"]
    if kind == "extra_forbidden":
        reason = privacy.reason_against(path)
        if reason is not None:
            return Fault(form.pointer(path), "personal_data", reason)
        return Fault(form.pointer(path), "unknown_field", "There is no such member in a call event.")
    if path == ("sentiment", "subject") and kind == "literal_error":
        return Fault(form.pointer(path), "personal_data", privacy.FEELING)
    fault = fault_of({**error, "loc": ("body", *path)})
    return Fault(form.pointer(path), fault.code, fault.detail)


def _remove(kept: Any, path: Path) -> None:
    """Take away what stands at a path; of a list, the place stays, so that other paths stay true."""
    for part in path[:-1]:
        try:
            kept = kept[part]
        except (KeyError, IndexError, TypeError):
            return
    if isinstance(kept, dict) and path:
        kept.pop(path[-1], None)
    elif isinstance(kept, list) and path:
        kept[path[-1]] = None


def _is_safe(kept: Any) -> bool:
    """Whether nothing but absent members is wrong with what would be kept: the last look before it is stored."""
    if isinstance(kept.get("markers"), list):
        kept["markers"] = [marker for marker in kept["markers"] if marker is not None]
    try:
        CallEventCreate.model_validate(kept)
    except ValidationError as error:
        return all(each["type"] == "missing" for each in error.errors(include_url=False, include_input=False))
    return True


def source_of(payload: Mapping[str, Any]) -> UUID | None:
    """Return the source that a kept payload names."""
    try:
        return UUID(payload.get("source_id", ""))
    except ValueError:
        return None
