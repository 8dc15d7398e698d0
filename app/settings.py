"""Every setting of the service, read once from the environment (``BALLAST_*``) into one frozen object."""

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Subject = Literal["user_name", "email", "external_id", "employee_number"]
Algorithm = Literal["RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"]
Networks = tuple[IPv4Network | IPv6Network, ...]
Port = Annotated[int, Field(ge=1, le=65535)]


class OidcIssuer(BaseModel):
    """One identity provider of one organisation: whose tokens are accepted, and which claim names the employee."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    organisation: str = Field(description="Slug of the organisation whose people this issuer signs in.")
    issuer: str = Field(description="The exact `iss` of its tokens.")
    audience: str = Field(description="The `aud` that its tokens must carry.")
    jwks_url: HttpUrl = Field(description="Where its signing keys are published.")
    algorithms: tuple[Algorithm, ...] = Field(default=("RS256", "ES256"), min_length=1)
    claim: str = Field(default="sub", description="The claim that names the person.")
    matches: Subject = Field(default="external_id", description="The employee attribute that this claim equals.")
    client_id: str | None = Field(default=None, description="The public client id that a front end signs in with.")
    scopes: tuple[str, ...] = Field(default=("openid",), description="The scopes that a front end asks the issuer for.")


class Settings(BaseSettings):
    """The service's configuration. Every field is described in ``docs/operating.md``, by a test."""

    model_config = SettingsConfigDict(env_prefix="BALLAST_", frozen=True, extra="ignore", env_ignore_empty=True)

    environment: Literal["development", "production"] = "development"
    database_url: SecretStr | None = None
    owner_database_url: SecretStr | None = None
    data_dir: Path = Path(".data")
    public_url: str = "http://127.0.0.1:8000"
    master_keys: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    oidc_issuers: tuple[OidcIssuer, ...] = ()

    pool_size: int = Field(default=8, ge=1, le=200)
    pool_timeout_seconds: float = Field(default=0.9, gt=0, le=30)
    statement_timeout_seconds: float = Field(default=5, ge=0.01, le=3600)
    lock_timeout_seconds: float = Field(default=2, ge=0.01, le=3600)

    workers: int = Field(default=1, ge=1, le=64)
    worker: Literal["inline", "off"] = "inline"
    worker_interval_seconds: float = Field(default=1, gt=0, le=3600)
    audit_anchor_file: Path | None = None
    audit_anchor_url: HttpUrl | None = None
    audit_anchor_seconds: float = Field(default=60, gt=0, le=86_400)
    erasure_ledger_file: Path | None = None
    outgoing_http: bool = False
    outgoing_ports: Annotated[tuple[Port, ...] | None, NoDecode] = None  # empty: every port
    outgoing_networks: Annotated[Networks, NoDecode] = ()
    operator_networks: Annotated[Networks | None, NoDecode] = None
    drain_seconds: float = Field(default=0, ge=0, le=60)
    shutdown_seconds: float = Field(default=25, gt=0, le=300)

    max_body_bytes: int = Field(default=262_144, ge=1024)
    max_batch_bytes: int = Field(default=4_194_304, ge=1024)
    rate_limit_per_minute: int = Field(default=60_000, ge=1)
    max_streams: int = Field(default=2000, ge=1)
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()

    metrics_port: int | None = Field(default=None, ge=1, le=65535)
    metrics_key: SecretStr | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    telemetry: bool = False
    docs: bool = True

    @field_validator(
        "master_keys", "cors_origins", "outgoing_ports", "outgoing_networks", "operator_networks", mode="before"
    )
    @classmethod
    def _split_at_commas(cls, value: object, field: ValidationInfo) -> object:
        if field.field_name == "outgoing_ports" and value == "all":
            return ()
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("audit_anchor_url")
    @classmethod
    def _encrypted(cls, value: HttpUrl | None) -> HttpUrl | None:
        if value is not None and value.scheme != "https":
            raise ValueError("it must begin with https://")
        return value

    @model_validator(mode="after")
    def _check_issuers(self) -> Self:
        pairs = {(issuer.issuer, issuer.audience) for issuer in self.oidc_issuers}
        if len(pairs) < len(self.oidc_issuers):
            raise ValueError("BALLAST_OIDC_ISSUERS names the same issuer and audience twice.")
        urls = [url for issuer in self.oidc_issuers for url in (issuer.issuer, str(issuer.jwks_url))]
        if self.is_production and not all(url.startswith("https://") for url in urls):
            raise ValueError("In production, every URL of BALLAST_OIDC_ISSUERS begins with https://.")
        return self

    @property
    def is_production(self) -> bool:
        return self.environment == "production"


@lru_cache
def get_settings() -> Settings:
    """Return the settings of this process, read from the environment on first use."""
    return Settings()
