"""Longest-prefix match over few look-ups: a dictionary for each prefix length that occurs.

At most 33 or 129 probes an address, usually under ten; contacts are asked for some hundred addresses an incident, so
this needs no compiled trie.
"""

import ipaddress
from collections.abc import Iterable
from typing import Generic, TypeVar

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
T = TypeVar("T")


class PrefixMap(Generic[T]):
    """Immutable map from networks to values."""

    def __init__(self, entries: Iterable[tuple[Network, T]]) -> None:
        """Take (network, value) pairs; of two equal networks the later one stays."""
        self._by_length: dict[tuple[int, int], dict[int, T]] = {}
        for network, value in entries:
            self._by_length.setdefault((network.version, network.prefixlen), {})[int(network.network_address)] = value
        self._lengths = {
            version: sorted((bits for v, bits in self._by_length if v == version), reverse=True) for version in (4, 6)
        }

    def lookup(self, address: str) -> T | None:
        """Find the value of the longest network that holds the address; ValueError when it is no address."""
        parsed = ipaddress.ip_address(address)
        number = int(parsed)
        for bits in self._lengths[parsed.version]:
            shift = parsed.max_prefixlen - bits
            value = self._by_length[parsed.version, bits].get(number >> shift << shift)
            if value is not None:
                return value
        return None
