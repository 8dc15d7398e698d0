"""Who is calling: client keys, access tokens of people, and the statement that finds the caller and sets the tenant."""

import hashlib
import re
import secrets
import time
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Self
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from sqlalchemy import ARRAY, Uuid, bindparam, text
from sqlalchemy.orm import Session

from app.crypto import private_file
from app.database import execute, set_tenant
from app.errors import Unauthenticated
from app.models.base import folded

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
KEY = re.compile(r"blst_(live|cal)_([0-9A-Za-z]{22})_([0-9A-Za-z]{40})([0-9A-Za-z]{6})")
KeyKind = Literal["live", "cal"]  # a client's, and that in the address of a calendar
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # nobody is called by what PostgreSQL cannot hold
TOKEN_SECONDS = int(timedelta(hours=12).total_seconds())

FIND_CLIENT = text("SELECT * FROM authenticate_client(:organisation_id, :digest)").bindparams(
    bindparam("organisation_id"), bindparam("digest")
)
FIND_CLIENT_BY_KEY = text("SELECT * FROM authenticate_client_key(:organisation_id, :key_id)").bindparams(
    bindparam("organisation_id"), bindparam("key_id")
)
FIND_PERSON = text("SELECT * FROM authenticate_person(:organisation_id, :attribute, :value)").bindparams(
    bindparam("organisation_id"), bindparam("attribute"), bindparam("value")
)
# People by their ids, the active ones among them. The tenant is to be set before.
FIND_PEOPLE = text(
    "SELECT e.id, ARRAY(SELECT g.role FROM role_grant g WHERE g.organisation_id = e.organisation_id"
    " AND g.employee_id = e.id AND g.state = 'active') AS roles FROM employee e"
    " WHERE e.organisation_id = :organisation_id AND e.active AND e.id IN (SELECT unnest(:ids))"
).bindparams(bindparam("organisation_id"), bindparam("ids", type_=ARRAY(Uuid())))


@dataclass(slots=True)
class Caller:
    """Who is calling, as the database knows them in this transaction."""

    organisation_id: UUID
    kind: Literal["client", "person", "system", "source"]
    id: UUID | None
    scopes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    request_id: str | None = None
    if_match: str | None = None
    target_id: UUID | None = None
    has_written: bool = field(default=False)

    @property
    def employee_id(self) -> UUID | None:
        return self.id if self.kind == "person" else None

    @property
    def client_id(self) -> UUID | None:
        return self.id if self.kind == "client" else None

    @property
    def source_id(self) -> UUID | None:
        return self.id if self.kind == "source" else None


@dataclass(frozen=True, slots=True)
class ClientKeyCredential:
    """A well-formed client key: it names its organisation; whether it is a live key, the database knows."""

    organisation_id: UUID
    digest: bytes

    def find(self, session: Session) -> Caller:
        row = execute(
            session, FIND_CLIENT, {"organisation_id": self.organisation_id, "digest": self.digest}
        ).one_or_none()
        if row is None:
            raise Unauthenticated
        return Caller(self.organisation_id, "client", row.id, scopes=frozenset(row.scopes))


@dataclass(frozen=True, slots=True)
class PersonCredential:
    """A verified access token: what its issuer calls the person, and which attribute of ours that is."""

    organisation_id: UUID
    attribute: str
    value: str

    def find(self, session: Session) -> Caller:
        value = folded(self.value) if self.attribute in ("user_name", "email") else self.value
        if UNSTORABLE.search(value):
            raise Unauthenticated
        rows = execute(
            session, FIND_PERSON, {"organisation_id": self.organisation_id, "attribute": self.attribute, "value": value}
        ).all()
        if len(rows) != 1:
            raise Unauthenticated
        return Caller(self.organisation_id, "person", rows[0].id, roles=frozenset(rows[0].roles))


@dataclass(frozen=True, slots=True)
class AccessTokenCredential:
    """A token of ours for one key of a client: it holds as long as the key does, for these scopes and no more."""

    organisation_id: UUID
    key_id: UUID
    scopes: frozenset[str]

    def find(self, session: Session) -> Caller:
        values = {"organisation_id": self.organisation_id, "key_id": self.key_id}
        row = execute(session, FIND_CLIENT_BY_KEY, values).one_or_none()
        if row is None:
            raise Unauthenticated
        return Caller(self.organisation_id, "client", row.id, scopes=self.scopes & frozenset(row.scopes))


@dataclass(frozen=True, slots=True)
class TicketCredential:
    """A ticket of ours to open one stream: it holds as long as the person does."""

    organisation_id: UUID
    person_id: UUID

    def find(self, session: Session) -> Caller:
        set_tenant(session, self.organisation_id)
        found = find_people(session, self.organisation_id, [self.person_id])
        if not found:
            raise Unauthenticated
        return found[self.person_id]


Credential = ClientKeyCredential | PersonCredential | AccessTokenCredential | TicketCredential


def find_people(session: Session, organisation_id: UUID, ids: Iterable[UUID]) -> dict[UUID, Caller]:
    """Return those of these people who are active, as the callers that they would be now. The tenant is set already."""
    rows = execute(session, FIND_PEOPLE, {"organisation_id": organisation_id, "ids": list(ids)})
    return {row.id: Caller(organisation_id, "person", row.id, roles=frozenset(row.roles)) for row in rows}


def from_base62(text: str) -> int:
    """Return the number of ``base62``. Raise ValueError for what is none, or more than 128 bits."""
    number = 0
    for character in text:
        number = number * 62 + ALPHABET.index(character)
    if number >> 128:
        raise ValueError("more than 128 bits")
    return number


def base62(number: int, width: int) -> str:
    """Return a number in ``width`` digits and letters."""
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = ALPHABET[digit] + digits
    return digits.rjust(width, "0")


def make_key(organisation_id: UUID, kind: KeyKind = "live") -> tuple[str, bytes]:
    """Return a new key and its SHA-256.

    40 random base62 characters are 238 bits; the checksum after them finds typing errors without the database.
    """
    secret = "".join(secrets.choice(ALPHABET) for _ in range(40))
    body = f"blst_{kind}_{base62(organisation_id.int, 22)}_{secret}"
    key = body + base62(zlib.crc32(body.encode()), 6)
    return key, hashlib.sha256(key.encode()).digest()


def parse_key(key: str, kind: KeyKind = "live") -> ClientKeyCredential:
    """Return the credential in a key. Raise Unauthenticated for a malformed one, without asking the database."""
    found = KEY.fullmatch(key)
    if found is None or found.group(1) != kind or base62(zlib.crc32(key[:-6].encode()), 6) != found.group(4):
        raise Unauthenticated
    try:
        organisation_id = UUID(int=from_base62(found.group(2)))
    except ValueError:
        raise Unauthenticated from None
    return ClientKeyCredential(organisation_id, hashlib.sha256(key.encode()).digest())


class DevelopmentIssuer:
    """The built-in identity provider of ``make run`` and the tests: one issuer an organisation, never in production."""

    PREFIX = "urn:ballast:development:"

    def __init__(self, key: ECKey) -> None:
        self.key = key

    @classmethod
    def load(cls, data_dir: Path) -> Self:
        """Return the issuer whose key the data directory keeps, made on first use."""
        made = private_file(
            data_dir / "development-issuer.pem", lambda: ECKey.generate_key("P-256").as_pem(private=True)
        )
        return cls(ECKey.import_key(made))

    def issue(self, organisation_id: UUID, user_name: str, seconds: int = TOKEN_SECONDS, **claims: Any) -> str:
        """Return an access token that signs in the employee with this user name."""
        now = int(time.time())
        content = {
            "iss": f"{self.PREFIX}{organisation_id}",
            "aud": "ballast",
            "sub": user_name,
            "iat": now,
            "exp": now + seconds,
            **claims,
        }
        return jwt.encode({"alg": "ES256", "typ": "at+jwt"}, content, self.key, algorithms=["ES256"])

    def verify(self, token: str, issuer: str) -> PersonCredential:
        try:
            organisation_id = UUID(issuer.removeprefix(self.PREFIX))
            claims = jwt.decode(token, self.key, algorithms=["ES256"]).claims
            registry(issuer, "ballast").validate(claims)
        except (JoseError, ValueError, TypeError):
            raise Unauthenticated from None
        return PersonCredential(organisation_id, "user_name", str(claims["sub"]))


def registry(issuer: str, audience: str) -> jwt.JWTClaimsRegistry:
    """Return the rules that the claims of an access token must keep. A signature alone proves nothing about time."""
    return jwt.JWTClaimsRegistry(
        leeway=30,
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": audience},
        exp={"essential": True},
        sub={"essential": True},
    )
