"""Where the people of an organisation sign in."""

from typing import Literal

from pydantic import Field

from app.schemas.base import Out


class SignInIssuer(Out):
    """An identity provider whose access tokens are accepted."""

    kind: Literal["openid_connect", "development"] = Field(
        description="`development`: tokens come from `ballast token` alone. Never in production."
    )
    issuer: str
    discovery_url: str | None = Field(description="The provider's metadata: where to authorize and get tokens.")
    client_id: str | None = Field(description="The public client id to sign in with. Null: ask the organisation.")
    audience: str = Field(description="What the access token has to be for.")
    scopes: list[str] = Field(description="The scopes to ask the provider for, so that it gives such a token.")


class SignInOut(Out):
    """How to get a token. An organisation that is not known looks like one without a provider."""

    issuers: list[SignInIssuer]
