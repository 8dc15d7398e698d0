"""How senders prove who they are: each way, and each way in which it does not hold."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.intake.adapter import Delivery
from app.intake.proof import Proof
from app.models.base import new_id
from app.models.source_intake import CredentialKind
from tests.intake_sources import base64_of, basic, signed, ticket

SECRET = "the-platforms-own-secret"
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
BODY = json.dumps(ticket()).encode()


def proven(
    kind: str, settings: dict[str, Any], headers: dict[str, str], *, now: datetime = NOON, body: bytes = BODY
) -> bool:
    """Return whether a request with these headers is taken for one of who holds the secret."""
    given = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    delivery = Delivery(given, body, "https://ballast.example/v1/intake/a/b", "POST", now)
    secret = SECRET.encode()
    proof = Proof(new_id(), CredentialKind(kind), settings, digest=hashlib.sha256(secret).digest(), secret=secret)
    return proof.holds(delivery)


HMAC = {
    "header": "X-Signature",
    "algorithm": "sha256",
    "encoding": "hex",
    "prefix": "",
    "timestamp_header": None,
    "separator": "",
}
STAMPED = {**HMAC, "prefix": "v1=", "timestamp_header": "X-Time", "separator": "."}


class TestProof:
    """Pure: each kind, and each way in which it does not hold."""

    @pytest.mark.parametrize(
        ("kind", "settings", "good", "bad"),
        [
            ("bearer", {}, [{"Authorization": f"Bearer {SECRET}"}, {"authorization": f"bearer  {SECRET} "}],
             [{}, {"Authorization": SECRET}, {"Authorization": f"Basic {SECRET}"}, {"Authorization": "Bearer "},
              {"Authorization": f"Bearer {SECRET}x"}, {"X": SECRET}]),
            ("header", {"header": "X-Api-Key"}, [{"X-Api-Key": SECRET}, {"x-api-key": SECRET}],
             [{}, {"X-Api-Key": ""}, {"X-Api-Key": SECRET.upper()}, {"Authorization": SECRET}, {"X-Api-Key": "é"}]),
            ("basic", {"user_name": "connect"}, [basic("connect", SECRET)],
             [{}, basic("Connect", SECRET), basic("connect", ""), basic("", SECRET), basic("connect", SECRET + ":"),
              {"Authorization": "Basic !"},
              {"Authorization": basic("connect", SECRET)["Authorization"].replace("Basic", "Bearer")}]),
            ("hmac", HMAC,
             [{"X-Signature": signed(SECRET, BODY).hex()}, {"X-Signature": signed(SECRET, BODY).hex().upper()}],
             [{}, {"X-Signature": signed("another secret", BODY).hex()}, {"X-Signature": signed(SECRET, b"").hex()},
              {"X-Signature": base64_of(signed(SECRET, BODY))}, {"X-Other": signed(SECRET, BODY).hex()}]),
            ("hmac", {**HMAC, "prefix": "HMAC="},
             [{"X-Signature": "HMAC=" + signed(SECRET, BODY).hex()}], [{"X-Signature": signed(SECRET, BODY).hex()}]),
            ("hmac", {**HMAC, "algorithm": "sha512", "encoding": "base64", "prefix": "sha512="},
             [{"X-Signature": "sha512=" + base64_of(signed(SECRET, BODY, algorithm="sha512"))}],
             [{"X-Signature": base64_of(signed(SECRET, BODY, algorithm="sha512"))},
              {"X-Signature": "sha512=" + base64_of(signed(SECRET, BODY))}]),
        ],
    )  # fmt: skip
    def test_it_holds_for_the_secret_and_nothing_else(
        self, kind: str, settings: dict[str, Any], good: list[dict[str, str]], bad: list[dict[str, str]]
    ) -> None:
        assert [proven(kind, settings, each) for each in good] == [True] * len(good)
        assert [proven(kind, settings, each) for each in bad] == [False] * len(bad)

    @pytest.mark.parametrize(
        "write", [datetime.isoformat, lambda at: f"{at.timestamp():.0f}", lambda at: f"{at.timestamp() * 1000:.0f}"]
    )
    def test_a_signed_time_is_good_for_five_minutes(self, write: Any) -> None:
        for minutes, holds in ((0, True), (4.9, True), (-4.9, True), (5.1, False), (-5.1, False), (10**6, False)):
            stamp = write(NOON + timedelta(minutes=minutes))
            headers = {"X-Time": stamp, "X-Signature": "v1=" + signed(SECRET, BODY, stamp=stamp + ".").hex()}
            assert proven("hmac", STAMPED, headers) == holds, minutes
            assert not proven("hmac", STAMPED, {**headers, "X-Time": write(NOON)}) or minutes == 0
        bare = {"X-Signature": "v1=" + signed(SECRET, BODY).hex()}
        for stamp in ("", "soon", "9" * 400, "2026-05-04T12:00:00", "é"):
            made = "v1=" + signed(SECRET, BODY, stamp=stamp + ".").hex()
            assert not proven("hmac", STAMPED, {"X-Time": stamp, "X-Signature": made}), stamp
        assert not proven("hmac", STAMPED, bare)

    def test_zendesk_signs_the_time_and_the_body(self) -> None:
        """Base64 of the HMAC-SHA256 of the time and the body, with nothing between them."""
        stamp = "2026-05-04T12:00:00Z"
        name, time = "X-Zendesk-Webhook-Signature", "X-Zendesk-Webhook-Signature-Timestamp"
        good = {name: base64_of(signed(SECRET, BODY, stamp=stamp)), time: stamp}

        assert proven("zendesk", {}, good)
        for wrong in (
            {name: signed(SECRET, BODY, stamp=stamp).hex(), time: stamp},
            {name: base64_of(signed(SECRET, BODY, stamp=stamp + ".")), time: stamp},
            {name: base64_of(signed(SECRET, BODY)), time: stamp},
            {name: good[name]},
            {name: good[name], time: "2026-05-04T12:00:01Z"},
        ):
            assert not proven("zendesk", {}, wrong)
        assert not proven("zendesk", {}, good, now=NOON + timedelta(minutes=6))
        assert not proven("zendesk", {}, good, body=BODY + b" ")
