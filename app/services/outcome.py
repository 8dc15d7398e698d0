"""What raw codes mean: from a source's mapping, and from there to the outcomes of its call events, past ones too."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from app import clock
from app.auth import Caller
from app.database import execute
from app.models.base import folded, new_id
from app.models.call_event import CodeKind, Outcome
from app.services import strain

# What a marker means where its source's mapping says nothing of its rule or kind.
DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "abuse": (Outcome.abusive,),
    "threat": (Outcome.threatening,),
    "sexual_harassment": (Outcome.abusive,),
    "discrimination": (Outcome.abusive,),
    "distress": (Outcome.distressed_caller,),
    "self_harm_risk": (Outcome.safeguarding,),
    "other": (Outcome.other,),
}
ORDER = {str(outcome): place for place, outcome in enumerate(Outcome)}

DISPOSITION, MARKER = str(CodeKind.disposition), str(CodeKind.marker)  # plain texts: an enumeration's hash is slow
ABANDONED = str(Outcome.abandoned)

# One raw code of a source: what kind it is, and how it is compared.
Code = tuple[str, str]

MAPPED = text(
    """
    SELECT m.source_id, m.kind, m.code_key, m.outcomes FROM outcome_mapping AS m
    WHERE m.organisation_id = :organisation_id AND m.source_id = ANY(CAST(:source_ids AS uuid[]))
      AND m.code_key = ANY(CAST(:keys AS text[]))
    """
)


@dataclass
class Codebook:
    """What the codes of some sources mean, as far as they were looked up."""

    meanings: dict[tuple[UUID, str, str], list[str]] = field(default_factory=dict)
    _known: set[tuple[UUID, str]] = field(default_factory=set)

    def look_up(self, session: Session, caller: Caller, codes: Iterable[tuple[UUID, str]]) -> None:
        """Read what these codes of these sources mean, where it was not read before."""
        wanted = set(codes) - self._known
        if not wanted:
            return
        self._known |= wanted
        values = {"source_ids": list({source for source, _ in wanted}), "keys": list({key for _, key in wanted})}
        for row in execute(session, MAPPED, _within(caller, values)):
            self.meanings[row.source_id, row.kind, row.code_key] = row.outcomes

    def outcomes(self, source_id: UUID, values: Mapping[str, Any]) -> list[str]:
        """Return the outcomes of one call: of its result, its disposition and its markers, in a fixed order."""
        found: set[str] = {ABANDONED} if values["result"] == "abandoned" else set()
        if values["disposition_key"] is not None:
            found.update(self.meanings.get((source_id, DISPOSITION, values["disposition_key"]), ()))
        for marker in values["markers"] or ():
            found.update(self._marked(source_id, marker))
        return sorted((str(outcome) for outcome in found), key=ORDER.__getitem__)

    def _marked(self, source_id: UUID, marker: Mapping[str, Any]) -> Collection[str]:
        meaning = self._of_rule(source_id, marker)
        if meaning is None:
            meaning = self.meanings.get((source_id, MARKER, marker["kind"]))
        return DEFAULTS[marker["kind"]] if meaning is None else meaning

    def _of_rule(self, source_id: UUID, marker: Mapping[str, Any]) -> list[str] | None:
        rule = marker.get("rule")
        return self.meanings.get((source_id, MARKER, folded(rule))) if rule else None

    def unmapped(self, source_id: UUID, values: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        """Return the codes that mean nothing yet, as kind, key and raw code: dispositions, and rules of kind other."""
        found = []
        key = values["disposition_key"]
        if key is not None and (source_id, DISPOSITION, key) not in self.meanings:
            found.append((DISPOSITION, key, values["disposition_code"]))
        found += [
            (MARKER, folded(marker["rule"]), marker["rule"])
            for marker in values["markers"] or ()
            if marker["kind"] == "other" and marker.get("rule") and self._of_rule(source_id, marker) is None
        ]
        return list(dict.fromkeys(found))


def has_codes(values: Mapping[str, Any]) -> bool:
    """Return whether one call brought a code that could be unmapped: a disposition, or a rule of a marker."""
    return values["disposition_key"] is not None or any(marker.get("rule") for marker in values["markers"] or ())


def keys_of(values: Mapping[str, Any]) -> list[str]:
    """Return the keys under which the codes of one call would stand in a mapping."""
    found = [] if values["disposition_key"] is None else [values["disposition_key"]]
    for marker in values["markers"] or ():
        found.append(marker["kind"])
        if marker.get("rule"):
            found.append(folded(marker["rule"]))
    return found


def array(outcomes: Iterable[str]) -> str:
    """Return outcomes as PostgreSQL writes an array, to send many arrays as one."""
    return "{" + ",".join(outcomes) + "}"


COUNT_UNMAPPED = text(
    """
    INSERT INTO unmapped_code (organisation_id, id, source_id, kind, code_key, code, count, last_seen_at)
    SELECT :organisation_id, u.* FROM unnest(
        CAST(:ids AS uuid[]), CAST(:source_ids AS uuid[]), CAST(:kinds AS text[]), CAST(:keys AS text[]),
        CAST(:codes AS text[]), CAST(:counts AS bigint[]), CAST(:seen AS timestamptz[])
    ) AS u
    ON CONFLICT (organisation_id, source_id, kind, code_key) DO UPDATE
    SET count = unmapped_code.count + excluded.count,
        last_seen_at = greatest(unmapped_code.last_seen_at, excluded.last_seen_at)
    """
)
FORGET_UNMAPPED = text(
    """
    DELETE FROM unmapped_code WHERE organisation_id = :organisation_id AND source_id = :source_id
      AND (kind, code_key) IN (SELECT * FROM unnest(CAST(:kinds AS text[]), CAST(:keys AS text[])))
    """
)


def count_unmapped(
    session: Session, caller: Caller, seen: Mapping[tuple[UUID, str, str], tuple[str, int, datetime]]
) -> None:
    """Count codes without a meaning: by source, kind and key, the raw code, how many more, and when last."""
    if not seen:
        return
    rows = sorted(seen.items())  # everyone in one order: batches side by side wait, and never deadlock
    values = {
        "ids": [new_id() for _ in rows],
        "source_ids": [key[0] for key, _ in rows],
        "kinds": [key[1] for key, _ in rows],
        "keys": [key[2] for key, _ in rows],
        "codes": [counted[0] for _, counted in rows],
        "counts": [counted[1] for _, counted in rows],
        "seen": [counted[2] for _, counted in rows],
    }
    execute(session, COUNT_UNMAPPED, _within(caller, values))


def _rederiving(which: str) -> tuple[TextClause, TextClause]:
    """Return the statements that find and change the past calls that a code could stand on: ``which`` says which."""
    marked = """(
        SELECT jsonb_agg(DISTINCT jsonb_strip_nulls(jsonb_build_object('kind', m -> 'kind', 'rule', m -> 'rule')))
        FROM jsonb_array_elements(c.markers) AS m
    )"""
    mine = f"c.organisation_id = :organisation_id AND c.source_id = :source_id AND {which}"
    found = f"""
        SELECT c.disposition_key, c.result, {marked} AS markers, count(*) AS calls, max(c.updated_at) AS seen
        FROM call_event AS c WHERE {mine} GROUP BY 1, 2, 3
    """  # noqa: S608  # put together from the two constants below
    changed = f"""
        WITH changed AS (
            UPDATE call_event AS c
            SET outcomes = CAST(n.outcomes AS text[]), version = c.version + 1, updated_at = :now
            FROM unnest(
                CAST(:keys AS text[]), CAST(:results AS text[]), CAST(:markers AS text[]), CAST(:outcomes AS text[])
            ) AS n (disposition_key, result, markers, outcomes)
            WHERE {mine} AND c.disposition_key IS NOT DISTINCT FROM n.disposition_key
              AND c.result IS NOT DISTINCT FROM n.result AND {marked} IS NOT DISTINCT FROM CAST(n.markers AS jsonb)
              AND c.outcomes <> CAST(n.outcomes AS text[])
            RETURNING c.employee_id, c.ended_at, c.voided_at
        )
        SELECT employee_id, count(*) AS calls, min(ended_at) FILTER (WHERE voided_at IS NULL) AS earliest,
            max(ended_at) FILTER (WHERE voided_at IS NULL) AS latest
        FROM changed GROUP BY employee_id
    """  # noqa: S608  # likewise
    return text(found), text(changed)


BY_DISPOSITION = _rederiving("c.disposition_key = ANY(CAST(:codes AS text[]))")
BY_MARKER = _rederiving("c.markers <> '[]'::jsonb")


def rederive(session: Session, caller: Caller, source_id: UUID, codes: Mapping[Code, str]) -> int:
    """Bring past calls of a source up to what its mapping says of ``codes`` now; return how many changed.

    ``codes`` gives each code as it was written. What has no meaning any more is counted as unmapped again. The source
    must be locked against intake, or a batch that is under way would keep the old meaning.
    """
    kinds, keys = [kind for kind, _ in codes], [key for _, key in codes]
    execute(session, FORGET_UNMAPPED, _within(caller, {"source_id": source_id, "kinds": kinds, "keys": keys}))
    changed = Changed()
    unmapped: dict[tuple[UUID, str, str], tuple[str, int, datetime]] = {}
    for kind, statements in ((DISPOSITION, BY_DISPOSITION), (MARKER, BY_MARKER)):
        of_kind = {key for each, key in codes if each == kind}
        if not of_kind:
            continue
        found = _Found(source_id, of_kind)
        found.read(session, caller, statements[0])
        changed.add(found.change(session, caller, statements[1]))
        for key, count, seen in found.unmapped(kind):
            unmapped[source_id, kind, key] = (codes[kind, key], count, seen)
    count_unmapped(session, caller, unmapped)
    changed.follow(session, caller)
    return changed.calls


@dataclass
class Changed:
    """How many calls changed, and for each person when the first and the last of theirs ended."""

    calls: int = 0
    earliest: dict[UUID, datetime] = field(default_factory=dict)
    latest: dict[UUID, datetime] = field(default_factory=dict)

    def add(self, rows: Iterable[Any]) -> None:
        """Count calls that changed, a row per person; those that are voided move no signals."""
        for row in rows:
            self.calls += row.calls
            if row.employee_id is not None and row.earliest is not None:
                self.earliest[row.employee_id] = min(row.earliest, self.earliest.get(row.employee_id, row.earliest))
                self.latest[row.employee_id] = max(row.latest, self.latest.get(row.employee_id, row.latest))

    def follow(self, session: Session, caller: Caller) -> None:
        """Bring the signals of these people up to date."""
        if self.earliest:
            strain.follow(session, caller, self.earliest, self.latest)


@dataclass
class _Found:
    """Past calls of a source that stand on some codes, those that say the same taken together."""

    source_id: UUID
    keys: set[str]
    book: Codebook = field(default_factory=Codebook)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def read(self, session: Session, caller: Caller, statement: TextClause) -> None:
        values = {"source_id": self.source_id, "codes": list(self.keys)}
        self.rows = [row._asdict() for row in execute(session, statement, _within(caller, values))]
        self.book.look_up(session, caller, ((self.source_id, key) for row in self.rows for key in keys_of(row)))

    def change(self, session: Session, caller: Caller, statement: TextClause) -> list[Any]:
        if not self.rows:
            return []
        values = {
            "source_id": self.source_id,
            "codes": list(self.keys),
            "now": clock.now(),
            "keys": [row["disposition_key"] for row in self.rows],
            "results": [row["result"] for row in self.rows],
            "markers": [json.dumps(row["markers"]) if row["markers"] else None for row in self.rows],
            "outcomes": [array(self.book.outcomes(self.source_id, row)) for row in self.rows],
        }
        return list(execute(session, statement, _within(caller, values)))

    def unmapped(self, kind: str) -> list[tuple[str, int, datetime]]:
        counts: dict[str, tuple[int, datetime]] = {}
        for row in self.rows:
            for each, key, _ in self.book.unmapped(self.source_id, {"disposition_code": None, **row}):
                if each == kind and key in self.keys:
                    count, seen = counts.get(key, (0, row["seen"]))
                    counts[key] = (count + row["calls"], max(seen, row["seen"]))
        return [(key, count, seen) for key, (count, seen) in counts.items()]


def _within(caller: Caller, values: Mapping[str, Any]) -> dict[str, Any]:
    return {"organisation_id": caller.organisation_id, **values}
