"""Twilio's signature: as its own library makes it (the vectors are that library's), and nothing else passes."""

import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.intake.adapter import Delivery
from app.intake.twilio_signature import is_genuine, signature
from tests.platforms import FORM, JSON, RECEIVED_AT, RECORDINGS, URL

VECTORS = json.loads((Path(__file__).parent / "twilio_signatures.json").read_text(encoding="utf-8"))
FIRST = VECTORS[0]
IN_JSON = next(vector for vector in VECTORS if vector["body"])


def delivery(vector: dict[str, Any], **other: Any) -> Delivery:
    """Return a signed request, or one with something else in the place of what was signed."""
    sent = {**vector, **other}
    is_form = sent["fields"] is not None
    headers = {
        "content-type": sent.get("media_type") or (f"{FORM}; charset=utf-8" if is_form else JSON),
        "x-twilio-signature": sent["signature"],
    }
    if sent["algorithm"] != "HMAC_SHA1":
        headers["x-twilio-webhooks-signature-settings"] = f"key=webhooks_sharedkey_1, algorithm={sent['algorithm']}"
    body = urlencode([(name, value) for name, value in sent["fields"]]) if is_form else sent["body"]
    return Delivery(
        [(name.encode(), value.encode()) for name, value in headers.items() if value is not None],
        body.encode(),
        sent["url"],
        "POST",
        RECEIVED_AT,
    )


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
class TestVectors:
    def test_it_is_made_as_twilio_makes_it(self, vector: dict[str, Any]) -> None:
        fields = [(name, value) for name, value in vector["fields"] or ()]

        assert signature(vector["url"], fields, vector["key"], vector["algorithm"]) == vector["signature"]

    def test_it_is_taken_and_no_other(self, vector: dict[str, Any]) -> None:
        sent = delivery(vector)

        assert is_genuine(sent, [vector["key"]])
        assert is_genuine(sent, ["an older key", vector["key"]])
        assert not is_genuine(sent, ["another key"])
        assert not is_genuine(sent, [])
        other = "HMAC_SHA1" if vector["algorithm"] == "HMAC_SHA256" else "HMAC_SHA256"
        for change in (
            {"url": vector["url"].replace("mycompany", "yourcompany")},
            {"url": vector["url"] + ("&x=1" if "?" in vector["url"] else "?x=1")},
            {"signature": None},
            {"signature": ""},
            {"signature": vector["signature"][:-2]},
            {"signature": vector["signature"].swapcase()},
            {"signature": "é"},
            {"algorithm": other},
            {"algorithm": "HMAC_MD5"},
            {"algorithm": "none"},
            {"fields": [*(vector["fields"] or ()), ["Added", "1"]]} if vector["body"] is None else {"body": "[]"},
        ):
            assert not is_genuine(delivery(vector, **change), [vector["key"]]), change


class TestAddress:
    @pytest.mark.parametrize(
        ("signed", "seen"),
        [
            ("https://calls.example/in", "https://calls.example:443/in"),
            ("https://calls.example:443/in", "https://calls.example/in"),
            ("http://calls.example:80/in", "http://calls.example/in"),
            ("https://calls.example/in?x=1", "https://calls.example:8443/in?x=1"),
            ("https://me:it@calls.example/in", "https://me:it@calls.example:443/in"),
            ("https://[::1]/in", "https://[::1]:443/in"),
            ("https://calls.example/in?", "https://calls.example:443/in?"),
        ],
    )
    def test_it_is_tried_with_its_port_and_without(self, signed: str, seen: str) -> None:
        vector = {**FIRST, "signature": signature(signed, [("A", "b")], "key"), "fields": [["A", "b"]], "url": seen}

        assert is_genuine(delivery(vector), ["key"])
        assert not is_genuine(delivery({**vector, "url": seen.replace("/in", "/out")}), ["key"])

    @pytest.mark.parametrize("url", ["https://calls.example:port/", "https://[calls/", "", "//", "\ud800"])
    def test_what_is_no_address_is_not_taken(self, url: str) -> None:
        assert not is_genuine(delivery(FIRST, url=url), [FIRST["key"]])


class TestBody:
    def test_what_the_signature_does_not_cover_is_not_taken(self) -> None:
        url = "https://mycompany.com/myapp.php"
        bare = {**IN_JSON, "url": url, "signature": signature(url, (), "key")}

        assert not is_genuine(delivery(bare), ["key"])
        assert is_genuine(delivery(bare, body=""), ["key"])

    def test_the_hash_of_nothing_does_not_vouch_for_something(self) -> None:
        empty = hashlib.sha256(b"").hexdigest()
        url = f"https://mycompany.com/myapp.php?bodySHA256={empty}"
        vector = {**IN_JSON, "url": url, "signature": signature(url, (), "key")}

        assert is_genuine(delivery(vector, body=""), ["key"])
        assert not is_genuine(delivery(vector), ["key"])

    def test_json_that_says_it_is_a_form_is_a_form(self) -> None:
        assert not is_genuine(delivery(IN_JSON, media_type=FORM), [IN_JSON["key"]])

    @pytest.mark.parametrize("body", [b"\xff", b"a=%ff", b"&".join([b"a=1"] * 600)])
    def test_what_is_no_form_is_not_taken(self, body: bytes) -> None:
        sent = delivery(FIRST)

        assert not is_genuine(Delivery(sent.headers, body, sent.url, "POST", RECEIVED_AT), [FIRST["key"]])

    @settings(deadline=None, max_examples=50)
    @given(st.binary(max_size=200), st.sampled_from([FORM, JSON, "", "text/plain"]), st.text(max_size=50))
    def test_nothing_that_is_sent_raises(self, body: bytes, media_type: str, settings_header: str) -> None:
        headers = [
            (b"content-type", media_type.encode()),
            (b"x-twilio-signature", body),
            (b"x-twilio-webhooks-signature-settings", settings_header.encode(errors="replace")),
        ]

        assert not is_genuine(Delivery(headers, body, URL, "POST", RECEIVED_AT), ["key"])


def test_a_recorded_callback_is_taken() -> None:
    recording = RECORDINGS["twilio_task_callback"]
    signed = signature(URL, list(recording.payload.items()), "token")

    assert is_genuine(recording.delivery(x_twilio_signature=signed), ["token"])
    changed = {**recording.payload, "WorkerSid": "WK00000000000000000000000000000000"}
    assert not is_genuine(recording.delivery(changed, x_twilio_signature=signed), ["token"])
