"""Types and units: what keeps a rule from comparing seconds with bytes.

Modest on purpose: a constant without a unit fits every unit but a duration (so `pps >= 300` and `bytes / packets < 400`
read as people write them), everything else must match exactly.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Unit = tuple[int, int, int, int]
"""Exponents of packets, bytes, bits, seconds."""

PLAIN: Unit = (0, 0, 0, 0)
PACKETS: Unit = (1, 0, 0, 0)
BYTES: Unit = (0, 1, 0, 0)
BITS: Unit = (0, 0, 1, 0)
SECONDS: Unit = (0, 0, 0, 1)
_WORDS = ("packets", "bytes", "bits", "seconds")


def times(left: Unit, right: Unit, sign: int = 1) -> Unit:
    """Multiply two units, or divide them with sign -1."""
    a, b, c, d = (x + sign * y for x, y in zip(left, right, strict=True))
    return a, b, c, d


def unit_text(unit: Unit) -> str:
    """Name a unit: `a plain number`, `seconds`, `bytes/packets`."""
    over = "*".join(word for word, power in zip(_WORDS, unit, strict=True) for _ in range(power))
    under = "*".join(word for word, power in zip(_WORDS, unit, strict=True) for _ in range(-power))
    if not over and not under:
        return "a plain number"
    return f"{over or '1'}/{under}" if under else over


@dataclass(frozen=True, slots=True)
class Code:
    """An integer that identifies: no arithmetic, and < and > only if `ordered`; `words` are names of values."""

    name: str
    top: int
    ordered: bool = False
    words: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


PROTOCOL = Code("protocol", 255, words={"icmp": 1, "tcp": 6, "udp": 17, "gre": 47, "icmp6": 58, "sctp": 132})
"""IANA protocol numbers."""
OUTCOME = Code("outcome", 2, words={"unanswered": 0, "refused": 1, "answered": 2})
PORT = Code("port", 65_535, ordered=True)
ICMP = Code("ICMP number", 255, ordered=True)
FLAGS = Code("TCP flags", 255)
INTERFACE = Code("interface", 2**32 - 1)

FLAG_BITS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32}
"""RFC 9293 3.1; ECE and CWR are left out on purpose: an ECN-setup SYN (RFC 3168 6.1.1) is still just a SYN."""


@dataclass(frozen=True, slots=True)
class Type:
    """What a node is; `constant` is known at load.

    The value never falls below `least`, which is how a division is known to be safe.
    """

    kind: Literal["number", "boolean", "address", "code"]
    unit: Unit = PLAIN
    code: Code | None = None
    least: float = float("-inf")
    constant: bool = False

    def __str__(self) -> str:
        """Name the type as faults and docs show it."""
        if self.code is not None:
            return self.code.name
        return (
            unit_text(self.unit)
            if self.kind == "number"
            else {"boolean": "a condition", "address": "an address"}[self.kind]
        )


BOOLEAN = Type("boolean")
ADDRESS = Type("address")


def number(unit: Unit = PLAIN, least: float = 0) -> Type:
    """Make the type of a measured quantity; counts are never negative."""
    return Type("number", unit, least=least)


def code(kind: Code) -> Type:
    """Make the type of an identifying integer."""
    return Type("code", code=kind)
