"""Which URLs, ports and addresses a request of ours may go to: nothing inside, unless an operator says so.

URLs come from organisations (webhooks) or from the operator's own settings (signing keys, the audit's anchor). What
is found wrong here is told at once; the addresses behind a name are looked at when a connection is opened, in
``app.outgoing.guard``.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Self

from app.settings import Settings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

HTTPS_PORTS, HTTP_PORTS = frozenset({443, 8443}), frozenset({80, 8080})
LONGEST_URL = 2048
NOT_URL = "It is not a URL such as https://example.com/hooks: ASCII only, without blanks and without a fragment."

URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f.]*:[0-9a-f:.]*\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<target>[/?][a-z0-9/?:@!$&'()*+,;=._~%-]*)?",
    re.ASCII | re.IGNORECASE,
)
LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)  # as a last label it makes a host an address, in some spelling


def _networks(listed: str) -> tuple[Network, ...]:
    return tuple(map(ip_network, listed.split()))


# https://www.iana.org/assignments/iana-ipv4-special-registry, and the address that Azure's machines ask their host at.
NOT_PUBLIC_4 = _networks(
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 168.63.129.16/32 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 "
    "192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 "
    "198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4"
)
# https://www.iana.org/assignments/ipv6-address-space: all else is not of the open internet, or leads on to an IPv4
# address (mapped, compatible, NAT64), as 6to4 and Teredo within it do.
PUBLIC_6 = IPv6Network("2000::/3")
NOT_PUBLIC_6 = _networks("2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3ffe::/16 3fff::/20")
OF_A_LAPTOP = _networks("127.0.0.0/8 ::1/128 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7")


class UrlNotAllowed(ValueError):
    """A URL that nothing is sent to. ``code`` and ``sentence`` are for whoever gave it; neither repeats it."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code, self.sentence = code, sentence


@dataclass(frozen=True, slots=True)
class Target:
    """A URL in its parts: ``host`` in lower case and without brackets, ``path`` with the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """What stands in the ``Host`` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == default_port(self.scheme) else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Rules:
    """What an operator lets us reach beside public addresses by https. No ``ports`` means every port."""

    http: bool
    ports: Collection[int]
    networks: tuple[Network, ...]

    @classmethod
    def for_organisations(cls, settings: Settings) -> Self:
        """Return the rules for URLs that organisations give."""
        ports: Collection[int] | None = settings.outgoing_ports
        if ports is None:
            ports = HTTPS_PORTS | HTTP_PORTS if settings.outgoing_http else HTTPS_PORTS
        return cls(settings.outgoing_http, ports, settings.outgoing_networks)

    @classmethod
    def for_operator(cls, settings: Settings) -> Self:
        """Return the rules for URLs of the settings: any port, and on a laptop also this machine and its networks."""
        own = settings.operator_networks
        if own is None:
            own = () if settings.is_production else OF_A_LAPTOP
        return cls(not settings.is_production, (), (*own, *settings.outgoing_networks))

    def check(self, url: str) -> Target:
        """Return the parts of a URL. Raise UrlNotAllowed where nothing may be sent to it, whatever its name means.

        Names are not looked up.
        """
        target = parse(url)
        if target.scheme != "https" and not self.http:
            raise UrlNotAllowed("url_not_https", "It must begin with https://.")
        if self.ports and target.port not in self.ports:
            allowed = ", ".join(map(str, sorted(self.ports)))
            raise UrlNotAllowed("port_not_allowed", f"Its port is not one of these: {allowed}.")
        literal = literal_of(target.host)
        if literal is not None and not self.allow(literal):
            raise UrlNotAllowed("address_not_allowed", "Its address is not a public one.")
        return target

    def allow(self, address: Address) -> bool:
        """Return whether a connection to this address may be opened."""
        return is_public(address) or any(address in network for network in self.networks)


def check_url(url: str, settings: Settings) -> Target:
    """Return the parts of a URL that an organisation gave. Raise UrlNotAllowed, a ValueError with a code."""
    return Rules.for_organisations(settings).check(url)


def parse(url: str) -> Target:
    """Return the parts of a URL. Raise UrlNotAllowed for what any two programs might read differently."""
    found = URL.fullmatch(url) if len(url) <= LONGEST_URL else None
    if found is None:
        authority = re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)[0]
        if "@" in authority:
            raise UrlNotAllowed("url_with_credentials", "It must not hold a user name or a password.")
        raise UrlNotAllowed("url_malformed", NOT_URL)
    scheme, host = found["scheme"].lower(), found["host"].lower().strip("[]")
    port = int(found["port"] or default_port(scheme))
    path = found["target"] or "/"
    if not 0 < port < 65536 or not (":" in host or is_name(host)):
        raise UrlNotAllowed("url_malformed", NOT_URL)
    return Target(scheme, host, port, path if path.startswith("/") else f"/{path}")


def is_name(host: str) -> bool:
    """Return whether a host is a name, or an address in the usual spelling."""
    return len(host) <= 253 and all(LABEL.fullmatch(label) for label in host.split("."))


def literal_of(host: str) -> Address | None:
    """Return the address that a host is, or None for a name. Raise UrlNotAllowed for odd spellings of an address."""
    if host == "localhost" or host.endswith(".localhost"):
        return IPv4Address("127.0.0.1")
    if ":" not in host and not NUMBER.fullmatch(host.rpartition(".")[2]):
        return None
    try:
        return ip_address(host)
    except ValueError:
        raise UrlNotAllowed("address_not_allowed", "Its host is not a name, nor an address as usually spelt.") from None


def is_public(address: Address) -> bool:
    """Return whether an address is one of the open internet, and not one that leads elsewhere."""
    if not address.is_global or address.is_multicast:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in NOT_PUBLIC_4)
    return address.scope_id is None and address in PUBLIC_6 and not any(address in network for network in NOT_PUBLIC_6)


def default_port(scheme: str) -> int:
    """Return the port of a URL that names none."""
    return 443 if scheme == "https" else 80
