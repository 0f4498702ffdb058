"""How much of the traffic a record stands for: sampling rates as exporters tell them in options records.

NetFlow v9 elements 34 and 48 to 50 (RFC 3954 8), IPFIX selectors 302 and 304 to 311 (RFC 5477 8).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from abusewatch.model.flow import I64, SAMPLING_UNKNOWN, U32, U64
from abusewatch.wire.elements import SCOPE

MAX_SAMPLERS = 256
MAX_INTERFACES = 4_096
MAX_RATE = 0xFFFF_FFFF

Numbers = dict[tuple[int, int], int]
"""The numbers of one options record: (enterprise, element) to value."""

_SAMPLERS = ((0, 302), (0, 48))
_INTERFACES = ((SCOPE, 2), (0, 10), (0, 252))


def rate_of(numbers: Numbers) -> int | None:
    """Work out the rate an options record tells: one packet of how many; None when it tells none."""
    taken, skipped = numbers.get((0, 305), 0), numbers.get((0, 306))
    if taken and skipped is not None:
        return _bounded((taken + skipped) / taken)  # RFC 5477 8.2.2 and 8.2.3: count-based systematic sampling
    if taken:
        return _bounded(taken)  # Cisco and others put the whole interval here and leave the space out
    size, population = numbers.get((0, 309), 0), numbers.get((0, 310), 0)
    if size and population:
        return _bounded(population / size)  # RFC 5477 8.2.6 and 8.2.7: n out of N
    for key in ((0, 34), (0, 50)):
        interval = numbers.get(key)
        if interval is not None:
            return _bounded(interval)
    return None


def elements_of(numbers: Numbers) -> str:
    """Name the elements from which `rate_of` works out the rate, as people look them up."""
    if numbers.get((0, 305)):
        return "elements 305 and 306" if (0, 306) in numbers else "element 305"
    if numbers.get((0, 309)) and numbers.get((0, 310)):
        return "elements 309 and 310"
    return "element 34" if (0, 34) in numbers else "element 50"


def _bounded(rate: float) -> int:
    return min(max(round(rate), 1), MAX_RATE)


@dataclass(slots=True)
class Rates:
    """The rates one domain has told: of each sampler, of each interface, and of everything else (`default`).

    What nobody has told is unknown, not 1: counts are lower bounds then, and the configuration may know better.
    """

    default: int = SAMPLING_UNKNOWN
    told: bool = False
    samplers: dict[int, int] = field(default_factory=dict)
    interfaces: dict[int, int] = field(default_factory=dict)
    told_by: str = ""
    """In words for people: which elements told the newest of them."""

    @property
    def all(self) -> tuple[int, ...]:
        """Every rate in force, once each."""
        return tuple(sorted({*self.samplers.values(), *self.interfaces.values(), *((self.default,) if self.default else ())}))

    @property
    def known(self) -> bool:
        """Whether anything has been told."""
        return self.told or bool(self.samplers or self.interfaces)

    def learn(self, numbers: Numbers) -> bool:
        """Take in an options record; False when there is no room for another sampler or interface."""
        rate = rate_of(numbers)
        if rate is None:
            return True
        self.told_by = elements_of(numbers)
        for key in _SAMPLERS:
            if key in numbers:
                return self._learn_sampler(numbers[key], rate)
        for key in _INTERFACES:
            if key in numbers:
                return _put(self.interfaces, numbers[key], rate, MAX_INTERFACES)
        self.default, self.told = rate, True
        return True

    def _learn_sampler(self, number: int, rate: int) -> bool:
        fits = _put(self.samplers, number, rate, MAX_SAMPLERS)
        if not self.told:
            # Records that name no sampler: clear while all samplers agree, unknown when they do not.
            rates = set(self.samplers.values())
            self.default = rates.pop() if len(rates) == 1 else SAMPLING_UNKNOWN
        return fits


def _put(table: dict[int, int], key: int, rate: int, limit: int) -> bool:
    if key not in table and len(table) >= limit:
        return False
    table[key] = rate
    return True


class RateTable:
    """The rates of the samplers and interfaces of all domains as sorted columns, to be looked up for many records at once."""

    def __init__(self, rates: Iterable[tuple[int, Rates]]) -> None:
        """Take (domain slot, rates) pairs."""
        pairs = [(slot, told) for slot, told in rates if told.samplers or told.interfaces]
        self._samplers = _columns((slot, told.samplers) for slot, told in pairs)
        self._interfaces = _columns((slot, told.interfaces) for slot, told in pairs)

    def apply(self, rate: U32, slot: I64, sampler: U64 | None, input_if: U64 | None) -> U32:
        """Replace the rates of records whose interface, or better whose sampler, has a rate of its own."""
        for (keys, rates), number in ((self._interfaces, input_if), (self._samplers, sampler)):
            if len(keys) and number is not None:
                wanted = slot.astype(np.uint64) << np.uint64(32) | number & np.uint64(0xFFFF_FFFF)
                place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
                rate = np.where(keys[place] == wanted, rates[place], rate)
        return rate


def _columns(tables: Iterable[tuple[int, dict[int, int]]]) -> tuple[U64, U32]:
    found = sorted((slot << 32 | number & 0xFFFF_FFFF, rate) for slot, table in tables for number, rate in table.items())
    return np.array([key for key, _ in found], np.uint64), np.array([rate for _, rate in found], np.uint32)
