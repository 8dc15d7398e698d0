"""Who may do what, as one table: ``POLICY``. Its rows stand in one file for each area.

Scopes bind clients; roles and relations bind people. The same table guards one object, filters lists, picks the fields
shown, documents itself (``docs/access.md``) and generates the test matrix. How it is applied: ``app/access.py``.
"""

from app.policy import (
    audit,
    calls,
    coaching,
    eap,
    ground,
    live,
    mentor_matches,
    mentors,
    people,
    plans,
    rights,
    scim,
    session_notes,
    thoughts,
    webhooks,
)
from app.policy.rule import Models, Policy

NAMES = (
    "organisation employees teams service-areas pillars sources call-events strain prompts plans mentors sessions eap"
    " webhooks audit clients scim"
)
SCOPES = tuple(f"{name}:{verb}" for name in NAMES.split() for verb in ("read", "write"))
AREAS = (
    *(ground, audit, people, scim, calls, plans, coaching, session_notes, mentors, mentor_matches, thoughts, eap),
    *(rights, webhooks, live),
)

POLICY: Policy = {row: rule for area in AREAS for row, rule in area.POLICY.items()}
# The table behind each resource, and the column that holds the person whom a row is about (None: nobody).
MODELS: Models = {resource: model for area in AREAS for resource, model in area.MODELS.items()}
