"""Where people sign in, told to whoever asks."""

import httpx
import pytest
from pydantic import HttpUrl, SecretStr, ValidationError

from app.main import create_app
from app.settings import OidcIssuer, Settings
from tests.world import World

MASTER_KEY = SecretStr("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")


def issuer(slug: str, **fields: object) -> OidcIssuer:
    values = {
        "organisation": slug,
        "issuer": "https://id.example.com/realms/harbour",
        "audience": "ballast",
        "jwks_url": "https://id.example.com/realms/harbour/keys",
        "client_id": "ballast-web",
        "scopes": ("openid", "ballast"),
    }
    return OidcIssuer.model_validate({**values, **fields})


async def ask(caller: httpx.AsyncClient, slug: str) -> httpx.Response:
    return await caller.get("/v1/sign-in", params={"organisation": slug})


@pytest.fixture
def production(world: World) -> World:
    settings = Settings(environment="production", master_keys=(MASTER_KEY,), oidc_issuers=(issuer(world.slug),))
    world.app = create_app(settings, world.database)
    return world


class TestSignIn:
    async def test_names_the_development_issuer_in_development(self, stranger: httpx.AsyncClient, world: World) -> None:
        answer = await ask(stranger, world.slug)

        (found,) = answer.json()["issuers"]
        assert answer.status_code == 200
        assert (found["kind"], found["issuer"]) == ("development", f"urn:ballast:development:{world.id}")

    async def test_names_what_is_configured_and_nothing_else_in_production(self, production: World) -> None:
        answer = await ask(production.http(), production.slug)

        assert answer.json()["issuers"] == [
            {
                "kind": "openid_connect",
                "issuer": "https://id.example.com/realms/harbour",
                "discovery_url": "https://id.example.com/realms/harbour/.well-known/openid-configuration",
                "client_id": "ballast-web",
                "audience": "ballast",
                "scopes": ["openid", "ballast"],
            }
        ]

    async def test_does_not_tell_whether_an_organisation_exists(self, production: World, elsewhere: World) -> None:
        without, unknown = await ask(production.http(), elsewhere.slug), await ask(production.http(), "no-such-place")

        assert without.status_code == unknown.status_code == 200
        assert without.content == unknown.content == b'{"issuers":[]}'

    @pytest.mark.parametrize(
        "query", ["", "?slug=a", "?organisation=", "?organisation=%00", "?organisation=" + "a" * 64]
    )
    async def test_refuses_a_slug_that_cannot_be_one(self, stranger: httpx.AsyncClient, query: str) -> None:
        assert (await stranger.get(f"/v1/sign-in{query}")).status_code == 422


class TestProduction:
    async def test_knows_no_development_issuer(self, amira: httpx.AsyncClient, production: World) -> None:
        token = amira.headers["Authorization"].removeprefix("Bearer ")

        assert production.app.state.authenticator.development is None
        assert (await production.http(token).get("/v1/me")).status_code == 401

    @pytest.mark.parametrize(
        "fields",
        [
            {"jwks_url": HttpUrl("http://id.example.com/keys")},
            {"issuer": "http://id.example.com"},
            {"issuer": "urn:ballast:development:0198c0de-0000-7000-8000-000000000000"},
        ],
    )
    def test_does_not_start_with_an_issuer_that_is_not_https(self, fields: dict[str, object]) -> None:
        with pytest.raises(ValidationError, match="begins with https"):
            Settings(environment="production", master_keys=(MASTER_KEY,), oidc_issuers=(issuer("harbour", **fields),))

    def test_two_organisations_cannot_share_issuer_and_audience(self) -> None:
        with pytest.raises(ValidationError, match="twice"):
            Settings(oidc_issuers=(issuer("harbour"), issuer("lighthouse")))

    def test_an_issuer_allows_at_least_one_algorithm_and_no_shared_secret(self) -> None:
        for algorithms in ((), ("HS256",), ("none",)):
            with pytest.raises(ValidationError):
                issuer("harbour", algorithms=algorithms)
