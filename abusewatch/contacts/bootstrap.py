"""Which registry to ask about an address (RFC 9224), from a list that ships and from IANA's own.

The shipped list is what the five registries hold of old; a block that has moved since is answered with a redirect.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

from abusewatch.contacts.lpm import Network, PrefixMap

SOURCES = ("https://data.iana.org/rdap/ipv4.json", "https://data.iana.org/rdap/ipv6.json")
SNAPSHOT_DATE = "2025-01-01"
"""The state of public knowledge the table below was written from."""
LEAST_SERVICES = 4
"""There are five regional registries for each family; a list with hardly any is damaged or a lie."""

SNAPSHOT: Mapping[str, tuple[str, str]] = {
    "https://rdap.afrinic.net/rdap/": ("41 102 105 154 196 197", "2001:4200::/23 2c00::/12"),
    "https://rdap.apnic.net/": (
        "1 14 27 36 39 42 43 49 58-61 101 103 106 110-126 133 150 153 163 171 175 180 182 183 202 203 210 211 218-223",
        (
            "2001:200::/23 2001:c00::/23 2001:e00::/23 2001:4400::/23 2001:8000::/19 2001:a000::/20 2001:b000::/20 "
            "2400::/12 2410::/12"
        ),
    ),
    "https://rdap.arin.net/registry/": (
        (
            "3 4 6-9 11-13 15-24 26 28-30 32-35 38 40 44 45 47 48 50 52 54-56 63-76 96-100 104 107 108 128-132 134-140 "
            "142-144 146-149 152 155-162 164-170 172-174 184 192 198 199 204-209 214-216"
        ),
        "2001:400::/23 2001:1800::/23 2001:4800::/23 2600::/12 2610::/23 2620::/23 2630::/12",
    ),
    "https://rdap.lacnic.net/rdap/": ("177 179 181 186 187 189-191 200 201", "2001:1200::/23 2800::/12"),
    "https://rdap.db.ripe.net/": (
        "2 5 25 31 37 46 51 53 57 62 77-95 109 141 145 151 176 178 185 188 193-195 212 213 217",
        (
            "2001:600::/23 2001:800::/22 2001:1400::/22 2001:1a00::/23 2001:1c00::/22 2001:2000::/19 2001:4000::/23 "
            "2001:4600::/23 2001:4a00::/23 2001:4c00::/23 2001:5000::/20 2003::/18 2a00::/12 2a10::/12"
        ),
    ),
}
"""Registry -> the first octets of its IPv4 blocks, and its IPv6 blocks."""

Services = tuple[tuple[Network, tuple[str, ...]], ...]


class BootstrapError(ValueError):
    """A list that is not what RFC 9224 describes, or that no longer names the registries."""


class Bootstrap:
    """Longest-prefix match from addresses to the base URLs of the registry to ask."""

    def __init__(self, services: Iterable[tuple[Network, tuple[str, ...]]]) -> None:
        """Take (network, base URLs) pairs."""
        self._map: PrefixMap[tuple[str, ...]] = PrefixMap(services)

    def urls(self, address: str) -> tuple[str, ...]:
        """List the base URLs for an address, https first; none when no registry has it."""
        return self._map.lookup(address) or ()


def snapshot() -> Services:
    """Read the shipped table."""
    found: list[tuple[Network, tuple[str, ...]]] = []
    for url, (octets, six) in SNAPSHOT.items():
        for span in octets.split():
            low, _, high = span.partition("-")
            blocks = (ipaddress.ip_network(f"{octet}.0.0.0/8") for octet in range(int(low), int(high or low) + 1))
            found.extend((block, (url,)) for block in blocks)
        found.extend((ipaddress.ip_network(prefix), (url,)) for prefix in six.split())
    return tuple(found)


def parse(document: object) -> Services:
    """Read a bootstrap file: `services` is [[prefixes], [URLs]] pairs, members not known are ignored (RFC 9224 3)."""
    services = document.get("services") if isinstance(document, dict) else None
    if not isinstance(services, list) or len(services) < LEAST_SERVICES:
        raise BootstrapError("no list of registries")
    found: list[tuple[Network, tuple[str, ...]]] = []
    for service in services:
        prefixes, urls = _pair(service)
        ordered = tuple(sorted((_based(url) for url in urls), key=lambda url: not url.startswith("https:")))
        try:
            found.extend((ipaddress.ip_network(prefix), ordered) for prefix in prefixes)
        except ValueError:
            raise BootstrapError("an entry that is no prefix") from None
    return tuple(found)


def _pair(service: Any) -> tuple[list[str], list[str]]:
    if not isinstance(service, list) or len(service) != 2 or not all(isinstance(one, list) and one for one in service):
        raise BootstrapError("a service that is not [[prefixes], [URLs]]")
    if not all(isinstance(text, str) for one in service for text in one):
        raise BootstrapError("a service that holds something else than text")
    return service[0], service[1]


def _based(url: str) -> str:
    return url if url.endswith("/") else url + "/"
