"""The classes of personal data: what each is for, where it comes from, who gets it, and how long it is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

YEAR = 365


class DataClass(StrEnum):
    """What kind of data something is. Purposes, recipients and retention hang on it."""

    directory = "directory"
    calls = "calls"
    strain = "strain"
    programme = "programme"
    coaching = "coaching"
    wellbeing = "wellbeing"
    eap = "eap"
    account = "account"
    audit = "audit"


class CountsFrom(StrEnum):
    """From when the days of a class are counted. ``fixed`` is held by the service itself, and not to be changed."""

    deactivation = "deactivation"
    record = "record"
    fixed = "fixed"


class Basis(StrEnum):
    """What kind of ground a starting value stands on."""

    judgement = "judgement"
    guidance = "guidance"
    law = "law"


@dataclass(frozen=True)
class About:
    """What is said of one class, to the person and to the organisation. ``keep_days`` is the starting value."""

    title: str
    purpose: str
    source: str
    recipients: tuple[str, ...]
    counts_from: CountsFrom
    keep_days: int | None
    least_days: int
    basis: Basis
    why: str


CLASSES: Mapping[DataClass, About] = {
    DataClass.directory: About(
        title="Directory",
        purpose="To know who works where and for whom, so that offers reach the right person and nobody else.",
        source="The organisation's HR system or identity provider.",
        recipients=("the person's leaders", "HR administrators", "leads of the programme", "data-protection officers"),
        counts_from=CountsFrom.deactivation,
        keep_days=6 * YEAR,
        least_days=30,
        basis=Basis.judgement,
        why="A starting point, near the time in which claims from a contract can be made in England. Check your law.",
    ),
    DataClass.calls: About(
        title="Call events",
        purpose="To see hard calls in time, so that a break or a word can be offered. Never for appraisal.",
        source="The contact centre's systems.",
        recipients=("the person's leaders", "the system that sent them"),
        counts_from=CountsFrom.record,
        keep_days=2 * YEAR,
        least_days=30,
        basis=Basis.judgement,
        why="A starting point: long enough to compare a season with the one before, and no longer.",
    ),
    DataClass.strain: About(
        title="Strain signals, prompts and the person's own flags",
        purpose="To say when exposure is too much, to offer support, and to remember what was answered.",
        source="Worked out from call events, by rules that anybody can read; flags by the person.",
        recipients=("the person's leaders, of prompts that do not rest on flags", "connected front ends"),
        counts_from=CountsFrom.record,
        keep_days=YEAR,
        least_days=30,
        basis=Basis.judgement,
        why="A starting point: what was offered a year ago helps nobody today.",
    ),
    DataClass.programme: About(
        title="Plans, goals, reviews and mentoring",
        purpose="The person's own development, and who helps with it.",
        source="The person, their leaders and their mentors.",
        recipients=("the person's leaders, of what is not private", "their mentors"),
        counts_from=CountsFrom.deactivation,
        keep_days=2 * YEAR,
        least_days=1,
        basis=Basis.judgement,
        why="A starting point: somebody who comes back finds their plans again. What is left then are numbers.",
    ),
    DataClass.coaching: About(
        title="Coaching",
        purpose="To plan and hold conversations, and to keep what was agreed.",
        source="The person, their coaches and who else takes part.",
        recipients=("who takes part", "the person's leaders, of the schedule alone"),
        counts_from=CountsFrom.deactivation,
        keep_days=YEAR,
        least_days=1,
        basis=Basis.judgement,
        why="A starting point: coaching ends with the work that it was for.",
    ),
    DataClass.wellbeing: About(
        title="Thought records",
        purpose="The person's own practice of looking again at a hard thought.",
        source="The person.",
        recipients=("a mentor or coach whom the person lets read one",),
        counts_from=CountsFrom.deactivation,
        keep_days=90,
        least_days=30,
        basis=Basis.judgement,
        why="A starting point: time to ask for a copy after leaving. Nobody else has a use for them.",
    ),
    DataClass.eap: About(
        title="Employee assistance",
        purpose="To bring the person to help, as far as they agreed.",
        source="The person; a manager who suggested it; the provider, of the steps.",
        recipients=("the provider, as consented", "the assigned coordinator", "a suggesting manager, as consented"),
        counts_from=CountsFrom.deactivation,
        keep_days=3 * YEAR,
        least_days=90,
        basis=Basis.guidance,
        why="Professional guidance sets no period. Providers keep their own case notes, often for seven years.",
    ),
    DataClass.account: About(
        title="Access",
        purpose="To let the person in, and to give each role to those who hold it.",
        source="The service and the organisation.",
        recipients=("leads of the programme, of roles",),
        counts_from=CountsFrom.fixed,
        keep_days=None,
        least_days=1,
        basis=Basis.judgement,
        why="Answers to repeated requests: 24 hours. Exports: 7 days. Calendar addresses and roles: until erased.",
    ),
    DataClass.audit: About(
        title="Audit",
        purpose="To prove who did what and who looked at what.",
        source="The service.",
        recipients=("auditors, those of referrals without whom they are about", "the person, of who looked"),
        counts_from=CountsFrom.fixed,
        keep_days=None,
        least_days=1,
        basis=Basis.guidance,
        why="Sealed in a chain that breaks when an entry goes. It holds ids, which lead to nobody after an erasure.",
    ),
}
