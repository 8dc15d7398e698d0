"""What an operator asks of the audit from the command line: whether it is whole, and which keys sign it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import anchoring, audit_chain, launch
from app.audit_chain import Anchor, Proof
from app.crypto import vault_of
from app.database import set_tenant
from app.launch import StartError
from app.models import DirectoryEntry
from app.services import audit_seal as seals
from app.services import organisation as organisations

Anchored = dict[UUID, list[Anchor]]


def public_keys() -> list[dict[str, Any]]:
    """Return the public keys that the seals of this installation's master keys verify with, the one in use first."""
    seeds = vault_of(launch.read_settings())().derived(audit_chain.SIGNING)
    return [{"public_key": audit_chain.public_key_of(seed).hex(), "in_use": seed == seeds[0]} for seed in seeds]


def verify(slug: str | None, anchor: Path | None, keys: Sequence[str]) -> list[dict[str, Any]]:
    """Return what was found of each organisation, or of the one that is named. Raise StartError for unusable input."""
    settings = launch.read_settings()
    anchored, trusted = _anchored(anchor or settings.audit_anchor_file, required=anchor is not None)
    trusted += [_key(text) for text in keys]

    def check(session: Session) -> list[dict[str, Any]]:
        found = []
        for name, organisation_id in _wanted(session, slug):
            set_tenant(session, organisation_id)
            proof = seals.verify(session, organisation_id, trusted, anchored.get(organisation_id, []))
            found.append(_shown(name, proof))
        return found

    with launch.ground(settings) as ground:
        return asyncio.run(launch.run_once(ground, settings, check))


def _wanted(session: Session, slug: str | None) -> list[tuple[str, UUID]]:
    if slug is None:
        everyone = select(DirectoryEntry.slug, DirectoryEntry.organisation_id).order_by(DirectoryEntry.slug)
        return [(row.slug, row.organisation_id) for row in session.execute(everyone)]
    found = organisations.find(session, slug)
    if found is None:
        raise StartError(f"There is no organisation {slug}.")
    return [(slug, found)]


def _anchored(path: Path | None, *, required: bool) -> tuple[Anchored, list[bytes]]:
    """Return the heads that were kept in a file, and the keys that signed them. One of the settings may yet come."""
    anchored: Anchored = {}
    trusted: list[bytes] = []
    if path is None or not (required or path.exists()):
        return anchored, trusted
    try:
        for organisation_id, head, key in anchoring.read(path):
            anchored.setdefault(organisation_id, []).append(head)
            trusted.append(key)
    except anchoring.UnusableAnchor as error:
        raise StartError(str(error)) from error
    return anchored, trusted


def _key(text: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != audit_chain.DIGEST_BYTES:
        raise StartError("A public key is 64 hexadecimal digits, as `ballast audit keys` prints it.")
    return key


def _shown(slug: str, proof: Proof) -> dict[str, Any]:
    fault = proof.fault
    return {
        "organisation": slug,
        "result": "whole" if fault is None else "not whole",
        "first_bad_entry": fault.number if fault else None,
        "what": fault.what if fault else None,
        "sealed_entries": proof.entries,
        "seals": proof.seals,
        "unsealed_entries": proof.unsealed,
        "head": proof.head.hex(),
    }
