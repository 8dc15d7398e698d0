"""A receiver of Ballast's webhooks: it verifies each message, passes over what it knows, and prints the rest.

To try webhooks on your own machine, and to begin a receiver of your own from. Beside Python it needs `standardwebhooks`
(`pip install standardwebhooks`), which verifies the `v1` signature by the endpoint's secret. Give both secrets while
they are rotated. It speaks plain HTTP: in front of a real one stands whatever ends TLS.
"""

import argparse
import json
import os
import sys
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

LONGEST_BODY = 65_536
REMEMBERED = 100_000
DESCRIPTION = __doc__.partition("\n")[0]


@dataclass
class Inbox:
    """Decides what becomes of a message. Ids are remembered here alone; a real receiver keeps them beside its data."""

    verifiers: Sequence[Webhook]
    as_json: bool = False
    _known: OrderedDict[str, None] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def take(self, headers: dict[str, str], body: bytes) -> HTTPStatus:
        """Return what to answer: 204 also for what came before, so that it does not come again."""
        if not self._is_genuine(headers, body):
            return HTTPStatus.BAD_REQUEST
        if self._is_new(headers["webhook-id"]):
            self._show(headers["webhook-id"], json.loads(body))
        return HTTPStatus.NO_CONTENT

    def _is_genuine(self, headers: dict[str, str], body: bytes) -> bool:
        for verifier in self.verifiers:
            try:
                verifier.verify(body, headers)
            except (WebhookVerificationError, ValueError):  # the latter for a malformed header, or a body of no text
                continue
            return True
        return False

    def _is_new(self, message_id: str) -> bool:
        with self._lock:
            if message_id in self._known:
                return False
            self._known[message_id] = None
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
            return True

    def _show(self, message_id: str, message: dict[str, Any]) -> None:
        """Do what the message is for; here it is only printed. What takes long belongs into a queue of one's own."""
        data = message["data"]
        if self.as_json:
            print(json.dumps({"id": message_id, **message}), flush=True)
        else:
            when = message.get("timestamp") or message.get("time")
            print(f"{when}  {message['type']:32} {data.get('state') or '-':10} {data.get('url') or ''}", flush=True)


class Handler(BaseHTTPRequestHandler):
    """Hands each POST to the inbox."""

    protocol_version = "HTTP/1.1"  # keeps connections open
    timeout = 30
    inbox: Inbox

    def do_POST(self) -> None:
        """Read the raw body, which is what was signed, and answer."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > LONGEST_BODY:
            self.close_connection = True
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._answer(self.inbox.take(headers, self.rfile.read(int(length))))

    def _answer(self, status: HTTPStatus) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing of each request: what is new is printed."""


def main() -> int:
    """Receive until stopped with Ctrl-C."""
    parser = argparse.ArgumentParser(description=DESCRIPTION)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=int, default=9000, help="the port; 0 takes a free one")
    parser.add_argument(
        "--secret",
        action="append",
        default=[],
        help="whsec_...; repeat it while it is rotated. Better: WEBHOOK_SECRET, separated by blanks",
    )
    parser.add_argument("--json", action="store_true", help="print each message as a line of JSON")
    given = parser.parse_args()
    secrets = given.secret or os.environ.get("WEBHOOK_SECRET", "").split()
    if not secrets:
        print("Give the endpoint's secret: --secret, or the variable WEBHOOK_SECRET.", file=sys.stderr)
        return 1
    handler = type("Handler", (Handler,), {"inbox": Inbox([Webhook(each) for each in secrets], given.json)})
    with ThreadingHTTPServer((given.host, given.port), handler) as server:
        print(f"Listening on http://{given.host}:{server.server_port}/", file=sys.stderr, flush=True)
        with suppress(KeyboardInterrupt):
            server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
