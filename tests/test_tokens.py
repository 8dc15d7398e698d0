"""People's access tokens: what is accepted, what never is, and an identity provider that misbehaves."""

import base64
import hmac
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey
from sqlalchemy import text

from app.main import create_app
from app.models.base import folded
from app.settings import Settings
from tests.identity_provider import EC_KEY, ED_KEY, LATER, NOW, RSA_KEY, STRANGERS_KEY, IdentityProvider, Trust, status
from tests.world import World


@pytest.fixture
async def provider() -> AsyncIterator[IdentityProvider]:
    async with IdentityProvider() as provider:
        yield provider


@pytest.fixture
def trust(provider: IdentityProvider, world: World, monkeypatch: pytest.MonkeyPatch) -> Trust:
    return provider.trusted_by(world, monkeypatch)


def unsigned(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def with_secret(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """Return a token that is signed by the public key as if it were a shared secret."""
    signed = unsigned(header, claims).rpartition(".")[0]
    signature = hmac.digest(RSA_KEY.as_pem(private=False), signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


class TestAccepted:
    @pytest.mark.parametrize(
        ("key", "alg"), [(RSA_KEY, "RS256"), (EC_KEY, "ES256"), (ED_KEY, "Ed25519")], ids=["RS256", "ES256", "Ed25519"]
    )
    async def test_by_its_published_key(
        self, provider: IdentityProvider, world: World, trust: Trust, key: Any, alg: str
    ) -> None:
        trust()

        me = (await world.http(provider.token(key, alg)).get("/v1/me")).json()

        assert me["employee"]["id"] == str(world.people["amira"])

    @pytest.mark.parametrize(
        "header",
        [
            {"typ": "JWT"},
            {"typ": "application/at+jwt"},
            {"typ": None},
            {"x5t": "abc"},
            {"something": "of the provider's own"},
        ],
    )
    async def test_with_headers_that_providers_send(
        self, provider: IdentityProvider, world: World, trust: Trust, header: dict[str, Any]
    ) -> None:
        trust()
        token = provider.token(header={name: value for name, value in header.items() if name != "something"})
        if "something" in header:
            now = int(time.time())
            claims = {"iss": provider.issuer, "aud": provider.audience, "sub": "hr-amira", "exp": now + 60}
            registry = jws.JWSRegistry(strict_check_header=False)
            token = jwt.encode({"alg": "RS256", "kid": "rsa", **header}, claims, RSA_KEY, registry=registry)

        assert await status(world, token) == 200

    @pytest.mark.parametrize(
        "claims",
        [
            {"aud": ["other", "ballast-api"]},
            {"email_verified": False},
            {"exp": LATER + 0.5},
            {"typ": "Bearer"},
        ],
    )
    async def test_with_claims_that_providers_send(
        self, provider: IdentityProvider, world: World, trust: Trust, claims: dict[str, Any]
    ) -> None:
        trust()

        assert await status(world, provider.token(**claims)) == 200

    async def test_without_a_key_id_where_one_key_fits(
        self, provider: IdentityProvider, world: World, trust: Trust
    ) -> None:
        trust()
        token = provider.token(header={"kid": None})
        assert await status(world, token) == 200

    @pytest.mark.parametrize(
        ("claim", "matches", "value"),
        [
            ("sub", "user_name", "AMIRA"),
            ("email", "email", "Amira@Harbour.example"),
            ("employee", "employee_number", "4711"),
            ("employee", "employee_number", 4711),
            ("oid", "external_id", "hr-amira"),
        ],
    )
    async def test_by_the_attribute_that_the_settings_name(
        self,
        provider: IdentityProvider,
        world: World,
        trust: Trust,
        claim: str,
        matches: str,
        value: Any,
    ) -> None:
        trust(claim=claim, matches=matches)
        have = text("UPDATE employee SET employee_number = '4711', email_key = :email WHERE user_name = 'amira'")
        await world.run(lambda session: session.execute(have, {"email": folded("amira@harbour.example")}))

        me = (await world.http(provider.token(**{claim: value})).get("/v1/me")).json()

        assert me["employee"]["user_name"] == "amira"

    async def test_by_the_settings_of_the_application(self, provider: IdentityProvider, world: World) -> None:
        settings: Settings = world.app.state.settings
        trusting = settings.model_copy(update={"oidc_issuers": (provider.settings(world),)})
        world.app = create_app(trusting, world.database)

        assert await status(world, provider.token()) == 200
        assert await status(world, provider.token(STRANGERS_KEY)) == 401


# What a forger, or a careless provider, may send: changes to a token's header and claims, by the published key.
REFUSED_CLAIMS: dict[str, dict[str, Any]] = {
    "expired": {"exp": NOW - 60},
    "no expiry": {"exp": None},
    "expiry as text": {"exp": str(LATER)},
    "expiry without end": {"exp": float("inf")},
    "expiry true": {"exp": True},
    "not yet valid": {"nbf": LATER},
    "issued in the future": {"iat": LATER},
    "another issuer": {"iss": "https://id.example.com/other"},
    "an issuer that begins like it": {"iss": "https://id.example.com/harbour/"},
    "no issuer": {"iss": None},
    "issuer in a list": {"iss": ["https://id.example.com/harbour"]},
    "another audience": {"aud": "ballast-web"},
    "no audience": {"aud": None},
    "no audience in the list": {"aud": []},
    "audience with other things": {"aud": ["ballast-api", {"x": 1}]},
    "no subject": {"sub": None},
    "empty subject": {"sub": ""},
    "blank subject": {"sub": " "},
    "subject as object": {"sub": {"id": "hr-amira"}},
    "subject with NUL": {"sub": "hr-amira\x00"},
    "subject with half a surrogate": {"sub": "hr-amira\ud800"},
    "endless subject": {"sub": "hr-amira" + "a" * 300},
    "nobody": {"sub": "hr-nobody"},
    "an ID token": {"nonce": "n-0S6_WzA2Mj"},
    "an ID token with a hash": {"at_hash": "MTIzNDU2Nzg5MDEyMzQ1Ng"},
    "a Keycloak refresh token": {"typ": "Refresh"},
    "a logout token": {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}},
}
REFUSED_HEADERS: dict[str, dict[str, Any]] = {
    "type of an ID token": {"typ": "id_token"},
    "type of a logout token": {"typ": "logout+jwt"},
    "type of a DPoP proof": {"typ": "dpop+jwt"},
    "an unknown key": {"kid": "another"},
    "the id of a key of another kind": {"kid": "ec"},
    "critical": {"crit": ["b64"], "b64": True},
}


class TestRefused:
    @pytest.mark.parametrize("claims", REFUSED_CLAIMS.values(), ids=REFUSED_CLAIMS.keys())
    async def test_for_its_claims(
        self, provider: IdentityProvider, world: World, trust: Trust, claims: dict[str, Any]
    ) -> None:
        trust()
        if claims.get("sub", "").__class__ is str and "\ud800" in str(claims.get("sub")):
            token = self._with_surrogate(provider)
        else:
            token = provider.token(**claims)

        assert await status(world, token) == 401

    def _with_surrogate(self, provider: IdentityProvider) -> str:
        claims = {"iss": provider.issuer, "aud": provider.audience, "exp": LATER, "sub": "hr-amira\ud800"}
        return jws.serialize_compact({"alg": "RS256", "kid": "rsa"}, json.dumps(claims).encode(), RSA_KEY)

    @pytest.mark.parametrize("header", REFUSED_HEADERS.values(), ids=REFUSED_HEADERS.keys())
    async def test_for_its_header(
        self, provider: IdentityProvider, world: World, trust: Trust, header: dict[str, Any]
    ) -> None:
        trust()

        assert await status(world, provider.token(header=header)) == 401

    async def test_for_its_signature(self, provider: IdentityProvider, world: World, trust: Trust) -> None:
        trust()
        good = provider.token()
        head, body, signature = good.split(".")
        claims = {"iss": provider.issuer, "aud": provider.audience, "sub": "hr-amira", "exp": LATER}
        forged = {
            "none": unsigned({"alg": "none", "kid": "rsa"}, claims),
            "None": unsigned({"alg": "None", "kid": "rsa"}, claims),
            "none with a signature": unsigned({"alg": "none", "kid": "rsa"}, claims, b"signed"),
            "the public key as a shared secret": with_secret({"alg": "HS256", "kid": "rsa"}, claims),
            "the same, called RS256": with_secret({"alg": "RS256", "kid": "rsa"}, claims),
            "a stranger's key under our id": provider.token(STRANGERS_KEY),
            "a key that the token brings": provider.token(
                STRANGERS_KEY, header={"jwk": STRANGERS_KEY.as_dict(private=False)}
            ),
            "a URL that the token brings": provider.token(STRANGERS_KEY, header={"jku": provider.jwks_url}),
            "a certificate URL": provider.token(STRANGERS_KEY, header={"x5u": provider.jwks_url}),
            "an algorithm that is not allowed": provider.token(RSA_KEY, "PS256"),
            "no algorithm": unsigned({"kid": "rsa"}, claims, b"signed"),
            "algorithms in a list": unsigned({"alg": ["RS256"], "kid": "rsa"}, claims, b"signed"),
            "a key id that is no text": unsigned({"alg": "RS256", "kid": {"a": 1}}, claims, b"signed"),
            "critical that is no list": unsigned({"alg": "RS256", "kid": "rsa", "crit": 5}, claims, b"signed"),
            "a type that is no text": unsigned({"alg": "RS256", "kid": "rsa", "typ": 5}, claims, b"signed"),
            "another body": f"{head}.{provider.token(sub='hr-noor').split('.')[1]}.{signature}",
            "a cut signature": good[:-4],
            "no signature": f"{head}.{body}.",
            "another last character": good[:-1] + ("A" if good[-1] != "A" else "B"),
            "an encrypted token": f"{head}..{body}.{signature}.{head}",
            "two parts": f"{head}.{body}",
            "four parts": f"{good}.{signature}",
            "a list": unsigned([], claims),  # type: ignore[arg-type]  # a forger keeps to no type
            "claims in a list": unsigned({"alg": "RS256"}, [claims]),  # type: ignore[arg-type]  # the same
            "nothing": "..",
            "deep": f"{head}.{base64.urlsafe_b64encode(b'[' * 5000).decode()}.{signature}",
            "a huge number": unsigned({"alg": "RS256"}, {}) + "x" + "9" * 5000,
            "too long": good + "A" * 8192,
        }

        accepted = {name: code for name, token in forged.items() if (code := await status(world, token)) != 401}

        assert accepted == {}
        assert await status(world, good) == 200

    async def test_for_what_the_development_issuer_never_signed(self, world: World) -> None:
        claims = {"iss": f"urn:ballast:development:{world.id}", "aud": "ballast", "sub": "noor", "exp": LATER}
        stranger = ECKey.generate_key("P-256")
        good = world.token("amira")
        forged = {
            "none": unsigned({"alg": "none"}, claims),
            "a stranger's key": jwt.encode({"alg": "ES256"}, claims, stranger, algorithms=["ES256"]),
            "critical that is no list": unsigned({"alg": "ES256", "crit": 5}, claims, b"a" * 64),
            "an algorithm that is no text": unsigned({"alg": {}}, claims, b"a" * 64),
            "no organisation": unsigned({"alg": "ES256"}, {**claims, "iss": "urn:ballast:development:x"}, b"a" * 64),
            "expired": world.token("amira", exp=NOW - 60),
            "another audience": world.token("amira", aud="other"),
            "another organisation": world.token("amira", iss="urn:ballast:development:" + "0" * 32),
        }

        accepted = {name: code for name, token in forged.items() if (code := await status(world, token)) != 401}

        assert accepted == {}
        assert await status(world, good) == 200

    async def test_where_an_email_is_said_not_to_be_verified(
        self, provider: IdentityProvider, world: World, trust: Trust
    ) -> None:
        trust(claim="email", matches="email")
        have = text("UPDATE employee SET email_key = email WHERE user_name = 'amira'")
        await world.run(lambda session: session.execute(have))
        email = "amira@harbour.example"

        answers = {
            str(verified): await status(world, provider.token(email=email, email_verified=verified))
            for verified in (True, "true", None, False, "false", 0, "")
        }

        assert answers == {"True": 200, "true": 200, "None": 200, "False": 401, "false": 401, "0": 401, "": 401}

    async def test_where_two_people_share_the_attribute(
        self, provider: IdentityProvider, world: World, trust: Trust
    ) -> None:
        trust(claim="employee", matches="employee_number")
        both = text("UPDATE employee SET employee_number = '7' WHERE user_name IN ('amira', 'noor')")
        await world.run(lambda session: session.execute(both))

        assert await status(world, provider.token(employee="7")) == 401

    async def test_once_the_person_has_left(self, provider: IdentityProvider, world: World, trust: Trust) -> None:
        trust()
        person = world.http(provider.token())
        assert (await person.get("/v1/me")).status_code == 200

        await world.run(
            lambda session: session.execute(text("UPDATE employee SET active = false WHERE user_name = 'amira'"))
        )

        assert (await person.get("/v1/me")).status_code == 401

    async def test_roles_and_organisations_that_it_claims_count_for_nothing(
        self, provider: IdentityProvider, world: World, elsewhere: World, trust: Trust
    ) -> None:
        trust()
        token = provider.token(roles=["programme_lead"], scope="organisation:write", organisation_id=str(elsewhere.id))

        me = (await world.http(token).get("/v1/me")).json()

        assert (me["organisation"]["id"], me["roles"], me["scopes"]) == (str(world.id), [], [])


class TestOrganisation:
    """Which organisation an issuer signs in for is configured."""

    async def test_one_that_does_not_exist_yet_is_refused_until_it_does(
        self, provider: IdentityProvider, world: World, trust: Trust
    ) -> None:
        slug = f"later-{world.slug}"
        trust(organisation=slug)
        assert await status(world, provider.token()) == 401

        rename = text("UPDATE organisation_directory SET slug = :slug WHERE organisation_id = :id")
        await world.run(lambda session: session.execute(rename, {"slug": slug, "id": world.id}))

        assert await status(world, provider.token()) == 200

    async def test_each_issuer_signs_in_for_its_own(
        self, provider: IdentityProvider, world: World, elsewhere: World, trust: Trust
    ) -> None:
        other = "https://id.example.com/lighthouse"
        trust(provider.settings(elsewhere, issuer=other))

        async def organisation(issuer: str) -> Any:
            return (await world.http(provider.token(iss=issuer)).get("/v1/me")).json()["organisation"]["id"]

        assert await organisation(provider.issuer) == str(world.id)
        assert await organisation(other) == str(elsewhere.id)

    async def test_two_share_an_issuer_and_differ_by_audience(
        self, provider: IdentityProvider, world: World, elsewhere: World, trust: Trust
    ) -> None:
        trust(provider.settings(elsewhere, audience="lighthouse-api"))

        async def organisation(audience: Any) -> Any:
            return (
                (await world.http(provider.token(aud=audience)).get("/v1/me")).json().get("organisation", {}).get("id")
            )

        assert await organisation("ballast-api") == str(world.id)
        assert await organisation("lighthouse-api") == str(elsewhere.id)
        assert await organisation(["ballast-api", "lighthouse-api"]) is None
