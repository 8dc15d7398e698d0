"""Requests of ours cannot be turned inward: whatever a URL looks like, and whatever a name turns out to mean."""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.errors import Busy
from app.jwks import PublishedKeys
from app.outgoing import guard
from app.outgoing.connections import Answer, Connections
from app.outgoing.guard import Failure, Guard, NotAnswered, Resolver, Streams
from app.outgoing.rules import Address, Rules, Target, UrlNotAllowed, check_url, is_public
from app.settings import Settings
from tests.certificates import Authority
from tests.identity_provider import IdentityProvider
from tests.receiver import Received, Receiver, answer

STRICT = Rules(http=True, ports=(), networks=())
LOOPBACK = Rules(http=True, ports=(), networks=(ip_network("127.0.0.0/8"), ip_network("::1/128")))

# Hosts that some resolver takes for this machine, or for another inner one.
INNER = (
    *("127.0.0.1", "127.1", "127.0.1", "127.0.0.2", "127.255.255.254", "0177.0.0.1", "0177.1", "017700000001"),
    *("0x7f.0.0.1", "0x7f.1", "0x7F000001", "0x7f.0x0.0x0.0x1", "2130706433", "①②⑦.0.0.1", "127。0。0。1"),
    *("0", "0.0.0.0", "00.0.0", "localhost", "LOCALHOST", "localhost.", "127.0.0.1.", "ip6-localhost", "x.localhost"),  # noqa: S104
    *("::1", "0:0:0:0:0:0:0:1", "::", "::ffff:127.0.0.1", "::ffff:7f00:1", "::127.0.0.1", "::ffff:0:127.0.0.1"),
    *("64:ff9b::7f00:1", "64:ff9b::169.254.169.254", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1"),
    *("2001:0:4136:e378:8000:63bf:80ff:fffe", "fec0::1", "fe80::1", "fe80::1%1", "fc00::1", "fd00:ec2::254"),
    *("ff02::1", "2001:db8::1", "3fff::1", "100::1", "5f00::1", "4000::1"),
    *("169.254.169.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.100.100.200"),
    *("192.0.0.8", "192.0.0.192", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1"),
    *("168.63.129.16", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
)
PUBLIC = ("93.184.216.34", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450:4001::1")
MALFORMED = (
    "ftp://example.com file:///etc/passwd gopher://example.com //example.com example.com javascript:alert(1) https: "
    "https:///x https://:443/ https://example.com:0/ https://example.com:99999/ https://example.com:x/ https://a..b/ "
    "https://.a/ https://example.com./ https://-a.example/ https://bücher.example/ https://exämple.com/ https://[::1 "
    "https://example.com/#x https://example.com/\\x https://[1.2.3.4]/ https://[fe80::1%251]/ https://[::1]x/ "
    "https://example.com:443:80/ https://example.com/\t https://example.com/\x00 https://exa\r\nmple.com/ "
    f"https://{'a' * 64}.example/ https://example.com/{'a' * 2048} https://%31%32%37.0.0.1/"
)


def url_of(host: str) -> str:
    return f"https://[{host}]/hooks" if ":" in host else f"https://{host}/hooks"


def code_of(url: str, settings: Settings) -> str | None:
    """Return the code that a URL is refused with, or None where it is not."""
    try:
        check_url(url, settings)
    except UrlNotAllowed as refused:
        return refused.code
    return None


async def post(connections: Connections, target: Target, **limits: Any) -> Answer:
    """Post once, over connections that are then closed."""
    try:
        return await connections.send("POST", target, {}, b"{}", **{"seconds": 5, "most_bytes": 64, **limits})
    finally:
        connections.close()


async def failure(connections: Connections, target: Target, **limits: Any) -> Failure:
    with pytest.raises(NotAnswered) as raised:
        await post(connections, target, **limits)
    return raised.value.failure


def resolving(*answers: Iterable[str]) -> Callable[[str, int], Any]:
    """Return a resolver that gives these answers, one after another, the last again and again."""
    left = list(answers)

    async def resolve(host: str, port: int) -> list[Address]:
        return [ip_address(each) for each in (left.pop(0) if len(left) > 1 else left[0])]

    return resolve


@dataclass
class Elsewhere:
    """Takes connections to any address to this machine, and notes where they were meant to go."""

    port: int
    meant: list[str] = field(default_factory=list)

    async def __call__(self, address: Address, port: int, tls: ssl.SSLContext | None, name: str | None) -> Streams:
        self.meant.append(str(address))
        return await guard.connect(ip_address("127.0.0.1"), self.port, tls, name)


async def reaches(host: str, port: int) -> bool:
    """Return whether a connection without a guard gets to this machine."""
    try:
        (address,) = {str(each) for each in await asyncio.to_thread(guard.addresses_of, host, port)}
        if ip_address(address).is_loopback or ip_address(address).is_unspecified or "127.0.0.1" in address:
            _, writer = await asyncio.wait_for(asyncio.open_connection(address, port), 1)
            writer.close()
            return True
    except (OSError, ValueError):
        pass
    return False


@pytest.fixture
async def inside() -> AsyncIterator[Receiver]:
    """What nobody outside may reach."""
    async with Receiver() as receiver:
        yield receiver


class TestUrl:
    def test_of_the_open_internet_is_taken_apart(self, settings: Settings) -> None:
        for url, target in {
            "https://example.com": Target("https", "example.com", 443, "/"),
            "HTTPS://Example.COM:8443/a/B?c=d&e=%20": Target("https", "example.com", 8443, "/a/B?c=d&e=%20"),
            "https://hooks_1.example.com?x": Target("https", "hooks_1.example.com", 443, "/?x"),
            "https://93.184.216.34/x": Target("https", "93.184.216.34", 443, "/x"),
            "https://[2606:4700::1111]:8443/": Target("https", "2606:4700::1111", 8443, "/"),
            "https://xn--bcher-kva.example/": Target("https", "xn--bcher-kva.example", 443, "/"),
        }.items():
            assert check_url(url, settings) == target
        assert check_url("https://[2606:4700::1111]:8443/", settings).authority == "[2606:4700::1111]:8443"
        assert check_url("https://example.com:443/", settings).authority == "example.com"

    @pytest.mark.parametrize(
        ("code", "urls"),
        [
            ("url_not_https", "http://example.com http://example.com:443/ http://93.184.216.34"),
            ("port_not_allowed", "https://example.com:22 https://example.com:80/ https://example.com:65535/x"),
            (
                "url_with_credentials",
                r"https://me@example.com https://me:pw@example.com/ https://example.com@127.0.0.1 https://a.b\@127.0.0.1/",
            ),
            ("url_malformed", MALFORMED),
        ],
    )
    def test_of_another_form_is_refused(self, settings: Settings, code: str, urls: str) -> None:
        assert {url: code_of(url, settings) for url in urls.split(" ")} == dict.fromkeys(urls.split(" "), code)

    def test_of_an_inner_address_is_refused_in_every_spelling(self, settings: Settings) -> None:
        let_through = [host for host in INNER if code_of(url_of(host), settings) is None]
        assert let_through == ["ip6-localhost"]  # a name: what it means is seen when a connection is opened
        assert [host for host in PUBLIC if code_of(url_of(host), settings)] == []

    def test_is_allowed_where_the_operator_says_so(self, settings: Settings) -> None:
        inner = settings.model_copy(
            update={"outgoing_http": True, "outgoing_ports": (80, 9000), "outgoing_networks": LOOPBACK.networks}
        )
        for url in ("http://127.0.0.1:9000/", "http://localhost/", "http://[::1]:9000/"):
            assert code_of(url, inner) is None
        assert code_of("http://127.0.0.1:22/", inner) == "port_not_allowed"
        for host in ("10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "127.1", "64:ff9b::7f00:1"):
            assert code_of(url_of(host).replace("https", "http"), inner) == "address_not_allowed"


class TestSettings:
    def test_allow_nothing_inner_by_default(self, settings: Settings) -> None:
        assert Rules.for_organisations(settings) == Rules(http=False, ports=frozenset({443, 8443}), networks=())

    def test_are_lists_separated_by_commas(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BALLAST_OUTGOING_NETWORKS", "10.1.0.0/16, 192.168.7.1,fd00::/8")
        monkeypatch.setenv("BALLAST_OUTGOING_PORTS", "443, 9443")
        assert Settings().outgoing_networks == tuple(map(ip_network, ("10.1.0.0/16", "192.168.7.1/32", "fd00::/8")))
        assert Rules.for_organisations(Settings()).ports == (443, 9443)

        monkeypatch.setenv("BALLAST_OUTGOING_PORTS", "all")
        assert code_of("https://example.com:2222/", Settings()) is None
        monkeypatch.setenv("BALLAST_OUTGOING_HTTP", "true")
        monkeypatch.delenv("BALLAST_OUTGOING_PORTS")
        assert code_of("http://example.com/", Settings()) is None

        for name, value in (("NETWORKS", "10.0.0.1/8"), ("NETWORKS", "example.com"), ("PORTS", "0"), ("PORTS", "x")):
            with monkeypatch.context() as patch:
                patch.setenv(f"BALLAST_OUTGOING_{name}", value)
                with pytest.raises(ValidationError):
                    Settings()

    def test_of_the_operator_reach_a_laptop_in_development_alone(self, settings: Settings) -> None:
        own = ("127.0.0.1", "10.0.0.1", "172.20.0.2", "192.168.0.9", "::1", "fd00::1")
        never = ("169.254.169.254", "100.100.100.200", "fe80::1", "224.0.0.1", "64:ff9b::7f00:1")
        development = Rules.for_operator(settings)
        assert all(development.allow(ip_address(host)) for host in own)
        assert not any(development.allow(ip_address(host)) for host in never)
        assert development.check("http://127.0.0.1:8080/certs").port == 8080

        live = settings.model_copy(update={"environment": "production"})
        assert not any(Rules.for_operator(live).allow(ip_address(host)) for host in (*own, *never))
        with pytest.raises(UrlNotAllowed, match="https"):
            Rules.for_operator(live).check("http://id.example.com/certs")

        live = live.model_copy(update={"operator_networks": (ip_network("10.0.0.0/24"),)})
        assert Rules.for_operator(live).allow(ip_address("10.0.0.1"))
        assert Rules.for_operator(live).check("https://10.0.0.1:8443/certs").host == "10.0.0.1"
        assert not Rules.for_organisations(live).allow(ip_address("10.0.0.1"))


class TestConnection:
    async def test_to_any_inner_host_is_not_opened(self, inside: Receiver) -> None:
        """With the system's own resolver, and past the check of the URL: the guard stands for itself."""
        reached = []
        for host in INNER:
            with pytest.raises(NotAnswered) as raised:
                await Guard(STRICT).open(Target("http", host, inside.port, "/"))
            assert raised.value.failure in (Failure.address_not_allowed, Failure.host_not_found), host
            if await reaches(host, inside.port):
                reached.append(host)
        assert inside.received == []
        assert inside.connections == len(reached)  # all from the test itself: so many of the forms would get there
        assert len(reached) >= 15

    async def test_is_refused_where_any_address_is_inner(self, inside: Receiver) -> None:
        elsewhere = Elsewhere(inside.port)
        for host in INNER:
            try:
                inner = str(ip_address(host))
            except ValueError:
                continue
            for addresses in ([inner], ["93.184.216.34", inner], [inner, "2606:4700::1111"]):
                connections = Connections(Guard(STRICT, resolving(addresses), elsewhere))
                refused = await failure(connections, Target("http", "example.com", 80, "/"))
                assert refused is Failure.address_not_allowed, addresses
        assert (elsewhere.meant, inside.connections) == ([], 0)

    async def test_goes_to_the_very_address_that_was_checked(self, inside: Receiver) -> None:
        """A name that means something else a moment later is looked up once a connection, and checked each time."""
        asked = []

        async def rebind(host: str, port: int) -> list[Address]:
            asked.append(host)
            return [ip_address("93.184.216.34" if len(asked) == 1 else "127.0.0.1")]

        elsewhere, target = Elsewhere(inside.port), STRICT.check("http://example.com/")
        connections = Connections(Guard(STRICT, rebind, elsewhere))
        assert (await post(connections, target)).status == 200
        assert (asked, elsewhere.meant) == (["example.com"], ["93.184.216.34"])

        assert await failure(connections, target) is Failure.address_not_allowed
        assert (len(asked), elsewhere.meant) == (2, ["93.184.216.34"])
        assert inside.received[0].headers["host"] == "example.com"

    async def test_is_kept_for_the_next_request(self, inside: Receiver) -> None:
        connections = Connections(Guard(LOOPBACK))
        for _ in range(3):
            await connections.send("POST", LOOPBACK.check(inside.url), {}, b"{}", seconds=5, most_bytes=64)
        connections.close()
        assert (inside.connections, len(inside.received)) == (1, 3)

    async def test_tries_the_next_address_where_one_does_not_answer(self, inside: Receiver) -> None:
        resolve = resolving(["127.0.0.9", "127.0.0.1"])  # nobody listens at the first
        target = Target("http", "example.com", inside.port, "/")
        assert (await post(Connections(Guard(LOOPBACK, resolve)), target)).status == 200

    async def test_is_opened_without_a_proxy_of_the_environment(
        self, inside: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        assert (await post(Connections(Guard(LOOPBACK)), LOOPBACK.check(inside.url))).status == 200

    async def test_for_signing_keys_is_guarded_too(self) -> None:
        async with IdentityProvider() as provider:
            with pytest.raises(Busy):
                await PublishedKeys(provider.jwks_url, STRICT).find("rsa", ("RSA",))
            name = provider.jwks_url.replace("127.0.0.1", "ip6-localhost")
            with pytest.raises(Busy):
                await PublishedKeys(name, STRICT).find("rsa", ("RSA",))
            assert provider.asked == 0
            assert await PublishedKeys(provider.jwks_url, LOOPBACK).find("rsa", ("RSA",)) is not None

    def test_is_allowed_to_public_addresses(self) -> None:
        assert [host for host in PUBLIC if not is_public(ip_address(host))] == []


class TestCertificate:
    async def test_must_be_that_of_the_name(self, tmp_path: Path) -> None:
        authority = Authority(tmp_path)
        async with Receiver(tls=authority.serving("hooks.example.com")) as receiver:
            elsewhere, trusting = Elsewhere(receiver.port), authority.trusting()

            def to(host: str, tls: ssl.SSLContext) -> tuple[Connections, Target]:
                guarded = Guard(STRICT, resolving(["93.184.216.34"]), elsewhere, tls)
                return Connections(guarded), STRICT.check(f"https://{host}/x")

            assert (await post(*to("hooks.example.com", trusting))).status == 200
            for host, tls in (
                ("other.example.com", trusting),
                ("93.184.216.34", trusting),
                ("hooks.example.com", guard.tls_context()),
            ):
                assert await failure(*to(host, tls)) is Failure.tls_failed
            assert len(receiver.received) == 1
            assert receiver.received[0].headers["host"] == "hooks.example.com"


async def _hangs(_: Received, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


async def _drips(_: Received, writer: asyncio.StreamWriter) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Slow: " + b"x" * 100:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.05)


async def _drips_its_body(_: Received, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nab")
    await asyncio.sleep(30)


async def _is_endless(_: Received, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"x" * 65_536)
        await writer.drain()


async def _has_endless_headers(_: Received, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-More: " + b"x" * 8_000 + b"\r\n")
        await writer.drain()


async def _keeps_promising(_: Received, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)


async def _hangs_up(_: Received, writer: asyncio.StreamWriter) -> None:
    return None


class TestAnswer:
    @pytest.mark.parametrize(
        ("said", "expected"),
        [
            (_hangs, Failure.timed_out),
            (_drips, Failure.timed_out),
            (_keeps_promising, Failure.timed_out),
            (_has_endless_headers, Failure.not_http),
            (_hangs_up, Failure.connection_lost),
            (b"hello\r\n\r\n", Failure.not_http),
            (b"HTTP/1.1 two hundred\r\n\r\n", Failure.not_http),
        ],
    )
    async def test_that_is_none_is_known_in_time(self, said: Any, expected: Failure) -> None:
        async with Receiver(said) as receiver:
            started = time.monotonic()
            assert await failure(Connections(Guard(LOOPBACK)), LOOPBACK.check(receiver.url), seconds=0.4) is expected
            assert time.monotonic() - started < 1

    async def test_is_read_no_further_than_wanted(self) -> None:
        for said, body in ((_is_endless, b"x" * 64), (_drips_its_body, b"ab"), (answer(body=b"y" * 999), b"y" * 64)):
            async with Receiver(said) as receiver:
                answered = await post(Connections(Guard(LOOPBACK)), LOOPBACK.check(receiver.url), seconds=0.4)
                assert (answered.status, answered.body, answered.is_whole) == (200, body, False)

    async def test_that_points_elsewhere_is_an_answer_and_no_more(self, inside: Receiver) -> None:
        for status in ("301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"):
            async with Receiver(answer(status, Location=inside.url, Refresh=f"0; url={inside.url}")) as receiver:
                answered = await post(Connections(Guard(LOOPBACK)), LOOPBACK.check(receiver.url))
                assert answered.status == int(status[:3])
                assert answered.headers["location"] == inside.url
        assert inside.connections == 0

    async def test_says_whether_it_came_from_inside(self, inside: Receiver) -> None:
        assert (await post(Connections(Guard(LOOPBACK)), LOOPBACK.check(inside.url))).is_inner
        outside = Connections(Guard(STRICT, resolving(["93.184.216.34"]), Elsewhere(inside.port)))
        assert not (await post(outside, STRICT.check("http://example.com/"))).is_inner

    async def test_of_nobody_is_a_failure(self) -> None:
        async with Receiver() as receiver:
            target = LOOPBACK.check(receiver.url)
        assert await failure(Connections(Guard(LOOPBACK)), target) is Failure.not_connected


class TestResolver:
    async def test_that_hangs_holds_up_nobody_else(self, monkeypatch: pytest.MonkeyPatch, inside: Receiver) -> None:
        asked: list[str] = []

        def look_up(host: str, port: int) -> list[Address]:
            asked.append(host)
            if host.startswith("slow"):
                time.sleep(0.6)
            return [ip_address("127.0.0.1")]

        monkeypatch.setattr(guard, "addresses_of", look_up)
        monkeypatch.setattr(guard, "CONNECT_SECONDS", 0.2)
        resolver = Resolver(at_most=3)

        async def attempt(host: str) -> Any:
            try:
                return (
                    await post(Connections(Guard(LOOPBACK, resolver)), Target("http", host, inside.port, "/"))
                ).status
            except NotAnswered as error:
                return error.failure

        slow = asyncio.gather(*(attempt(host) for host in ("slow-1", "slow-1", "slow-2")))
        assert await attempt("quick") == 200
        assert await slow == [Failure.timed_out] * 3
        assert await attempt("slow-3") is Failure.timed_out
        assert await attempt("slow-4") is Failure.timed_out  # no thread is left for it
        assert sorted(asked) == ["quick", "slow-1", "slow-2", "slow-3"]
        await asyncio.sleep(0.7)
        assert await attempt("quick") == 200  # the threads came back

    async def test_asks_the_system(self) -> None:
        assert ip_address("127.0.0.1") in await Resolver()("localhost", 80)
        with pytest.raises(NotAnswered):
            await Resolver()("no-such-host.invalid", 80)
        with pytest.raises(NotAnswered):
            await Resolver()("a" * 300, 80)


def test_nothing_is_sent_past_the_guard() -> None:
    """No module of ours opens connections by itself, but those to the database."""
    app = Path(guard.__file__).parents[1]
    opening = (
        "httpx",
        "httpcore",
        "urllib.request",
        "http.client",
        "create_connection",
        "open_connection",
        "aiohttp",
        "httpx2",
    )
    found = {
        file.name: [name for name in opening if f"import {name}" in text or f"{name}(" in text]
        for file in app.rglob("*.py")
        if (text := file.read_text(encoding="utf-8"))
    }
    assert {name: used for name, used in found.items() if used} == {"guard.py": ["open_connection"]}, json.dumps(found)
