"""The recordings as commands: ``python -m tests.platform_commands > docs/platform-payloads.md`` writes the page."""

import json
import shlex
import sys
from typing import Any

from tests.platforms import FORM, RECORDINGS, Recording

WIDTH = 112
# How each platform proves who it is. A form would be signed by Twilio, which a plain command cannot do.
AUTHORIZATION = {
    "eventbridge": '-H "X-Api-Key: $SECRET"',
    "twilio": '-u "ballast:$SECRET"',
    "mapping": '-H "Authorization: Bearer $SECRET"',
}


def command(recording: Recording) -> str:
    """Return the curl command that delivers a recording."""
    start = f'curl -sS -X POST "$URL/v1/intake/$ORGANISATION/$SOURCE" {AUTHORIZATION[recording.kind]}'
    if recording.media_type == FORM:
        fields = [shlex.quote(f"{name}={value}") for name, value in recording.payload.items()]
        return start + "".join(f" \\\n  --data-urlencode {field}" for field in fields)
    body = written(recording.payload)
    return f"{start} \\\n  -H \"Content-Type: application/json\" --data-binary @- <<'END'\n{body}\nEND"


def written(value: Any, indent: str = "", before: int = 0) -> str:
    """Return JSON with as much on each line as fits."""
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or not value or len(indent) + before + len(flat) <= WIDTH:
        return flat
    inner = indent + "  "
    if isinstance(value, list):
        parts = [written(member, inner) for member in value]
        return "[" + ",".join(f"\n{inner}{part}" for part in parts) + f"\n{indent}]"
    lines: list[str] = []
    for name, member in value.items():
        part = f"{json.dumps(name)}: {written(member, inner, len(name) + 5)}"
        if lines and "\n" not in part and "\n" not in lines[-1] and len(inner) + len(lines[-1]) + len(part) < WIDTH:
            lines[-1] += f", {part}"
        else:
            lines.append(part)
    return "{" + ",".join(f"\n{inner}{line}" for line in lines) + f"\n{indent}}}"


HEAD = """# What the platforms send

One delivery of each shape that is read, written from the platforms' documentation, with the names and numbers that such
deliveries hold: none of those is kept. Each is a command. `$URL`, `$ORGANISATION`, `$SOURCE` and `$SECRET` are those of
[platforms.md](platforms.md), which says how a platform is set up and what is read of it. Send the same body as `body`
to `POST /v1/sources/{id}/test` to see what it would become.

This page is written by `python -m tests.platform_commands`, from `tests/platforms/`.
"""


def page() -> str:
    """Return the page of the documentation that shows every recording."""
    parts = [HEAD]
    for recording in RECORDINGS.values():
        told = f" with the options `{json.dumps(recording.options)}`" if recording.kind != "mapping" else ""
        kind = f"To a source of kind `{recording.kind}`{told if recording.options else ''}."
        if recording.kind == "mapping":
            kind = "To a source of kind `mapping`, with the declaration that platforms.md shows."
        parts.append(f"## {recording.title}\n\n{kind}\n\n```sh\n{command(recording)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(page())
