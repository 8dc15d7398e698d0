"""What must never come in with a call event: who the customer is, what was said, how an employee is thought to feel."""

import re
from collections.abc import Iterator
from typing import Any

Path = tuple[Any, ...]

NUMBER = "Looks like a phone number. Phone numbers are never kept."
AGENT = "Of the agent only the platform's id is taken: who that is, is known here."
FEELING = "Nothing is inferred about how an employee feels: only the customer's sentiment is taken."
REASONS = {
    "Phone numbers are never kept.": "phone telephone mobile msisdn ani dnis cli clid number from to endpoint",
    "Who the customer is, is never kept.": (
        "caller customer client name firstname lastname email mail address postcode zip birth dob ssn account party"
    ),
    "What was said or written is never kept.": (
        "note notes comment transcript transcription text body message summary recording audio url"
    ),
    FEELING: "emotion mood stress feeling sentiment",
}
REASON_OF = {word: reason for reason, words in REASONS.items() for word in words.split()}

WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
# Conservative: a leading + or 00, or digits that are grouped as a phone number is. Plain digits are an id. The pattern
# begins with the character before, which is rare inside an id, so that the search skips most of a text.
PHONE = re.compile(
    r"[^A-Za-z0-9+](?:\+ ?\d(?:[ ().\-/]{0,2}\d){6,14}(?![A-Za-z0-9])"
    r"|(?<![.\-])(?:"
    r"00[1-9](?:[ ().\-/]{0,2}\d){8,13}"
    r"|(?:1[ .\-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[ .\-])\d{3}[ .\-]\d{4}"
    r"|\(0\d{1,5}\) ?\d[\d ]{4,9}\d"
    r"|0\d{1,4} \d{3,4} ?\d{3,4}"
    r")(?![A-Za-z0-9.\-]))"
)


def reason_against(path: Path) -> str | None:
    """Return why an unknown member must not be sent, where its name says that it is personal; else None.

    It is refused in any case: a name that is taken for personal by mistake is refused with the wrong reason alone.
    """
    name = str(path[-1])[:200]
    words, whole = {word.lower() for word in WORDS.findall(name)}, name.lower()
    found = {reason for word, reason in REASON_OF.items() if word in words or (len(word) > 4 and word in whole)}
    if FEELING in found:
        return FEELING
    if path[0] == "agent" or "agent" in words or "employee" in words:
        return AGENT if found else None
    return next((reason for reason in REASONS if reason in found), None)


def holds_phone(text: str) -> bool:
    """Return whether a text holds what looks like a phone number."""
    return PHONE.search("\n" + text) is not None


def texts(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield every text of a JSON value with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from texts(member, (*path, name))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from texts(member, (*path, index))
