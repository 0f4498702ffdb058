"""What a registry said about a network, and where it is kept so that nobody is asked twice.

Kept by prefix, never by address: the next attacked address of the same network costs no look-up and discloses nothing.
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

import msgspec

from abusewatch.contacts.lpm import Network

KEPT = {4: range(8, 33), 6: range(16, 129)}
"""Prefix lengths an answer may have; nobody holds more than a /8, or a /16 of IPv6 (as in the operator table)."""
MEMORY_ENTRIES = 50_000


class Answer(msgspec.Struct, frozen=True):
    """Who answers for a network. `emails` are ranked, the best first; none: the source knows nobody.

    `source` is `rdap`, `dns`, or `none` when there was nobody to ask. Until `fresh_us` the answer is used as it is,
    until `expires_us` only while nobody can be asked; then it is deleted.
    """

    emails: tuple[str, ...]
    name: str
    source: str
    learned_us: int
    fresh_us: int
    expires_us: int


class Known(NamedTuple):
    """An answer and the prefix it was found under."""

    network: Network
    answer: Answer


class ContactCache(Protocol):
    """Answers by prefix. Any thread may call."""

    def get(self, address: str, now_us: int) -> Known | None:
        """Find the answer of the longest prefix that holds the address and has not expired."""

    def put(self, networks: Sequence[Network], answer: Answer) -> None:
        """Keep an answer for each of the networks, durably if the cache is durable; expired ones may go."""

    def unknown(self, now_us: int, limit: int = 100) -> list[Known]:
        """List networks nobody is known for, the longest waiting first: the queue for a person."""


class MemoryCache:
    """A cache that forgets with the process; bounded, the oldest entry goes first."""

    def __init__(self, entries: int = MEMORY_ENTRIES) -> None:
        """Take how many prefixes to remember at most."""
        self._limit = entries
        self._answers: OrderedDict[bytes, Answer] = OrderedDict()

    def get(self, address: str, now_us: int) -> Known | None:
        """Find the answer of the longest prefix."""
        for key in keys(address):
            answer = self._answers.get(key)
            if answer and answer.expires_us > now_us:
                return Known(network(key), answer)
        return None

    def put(self, networks: Sequence[Network], answer: Answer) -> None:
        """Keep an answer for each of the networks."""
        for one in networks:
            self._answers[key_of(one)] = answer
            self._answers.move_to_end(key_of(one))
        while len(self._answers) > self._limit:
            self._answers.popitem(last=False)

    def unknown(self, now_us: int, limit: int = 100) -> list[Known]:
        """List networks nobody is known for."""
        found = [
            Known(network(key), answer)
            for key, answer in list(self._answers.items())
            if not answer.emails and answer.expires_us > now_us
        ]
        return sorted(found, key=lambda known: known.answer.learned_us)[:limit]


def key_of(prefix: Network) -> bytes:
    """Write a network as 17 bytes: the first address (IPv4 mapped into IPv6) and the length in 128 bits."""
    mapped = prefix.version == 4
    head = b"\0" * 10 + b"\xff\xff" if mapped else b""
    return head + prefix.network_address.packed + bytes([prefix.prefixlen + 96 * mapped])


def keys(address: str) -> list[bytes]:
    """List the key of every prefix that holds an address and could be kept, the longest first."""
    parsed = ipaddress.ip_address(address)
    number, width = int(parsed), parsed.max_prefixlen
    head = b"\0" * 10 + b"\xff\xff" if parsed.version == 4 else b""
    return [
        head + (number >> width - bits << width - bits).to_bytes(width // 8) + bytes([bits + 128 - width])
        for bits in reversed(KEPT[parsed.version])
    ]


def network(key: bytes) -> Network:
    """Read a key back."""
    if key[:12] == b"\0" * 10 + b"\xff\xff" and key[16] >= 96:
        return ipaddress.IPv4Network((key[12:16], key[16] - 96))
    return ipaddress.IPv6Network((key[:16], key[16]))


def covering(first: object, last: object, address: str) -> tuple[Network, ...]:
    """Cut the range a registry names into prefixes; empty when it is no range, too wide, or not about the address."""
    try:
        low, high = ipaddress.ip_address(str(first)), ipaddress.ip_address(str(last))
        networks = tuple(_summary(low, high))
    except (ValueError, TypeError):
        return ()
    asked = ipaddress.ip_address(address)
    if not any(asked in one for one in networks):
        return ()
    return networks if all(one.prefixlen in KEPT[one.version] for one in networks) else ()


def _summary(
    low: ipaddress.IPv4Address | ipaddress.IPv6Address, high: ipaddress.IPv4Address | ipaddress.IPv6Address
) -> Iterable[Network]:
    if isinstance(low, ipaddress.IPv4Address) and isinstance(high, ipaddress.IPv4Address):
        return ipaddress.summarize_address_range(low, high)
    if isinstance(low, ipaddress.IPv6Address) and isinstance(high, ipaddress.IPv6Address):
        return ipaddress.summarize_address_range(low, high)
    raise ValueError("a range of two address families")
