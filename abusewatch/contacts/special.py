"""Address space that belongs to no operator, so that nobody is ever mailed about it.

The IANA special-purpose address registries (RFC 6890 and its updates), multicast (RFC 5771, RFC 4291 2.7) and
everything in IPv6 outside the global unicast space 2000::/3 (RFC 4291 2.4).
"""

import ipaddress
from typing import NamedTuple

from abusewatch.contacts.lpm import Network, PrefixMap


class Special(NamedTuple):
    """A block and why nobody is mailed about it."""

    network: Network
    reason: str


REGISTRY = tuple(
    Special(ipaddress.ip_network(prefix), reason)
    for prefix, reason in (
        ("0.0.0.0/8", "this network (RFC 791)"),
        ("10.0.0.0/8", "private use (RFC 1918)"),
        ("100.64.0.0/10", "shared address space (RFC 6598)"),
        ("127.0.0.0/8", "loopback (RFC 1122)"),
        ("169.254.0.0/16", "link local (RFC 3927)"),
        ("172.16.0.0/12", "private use (RFC 1918)"),
        ("192.0.0.0/24", "protocol assignments (RFC 6890)"),
        ("192.0.2.0/24", "documentation (RFC 5737)"),
        ("192.88.99.0/24", "deprecated 6to4 relays (RFC 7526)"),
        ("192.168.0.0/16", "private use (RFC 1918)"),
        ("198.18.0.0/15", "benchmarking (RFC 2544)"),
        ("198.51.100.0/24", "documentation (RFC 5737)"),
        ("203.0.113.0/24", "documentation (RFC 5737)"),
        ("224.0.0.0/4", "multicast (RFC 5771)"),
        ("240.0.0.0/4", "reserved (RFC 1112)"),
        ("::/3", "outside global unicast (RFC 4291)"),
        ("4000::/2", "outside global unicast (RFC 4291)"),
        ("8000::/1", "outside global unicast (RFC 4291)"),
        ("2001::/23", "protocol assignments (RFC 2928)"),
        ("2001:db8::/32", "documentation (RFC 3849)"),
        ("2002::/16", "6to4, no single operator (RFC 3056)"),
        ("3fff::/20", "documentation (RFC 9637)"),
        ("fc00::/7", "unique local (RFC 4193)"),
        ("fe80::/10", "link local (RFC 4291)"),
        ("ff00::/8", "multicast (RFC 4291)"),
    )
)

_BLOCKS: PrefixMap[Special] = PrefixMap((special.network, special) for special in REGISTRY)


def special_purpose(address: str) -> Special | None:
    """Look up the special block an address lies in, the longest if several; None for ordinary space."""
    return _BLOCKS.lookup(address)
