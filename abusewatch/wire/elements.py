"""Information elements: their names and how a value of each type is shown to people.

Only the reference path uses this; the columns of the hot path are chosen in `layout`.
"""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import IPv4Address, IPv6Address

from abusewatch.wire import registry

IANA_REVERSE = 29305
"""RFC 5103 6.1: the enterprise number under which every IANA element means the opposite direction of a biflow."""
CERT = 6871
SCOPE = -9
"""A pretended enterprise number for the scopes of NetFlow v9, which have a registry of their own."""
NETFLOW9 = -1
"""A pretended enterprise number for NetFlow v9 elements from 32,768, where IPFIX has the enterprise bit."""

UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Value = int | float | str | bool


@dataclass(frozen=True, slots=True)
class Element:
    """One information element: its name in snake case and the code letter of its type (`registry`)."""

    name: str
    kind: str


def snake(name: str) -> str:
    """Turn sourceIPv4Address into source_ipv4_address."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.replace("IPv", "Ipv"))
    return re.sub(r"(?<=[A-Z])(?=[A-Z][a-z])", "_", parted).lower()


@cache
def _tables() -> dict[tuple[int, int], Element]:
    """Read the registry once: (enterprise, number) to element."""
    found: dict[tuple[int, int], Element] = {}
    tables = ((0, registry.IANA), (NETFLOW9, registry.NETFLOW9), (SCOPE, registry.SCOPES), (CERT, registry.CERT))
    for enterprise, text in tables:
        for line in text.split("\n"):
            if line:
                number, name, kind = line.split(" ")
                found[enterprise, int(number)] = Element(snake(name), kind)
    reverse = {(IANA_REVERSE, n): Element("reverse_" + e.name, e.kind) for (pen, n), e in found.items() if pen == 0}
    return found | reverse


def element(enterprise: int, number: int) -> Element:
    """Find an element; one that no table has is shown as octets under a name made of its numbers."""
    found = _tables().get((enterprise, number))
    if found is None:  # not kept: the numbers come from the wire, a cache of them would be theirs to fill
        return Element(f"enterprise_{enterprise}_{number}" if enterprise > 0 else f"element_{number}", "o")
    return found


def show(kind: str, raw: bytes) -> Value:
    """Show the octets of one field as its type says; a length that does not fit the type is shown as hexadecimal."""
    reader = _READERS.get((kind, len(raw)))
    if reader is not None:
        return reader(raw)
    if kind in "us" and 0 < len(raw) <= 8:
        return int.from_bytes(raw, "big", signed=kind == "s")
    if kind == "t":
        return raw.rstrip(b"\0").decode("utf-8", "replace")
    return raw.hex()


def iso(microseconds: int) -> str:
    """Write a time (microseconds since 1970, UTC) as ISO 8601 with milliseconds."""
    try:
        moment = UNIX_EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return str(microseconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ntp_us(raw: bytes) -> int:
    """Read an NTP time stamp (RFC 5905 6: seconds since 1900 and a 32-bit fraction) as microseconds since 1970."""
    seconds, fraction = int.from_bytes(raw[:4], "big"), int.from_bytes(raw[4:], "big")
    return (seconds - 2_208_988_800) * 1_000_000 + (fraction * 1_000_000 >> 32)


def _finite(number: float) -> Value:
    """Pass a number that JSON can hold; NaN and the infinities become words."""
    return number if number - number == 0 else str(number)


_READERS: dict[tuple[str, int], Callable[[bytes], Value]] = {
    ("4", 4): lambda raw: str(IPv4Address(raw)),
    ("6", 16): lambda raw: str(IPv6Address(raw)),
    ("m", 6): lambda raw: raw.hex(":"),
    ("b", 1): lambda raw: raw == b"\x01",  # RFC 7011 6.1.5: 1 is true, 2 is false
    ("f", 4): lambda raw: _finite(struct.unpack(">f", raw)[0]),
    ("f", 8): lambda raw: _finite(struct.unpack(">d", raw)[0]),
    ("S", 4): lambda raw: iso(int.from_bytes(raw, "big") * 1_000_000),
    ("L", 8): lambda raw: iso(int.from_bytes(raw, "big") * 1_000),
    ("U", 8): lambda raw: iso(ntp_us(raw)),
    ("N", 8): lambda raw: iso(ntp_us(raw)),
}
