"""The headers of what is posted to a webhook endpoint, as the API's description holds them once for all types."""

from typing import Any

HEADERS: dict[str, dict[str, Any]] = {
    name: {"name": name, "in": "header", "required": True, "description": description, "schema": schema}
    for name, description, schema in (
        (
            "webhook-id",
            "The id of the event, the same for every attempt and replay: an id that you know is a repeat.",
            {"type": "string", "format": "uuid"},
        ),
        (
            "webhook-timestamp",
            "When this attempt was made, in seconds since 1970. Refuse what is off by more than five minutes.",
            {"type": "integer"},
        ),
        (
            "webhook-signature",
            (
                "Signatures after Standard Webhooks 1.0, separated by blanks: `v1,` (HMAC-SHA256, by the secret) and"
                " `v1a,` (ed25519, by the key). While keys are rotated there are those by the old ones, too. One that"
                " holds is enough."
            ),
            {"type": "string"},
        ),
    )
}
