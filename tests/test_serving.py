"""`ballast serve` as a process: it starts by itself, says how to call it, and stops so that nothing is lost."""

import asyncio
import json
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from urllib.parse import quote

import httpx
import psutil
import pytest
from fastapi import FastAPI

from app import embedded, processes, server, telemetry
from app.launch import StartError
from app.migrate import DatabaseError
from app.settings import Settings
from tests.service import (
    LONG,
    PATIENCE_SECONDS,
    ROOT,
    SECOND_START_SECONDS,
    WINDOWS,
    Service,
    as_request,
    change_name,
    command,
    is_overloaded,
    locked_organisation,
    refused,
    run,
    send,
    server_of,
    serving,
    sql,
    surroundings,
    until_waiting,
)

pytestmark = [
    pytest.mark.skipif(WINDOWS, reason="the embedded PostgreSQL needs Linux or macOS"),
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def first() -> Iterator[Service]:
    """The first start on an empty data directory, in a path with a space, stopped again."""
    # Not under pytest's folder: as root, another run of pytest would close it to the server's account.
    with TemporaryDirectory(prefix="ballast in a path ") as folder, serving(Path(folder, ".data")) as service:
        service.answers = tuple(send(request) for _, request in service.requests())
        assert change_name(service, "Before the stop").status_code == 200
        service.status = service.stop()
        yield service


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """For services that are refused in this process: they must not take over its logging."""
    monkeypatch.setattr(telemetry, "configure_logging", lambda _: None)


@pytest.fixture
def data_dir(first: Service) -> Path:
    return first.data_dir


class TestStart:
    def test_says_what_it_did(self, first: Service) -> None:
        assert "migrated to" in first.said
        assert 'organisation "harbour" created' in first.said
        assert str(first.data_dir) in first.said
        for path in ("/docs", "/openapi.json", "/healthz", "/readyz", "/metrics"):
            assert f"{first.url}{path}" in first.said

    def test_commands_to_paste_work_for_each_kind_of_caller(self, first: Service) -> None:
        answers = first.answers
        callers = [comment for comment, _ in first.requests()]
        assert [re.sub(r"# |[:(].*", "", comment).strip() for comment in callers] == [
            "HR system",
            "Contact-centre tool",
            "Employee",
            "Team lead",
            "Programme lead",
        ]
        assert all(answer.is_success for answer in answers), [answer.text for answer in answers]

    def test_second_start_is_quick_and_finds_everything(self, first: Service, data_dir: Path) -> None:
        with serving(data_dir) as service:
            assert service.cpu_seconds < SECOND_START_SECONDS
            assert service.seconds < SECOND_START_SECONDS or is_overloaded()
            assert "created" not in service.said
            assert service.key("HR system") == first.key("HR system")
            assert service.key("Employee") != first.key("Employee")
            assert service.get("/v1/organisation", "Employee").json()["name"] == "Before the stop"
            metrics = re.search(r"metrics +(curl .*)", service.said)
            assert metrics
            assert send(as_request(metrics.group(1))).status_code == 200
            assert service.stop(signal.SIGINT) == 0
            assert server_of(data_dir) is None

    def test_keys_are_kept_where_only_their_owner_reads_them(self, data_dir: Path) -> None:
        for name in ("demo.json", "metrics.key", "master.key", "development-issuer.pem"):
            assert (data_dir / name).stat().st_mode & 0o077 == 0

    def test_log_is_json_and_holds_nothing_personal(self, first: Service, data_dir: Path) -> None:
        with serving(data_dir, LOG_LEVEL="debug", PUBLIK_URL="canary-url") as service:
            headers = {
                **service.key("HR system"),
                "Idempotency-Key": "canary-idempotency",
                "User-Agent": "canary-agent",
            }
            bodies = []
            for body in ({"user_name": "canary-name"}, {"user_name": "c", "email": "canary@example", "x": "canary"}):
                answer = httpx.post(f"{service.url}/v1/employees?canary=canary-query", json=body, headers=headers)
                bodies.append(answer.text)
            bodies.append(httpx.get(f"{service.url}/v1/canary-path/canary").text)
            bodies.append(httpx.get(f"{service.url}/v1/me", headers={"Authorization": "Bearer canary.x.y"}).text)
            assert service.stop() == 0
            written = service.errors.read_text()
        assert "canary" not in written + "".join(bodies)
        assert not [
            key for _, request in service.requests() if (key := request.headers["Authorization"][7:]) in written
        ]
        assert {"at", "level", "logger", "event"} <= service.logs[0].keys()
        assert [line["variable"] for line in service.logs if line["event"] == "not a setting"] == ["BALLAST_PUBLIK_URL"]
        assert {line.get("status") for line in service.logs} >= {401, 404, 422}
        assert any("organisation_id" in line and "request_id" in line for line in service.logs)


def until_refused(service: Service) -> None:
    """Wait until the service takes no new connections."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            # What the kernel took while the socket was being closed, nobody answers: that is not yet a refusal.
            with suppress(httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
                service.get("/healthz")
        except httpx.ConnectError:
            return
        time.sleep(0.05)
    raise AssertionError("it still takes connections")


def until_stopping(service: Service) -> None:
    """Wait until the service says that it is going: a signal takes a moment to be heard."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while service.get("/readyz").json().get("code") != "stopping":
        assert time.monotonic() < deadline


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  # what is waited for tells nobody
        await asyncio.sleep(0.01)


class TestStop:
    def test_first_stop_was_clean(self, first: Service, data_dir: Path) -> None:
        assert first.status == 0
        assert first.logs[-1]["event"] == "stopped"
        assert server_of(data_dir) is None

    def test_requests_under_way_end_and_load_balancers_are_told(self, data_dir: Path) -> None:
        with serving(data_dir, DRAIN_SECONDS="5", **LONG) as service, ThreadPoolExecutor() as threads:
            with locked_organisation(data_dir):
                answer: Future[httpx.Response] = threads.submit(change_name, service, "Changed while stopping")
                until_waiting(data_dir)
                service.process.send_signal(signal.SIGTERM)
                until_stopping(service)
                assert service.get("/healthz").status_code == 200
                assert service.get("/v1/organisation", "Employee").status_code == 200
                until_refused(service)
            assert answer.result().status_code == 200
            assert service.wait() == 0
        assert server_of(data_dir) is None
        assert sql(data_dir, "SELECT name FROM organisation") == "Changed while stopping"

    def test_second_ctrl_c_stops_at_once_and_leaves_nothing_running(self, data_dir: Path) -> None:
        with (
            serving(data_dir, **LONG) as service,
            ThreadPoolExecutor() as threads,
            locked_organisation(data_dir),
        ):
            answer = threads.submit(change_name, service, "Never")
            until_waiting(data_dir)
            service.process.send_signal(signal.SIGINT)
            until_refused(service)  # so that the second signal does not melt into the first
            assert service.process.poll() is None
            assert service.stop(signal.SIGINT) == 0
            with pytest.raises(httpx.TransportError):
                answer.result()
            # Whoever holds the lock keeps the server up, so that one can look at what runs in it.
            assert sql(data_dir, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ballast'") == "0"
        assert server_of(data_dir) is None
        assert sql(data_dir, "SELECT name FROM organisation") != "Never"

    async def test_whoever_was_let_in_is_answered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(processes, "LAST_CALL_SECONDS", 1)
        app = FastAPI()
        app.state.settings, app.state.readiness = Settings(), SimpleNamespace(draining=False)
        config = processes._config(app, app.state.settings)
        config.load()
        stopping = processes.Server(config)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            running = asyncio.create_task(stopping.serve([listening]))
            reader, writer = await asyncio.open_connection(*listening.getsockname())
            await until(lambda: len(stopping.server_state.connections) == 1)
            stopping.handle_exit(signal.SIGTERM, None)
            await until(lambda: not stopping.servers[0].is_serving())

            writer.write(b"GET /openapi.json HTTP/1.1\r\nHost: ballast.test\r\n\r\n")

            assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
            writer.close()
            await running

    def test_while_it_still_starts(self, data_dir: Path) -> None:
        with subprocess.Popen(command("serve", "--port", "0"), env=surroundings(data_dir), cwd=ROOT) as process:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while server_of(data_dir) is None:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            process.terminate()
            assert process.wait(PATIENCE_SECONDS) == 0
        assert server_of(data_dir) is None


@pytest.fixture(scope="class")
def service(first: Service) -> Iterator[Service]:
    """A service for a class of tests."""
    with serving(first.data_dir) as service:
        yield service
        assert service.stop() == 0


class TestBeside:
    """While one service runs on a data directory."""

    def test_second_service_is_refused(self, service: Service) -> None:
        sentence = refused(run(service.data_dir, "serve", "--port", "0"))
        assert sentence.startswith(
            f"Another ballast (process {service.process.pid}) already runs on the data directory"
        )

    def test_taken_port_is_found_out_before_anything_else(self, service: Service, quiet: None) -> None:
        port = int(service.url.rpartition(":")[2])
        elsewhere = Settings(data_dir=service.data_dir.parent / "elsewhere")
        with pytest.raises(StartError, match=f"^Port {port} is taken"):
            server.serve(elsewhere, "127.0.0.1", port, print)
        with pytest.raises(StartError, match=f"^Port {port} is taken: choose another with BALLAST_METRICS_PORT.$"):
            server.serve(elsewhere.model_copy(update={"metrics_port": port}), "127.0.0.1", 0, print)
        assert not elsewhere.data_dir.exists()

    def test_commands_share_its_database(self, service: Service) -> None:
        scopes = ("--scope", "organisation:read")
        made = run(
            service.data_dir, "client", "create", "--organisation", "harbour", "--name", "Beside", *scopes, "--json"
        )
        assert made.returncode == 0, made.stderr
        key = json.loads(made.stdout)["key"]
        answer = httpx.get(f"{service.url}/v1/organisation", headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 200
        assert service.get("/readyz").status_code == 200

    def test_worker_alone_stops_cleanly(self, service: Service) -> None:
        with subprocess.Popen(
            command("worker"), env=surroundings(service.data_dir), cwd=ROOT, stderr=subprocess.PIPE, text=True
        ) as worker:
            assert worker.stderr
            assert json.loads(worker.stderr.readline())["event"] == "working"
            worker.terminate()
            assert worker.wait(PATIENCE_SECONDS) == 0
        assert service.get("/readyz").status_code == 200


class TestAlone:
    def test_commands_start_the_database_and_stop_it(self, data_dir: Path) -> None:
        made = run(data_dir, "token", "--organisation", "harbour", "--person", "amira", "--json")
        assert made.returncode == 0, made.stderr
        assert json.loads(made.stdout).keys() == {"access_token", "expires_in"}
        assert server_of(data_dir) is None

    def test_database_that_is_ahead(self, data_dir: Path, quiet: None) -> None:
        level = sql(data_dir, "SELECT version_num FROM alembic_version")
        sql(data_dir, "UPDATE alembic_version SET version_num = 'later'")
        try:
            with pytest.raises(DatabaseError, match=r"^The database is ahead of this code \(revision later\)"):
                server.serve(Settings(data_dir=data_dir), "127.0.0.1", 0, print)
        finally:
            sql(data_dir, f"UPDATE alembic_version SET version_num = '{level}'")
        assert server_of(data_dir) is None


class TestProduction:
    def test_set_up_as_the_operators_page_says(self) -> None:
        page = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
        roles = page.partition("```sql\n")[2].partition("```")[0]
        with TemporaryDirectory(prefix="ballast-production-") as folder:
            with embedded.start(Path(folder, "server"), durable=False) as found:
                words = [
                    str(found.bin_path / "psql"),
                    "-h",
                    str(found.socket_dir),
                    "-U",
                    "postgres",
                    "-v",
                    "ON_ERROR_STOP=1",
                ]
                subprocess.run(words, input=roles, check=True, capture_output=True, text=True)
                environment = {
                    "ENVIRONMENT": "production",
                    "MASTER_KEYS": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
                    "DATABASE_URL": f"postgresql://ballast@/ballast?host={quote(str(found.socket_dir))}",
                }
                owner = environment["DATABASE_URL"].replace("ballast@", "ballast_owner@")
                data_dir = Path(folder, "data")
                assert "ballast migrate" in refused(
                    run(data_dir, "client", "list", "--organisation", "x", **environment)
                )
                migrated = run(data_dir, "migrate", OWNER_DATABASE_URL=owner, **environment)
                assert migrated.stdout.startswith("Migrated from nothing to "), migrated.stderr

                with serving(data_dir, **environment) as service:
                    assert service.get("/readyz").status_code == 200
                    assert service.get("/metrics").status_code == 404
                    assert "curl" not in service.said
                    assert service.stop() == 0
            assert not data_dir.exists()


class TestSeveralProcesses:
    def test_share_the_socket_and_the_figures_and_stop_together(self, data_dir: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with serving(data_dir, "--workers", "2", METRICS_PORT=str(port)) as service:
            for _ in range(10):  # each on a connection of its own, so that both processes answer
                assert service.get("/v1/organisation", "Employee").status_code == 200
            figures = httpx.get(f"http://127.0.0.1:{port}/metrics").text
            assert service.get("/metrics").status_code == 404
            assert service.stop() == 0
        counted = r'ballast_requests_total\{method="GET",route="/v1/organisation",status="200"\} 10\.0'
        assert re.search(counted, figures)
        assert "ballast_pool_connections 16.0" in figures
        assert server_of(data_dir) is None
        assert not [
            p for p in psutil.process_iter(["cmdline"]) if f"/{data_dir.parent.name}/" in str(p.info["cmdline"])
        ]
