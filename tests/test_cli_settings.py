"""The `ballast` command and its settings, its database and its page: one sentence for each thing that is wrong."""

import json
import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import make_url

from app import migrate, settings
from tests.commands import KEY, Run, operators_terminal, runner

environment = pytest.fixture(operators_terminal, name="environment")
ballast = pytest.fixture(runner, name="ballast")


class TestSettings:
    @pytest.mark.parametrize(
        ("variable", "value", "reason"),
        [
            ("BALLAST_POOL_SIZE", "none", "it should be a valid integer, unable to parse string as an integer"),
            ("BALLAST_POOL_SIZE", "0", "it should be greater than or equal to 1"),
            ("BALLAST_ENVIRONMENT", "prod", "it should be 'development' or 'production'"),
            ("BALLAST_OIDC_ISSUERS", "{", "it is not JSON"),
            ("BALLAST_TELEMETRY", "perhaps", "it should be a valid boolean, unable to interpret input"),
        ],
    )
    def test_wrong_one_is_named_with_its_reason(self, ballast: Run, variable: str, value: str, reason: str) -> None:
        said = ballast("migrate", **{variable: value})
        assert said.refusal == f"{variable} is not usable: {reason}."

    def test_each_wrong_one_is_named(self, ballast: Run) -> None:
        said = ballast("migrate", BALLAST_POOL_SIZE="0", BALLAST_WORKERS="-1")
        assert said.refusal.count("is not usable") == 2

    def test_issuer_in_the_list_is_named_and_not_quoted(self, ballast: Run) -> None:
        said = ballast("migrate", BALLAST_OIDC_ISSUERS='[{"organisation": "canary", "client_secret": "canary"}]')
        assert "BALLAST_OIDC_ISSUERS (0.issuer) is not usable: Field required." in said.refusal
        assert "canary" not in said.err

    def test_rule_about_several_speaks_for_itself(self, ballast: Run) -> None:
        issuer = {"organisation": "x", "issuer": "https://canary", "audience": "x", "jwks_url": "https://canary"}
        said = ballast("migrate", BALLAST_OIDC_ISSUERS=json.dumps([issuer, issuer]))
        assert said.refusal == "BALLAST_OIDC_ISSUERS names the same issuer and audience twice."

    def test_empty_ones_are_unset(self, ballast: Run) -> None:
        assert ballast("migrate", BALLAST_METRICS_KEY="", BALLAST_POOL_SIZE="", BALLAST_CORS_ORIGINS="").status == 0


def changed(urls: migrate.Urls, **parts: str) -> str:
    return make_url(urls.application).set(**parts).render_as_string(hide_password=False)  # type: ignore[arg-type]  # names


class TestDatabase:
    @pytest.mark.parametrize(
        ("url", "sentence"),
        [
            ("canary", "BALLAST_DATABASE_URL is not a database URL (postgresql://user:password@host/name)."),
            ("mysql://canary@host/x", "BALLAST_DATABASE_URL is not a PostgreSQL URL: Ballast runs on PostgreSQL only."),
            ("postgresql://x@127.0.0.1:1/x", "The database cannot be reached: is the server up, and is the URL right?"),
            ("postgresql://x@h/x?canary=1&sslmode=require", "BALLAST_DATABASE_URL has the parameter canary, which the"),
        ],
    )
    @pytest.mark.parametrize(
        "arguments", [["client", "list", "--organisation", "x"], ["serve", "--port", "0"], ["worker"]]
    )
    def test_that_is_none(self, ballast: Run, url: str, sentence: str, arguments: list[str]) -> None:
        assert ballast(*arguments, BALLAST_DATABASE_URL=url, BALLAST_OWNER_DATABASE_URL="").refusal.startswith(sentence)

    def test_that_does_not_exist(self, ballast: Run, urls: migrate.Urls) -> None:
        said = ballast("client", "list", "--organisation", "x", BALLAST_DATABASE_URL=changed(urls, database="absent"))
        assert said.refusal == "The database of the URL does not exist: create it first (createdb)."

    def test_that_refuses_the_user(self, ballast: Run, urls: migrate.Urls) -> None:
        said = ballast("client", "list", "--organisation", "x", BALLAST_DATABASE_URL=changed(urls, username="stranger"))
        assert said.refusal == "The database refuses the user or password of the URL."

    def test_that_is_not_migrated(self, ballast: Run, environment: pytest.MonkeyPatch) -> None:
        environment.setattr(migrate, "head", lambda: "later")
        said = ballast("client", "list", "--organisation", "x")
        assert said.refusal == "The database is not migrated to this version: run `ballast migrate` first."

    def test_that_is_too_old(self, ballast: Run, environment: pytest.MonkeyPatch) -> None:
        environment.setattr(migrate, "OLDEST", 990000)
        said = ballast("client", "list", "--organisation", "x")
        assert said.refusal.endswith("is too old: Ballast needs 99 or newer.")


class TestProduction:
    @pytest.fixture(autouse=True)
    def production(self, environment: pytest.MonkeyPatch) -> None:
        environment.setenv("BALLAST_ENVIRONMENT", "production")

    def test_needs_a_master_key(self, ballast: Run) -> None:
        assert ballast("serve").refusal.startswith("BALLAST_MASTER_KEYS is not set")

    @pytest.mark.parametrize("key", ["canary", "Y2FuYXJ5"])
    def test_needs_a_good_master_key(self, ballast: Run, key: str) -> None:
        said = ballast("serve", BALLAST_MASTER_KEYS=key)
        assert said.refusal.startswith("BALLAST_MASTER_KEYS holds a key that is not 32 bytes in base64")
        assert key not in said.err

    def test_refuses_a_role_that_owns_the_tables(self, ballast: Run, urls: migrate.Urls) -> None:
        said = ballast("serve", "--port", "0", BALLAST_MASTER_KEYS=KEY, BALLAST_DATABASE_URL=urls.owner)
        assert said.refusal in [
            f"BALLAST_DATABASE_URL names a role that {fault}: use one that does not."
            for fault in ("owns the tables", "is superuser")  # the latter where the tests were given a superuser's URL
        ]

    def test_refuses_a_superuser(self, ballast: Run, urls: migrate.Urls) -> None:
        superuser = changed(urls, username="postgres")
        said = ballast("serve", "--port", "0", BALLAST_MASTER_KEYS=KEY, BALLAST_DATABASE_URL=superuser)
        assert said.refusal == "BALLAST_DATABASE_URL names a role that is superuser: use one that does not."

    def test_does_not_migrate_unasked(self, ballast: Run, environment: pytest.MonkeyPatch) -> None:
        environment.setattr(migrate, "head", lambda: "later")
        said = ballast("serve", "--port", "0", BALLAST_MASTER_KEYS=KEY)
        assert said.refusal == "The database is not migrated to this version: run `ballast migrate` first."


class TestServe:
    @pytest.mark.parametrize("host", ["not-an-address.invalid", "203.0.113.7"])
    def test_address_that_is_not_of_this_machine(self, ballast: Run, host: str) -> None:
        said = ballast("serve", "--port", "0", HOST=host)
        assert said.refusal.startswith(f"{host} is not an address of this machine")

    def test_more_connections_than_the_embedded_server_has(self, ballast: Run) -> None:
        said = ballast("serve", "--workers", "12", BALLAST_DATABASE_URL="")
        assert said.refusal.startswith("BALLAST_WORKERS times BALLAST_POOL_SIZE is more than the embedded PostgreSQL")

    def test_telemetry_without_an_exporter(self, ballast: Run) -> None:
        said = ballast("serve", BALLAST_TELEMETRY="true", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4318")
        assert said.refusal.startswith("BALLAST_TELEMETRY is on, but nothing here can export")


class TestOperatorsPage:
    """docs/operating.md says what is there, all of it, and nothing else."""

    PAGE = (Path(__file__).parent.parent / "docs" / "operating.md").read_text(encoding="utf-8")

    def test_has_every_setting_with_its_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rows = re.findall(r"^\| `BALLAST_(\w+)` \| (?:`(.*?)` )?\|", self.PAGE, re.MULTILINE)
        assert [name.lower() for name, _ in rows] == list(settings.Settings.model_fields)
        for name, default in rows:
            if default:
                monkeypatch.setenv(f"BALLAST_{name}", default)
            else:
                assert settings.Settings.model_fields[name.lower()].default in (None, ())
        documented = settings.Settings()
        for name, _ in rows:
            monkeypatch.delenv(f"BALLAST_{name}", raising=False)
        assert documented == settings.Settings()

    def test_has_every_metric(self) -> None:
        described = set(re.findall(r"`(ballast_\w+)`", self.PAGE.partition("## Metrics")[2].partition("Worth")[0]))
        there = {metric.name for metric in REGISTRY.collect() if metric.name.startswith("ballast_")}
        assert {name.removesuffix("_total") for name in described} == there

    def test_its_links_lead_somewhere(self) -> None:
        docs = Path(__file__).parent.parent / "docs"
        for page in (docs / "operating.md", docs.parent / "README.md"):
            for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
                assert (page.parent / target).exists(), target
