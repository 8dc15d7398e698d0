"""The reasons that people give, sealed beside the audit entries that they stand in: erasing a person erases them.

An entry is never changed, since the chain would not hold any more. Of a reason the chain covers what was sealed: it
holds whether or not anybody can still read it. Entries that are older than the sealing keep their reasons in plain.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app import texts
from app.auth import Caller
from app.models.base import new_id

SEALED_IN = "audit_entry.reason"


class Sentence(str):
    """A reason in the service's own words: it says nothing of anybody, and stands in plain among the details."""

    __slots__ = ()


def seal(session: Session, caller: Caller, entries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return new entries with the reasons among their details sealed, under the key of whom the entry is about.

    Where it is about nobody, or names nobody, the key is that of the person who gives the reason; a client or an
    operator who changes what is about nobody gives it in plain. Of somebody who was erased no reason is kept.
    """
    made = [{**entry, "id": new_id(), "reason": None} for entry in entries]
    given = [(each, whose) for each in made if (whose := _to_seal(caller, each)) is not None]
    if given:
        wanted = [(whose, SEALED_IN, each["id"], each["details"]["reason"]) for each, whose in given]
        for (each, _), sealed in zip(given, texts.seal_many(session, caller, wanted), strict=True):
            each["reason"], each["details"] = sealed, {**each["details"], "reason": None}
            if sealed is not None:
                del each["details"]["reason"]
    return made


def reveal(
    session: Session, caller: Caller, rows: Iterable[Mapping[str, Any]], owner_id: UUID | None = None
) -> list[dict[str, Any]]:
    """Return entries with their reasons among their details again: null where nobody can read them any more.

    ``owner_id`` is whose an entry is that names nobody; its reason is null where that is not known.
    """
    shown = [dict(row) for row in rows]
    sealed = [row for row in shown if row["reason"] is not None]
    found = [(row, whose) for row in sealed if (whose := _whose(row) or owner_id) is not None]
    wanted = [(whose, SEALED_IN, row["id"], row["reason"]) for row, whose in found]
    words = dict(zip((row["id"] for row, _ in found), texts.reveal_many(session, caller, wanted), strict=True))
    for row in sealed:
        row["details"] = {**row["details"], "reason": words.get(row["id"])}
    return shown


def _to_seal(caller: Caller, entry: Mapping[str, Any]) -> UUID | None:
    reason = entry["details"].get("reason")
    if not isinstance(reason, str) or isinstance(reason, Sentence):
        return None
    return _whose(entry) or caller.employee_id


def _whose(entry: Mapping[str, Any]) -> UUID | None:
    """Return under whose key the reason of an entry is, as far as the entry says."""
    by_a_person = entry["actor_kind"] == "person"
    whose: UUID | None = entry["subject_id"] or (entry["actor_id"] if by_a_person else None)
    return whose
