"""The receiver of examples/webhook_receiver.py: what it takes, and the way of a call to an answer beside a service."""

import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from uuid import uuid4

import pytest
from standardwebhooks.webhooks import Webhook

from app.webhooks import keys as webhook_keys
from app.webhooks.signature import Signer
from tests.running import ROOT, serving

KEYS, OLD = webhook_keys.make(), webhook_keys.make()
MESSAGE = {
    "type": "goal.created",
    "timestamp": "2026-05-04T12:00:00Z",
    "data": {"id": "1", "state": "active", "url": None},
}


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(ROOT / "examples")
    return __import__("webhook_receiver")


def signed(body: bytes, message_id: str = "", *, seconds: int = 0) -> dict[str, str]:
    return Signer([KEYS]).headers(message_id or str(uuid4()), int(time.time()) + seconds, body)


class TestInbox:
    def test_takes_what_is_genuine_and_prints_it_once(
        self, example: ModuleType, capsys: pytest.CaptureFixture[str]
    ) -> None:
        inbox, body = example.Inbox([Webhook(OLD.secret_text), Webhook(KEYS.secret_text)]), json.dumps(MESSAGE).encode()
        first, second = signed(body, "a"), signed(body, "b")
        assert [inbox.take(headers, body) for headers in (first, first, second)] == [204] * 3
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 2
        assert lines[0].split() == ["2026-05-04T12:00:00Z", "goal.created", "active"]

    def test_refuses_what_is_not(self, example: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
        inbox, body = example.Inbox([Webhook(KEYS.secret_text)]), json.dumps(MESSAGE).encode()
        good = signed(body)
        forged = [{**good, "webhook-signature": each} for each in ("", "garbage", "v1", "v1,", "v1,AAAA", "v2,x")]
        forged += [signed(body, seconds=-600), signed(b"{}"), {**good, "webhook-timestamp": "soon"}, {}]
        assert [inbox.take(headers, body) for headers in forged] == [400] * len(forged)
        assert inbox.take(signed(b"\xff"), b"\xff") == 400
        assert capsys.readouterr().out == ""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@pytest.mark.slow
def test_every_command_of_the_way_from_a_call_to_an_answer_works(tmp_path: Path) -> None:
    page = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    section = page.partition("## Webhooks, from a call to an answer")[2].partition("\n## ")[0]
    commands = "\n".join(re.findall(r"^```sh\n(.*?)^```$", section, re.DOTALL | re.MULTILINE))
    port, receiving = free_port(), free_port()
    commands = commands.replace("http://127.0.0.1:8000", f"http://127.0.0.1:{port}").replace("9000", str(receiving))
    install = ".venv/bin/python -m pip install --quiet standardwebhooks\n"
    assert install in commands
    reachable = {
        "BALLAST_OUTGOING_HTTP": "true",
        "BALLAST_OUTGOING_PORTS": str(receiving),
        "BALLAST_OUTGOING_NETWORKS": "127.0.0.1",
        "BALLAST_PUBLIC_URL": f"http://127.0.0.1:{port}",
    }
    with serving(tmp_path, reachable, port) as service:
        done = subprocess.run(
            ["/bin/sh", "-eu", "-c", commands.replace(install, "")],
            cwd=service.checkout(tmp_path),
            env=service.environment | {"PATH": f"{tmp_path}:{service.environment['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = (tmp_path / "received.txt").read_text(encoding="utf-8").splitlines()
    assert [line.split()[1:3] for line in lines] == [
        ["support_prompt.offered", "offered"],
        ["support_prompt.accepted", "accepted"],
    ]
    assert lines[0].split()[3] == lines[1].split()[3]
