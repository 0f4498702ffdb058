"""One form for both address families: 128 bits as two unsigned 64-bit halves, IPv4 as ::ffff:a.b.c.d (RFC 4291 2.5.5.2).

Text is always made anew from the integer, so a scope id or a creative spelling from outside never reaches a mail or a log.
"""

import ipaddress
from functools import lru_cache

Address = tuple[int, int]

MAPPED = 0xFFFF_0000_0000
"""The upper 32 bits of the low half of an IPv4-mapped address."""


def is_v4(address: Address) -> bool:
    """Whether the pair of halves is an IPv4-mapped address."""
    hi, lo = address
    return hi == 0 and lo >> 32 == 0xFFFF


def parse(text: str) -> Address:
    """Read an IPv4 or IPv6 address; ValueError on anything else, scope ids included."""
    if "%" in text:
        raise ValueError(f"{text!r} has a scope id, which means nothing outside one host")
    address = ipaddress.ip_address(text)
    if address.version == 4:
        return 0, MAPPED | int(address)
    return int(address) >> 64, int(address) & 0xFFFF_FFFF_FFFF_FFFF


@lru_cache(maxsize=1 << 14)
def text(hi: int, lo: int) -> str:
    """Write the address of two halves in its canonical form (RFC 5952)."""
    if is_v4((hi, lo)):
        return f"{lo >> 24 & 255}.{lo >> 16 & 255}.{lo >> 8 & 255}.{lo & 255}"
    return str(ipaddress.IPv6Address(hi << 64 | lo))


def network_of(address: str, v4_bits: int = 24, v6_bits: int = 48) -> str:
    """Name the network an address lies in, for texts that must not show the address itself."""
    parsed = ipaddress.ip_address(address)
    bits = v4_bits if parsed.version == 4 else v6_bits
    return str(ipaddress.ip_network((parsed, bits), strict=False))
