"""What each customer sent and received in the last minute of event time: what `abusewatch top` shows.

A pane is summed in one pass by the slot numbers that its rows have anyway; the sums of slots go to networks of the inventory, of which there are few; and whose
a network is, is asked when somebody looks. It is held in memory for that minute and written nowhere.

Octets and packets are multiplied by the sampling rate, so they are estimates where exporters sample; records are counted as they came. What came too late for
its pane is not in it, nor what was exported twice.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from abusewatch.model import rows as r
from abusewatch.model.compiled import kernel
from abusewatch.model.flow import U64
from abusewatch.model.rows import Columns
from abusewatch.windows.order import starts_of

KERNEL = kernel("abusewatch.usage._passes")

SECOND = 1_000_000
SPAN_US = 60 * SECOND
UNKNOWN = -2

SUMS = ("bytes_out", "bytes_in", "packets_out", "packets_in", "flows_out", "flows_in")


class Networks(Protocol):
    """Who is ours, as far as it is asked here."""

    def networks_of(self, hi: U64, lo: U64) -> NDArray[np.int32]:
        """The number of the own network of each address, -1 where it is nobody's of ours."""

    def holders(self, networks: Sequence[int], us: int) -> Sequence[str]:
        """Who has each network of those numbers at a time: a customer by his id, or the prefix itself where it is nobody's."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Totals of one customer, or of a prefix without one; internal traffic counts for both its ends."""

    customer: str
    bytes_out: int
    bytes_in: int
    packets_out: int
    packets_in: int
    flows_out: int
    flows_in: int

    @classmethod
    def sum_of(cls, usages: Sequence["Usage"]) -> "Usage":
        """All of some together."""
        return cls("", *(sum(getattr(usage, name) for usage in usages) for name in SUMS))

    def per_sec(self, secs: float) -> dict[str, float]:
        """The same a second, octets as bits."""
        scaled = ((name.replace("bytes", "bits"), getattr(self, name) * (8 if name.startswith("bytes") else 1)) for name in SUMS)
        return {f"{name}_per_sec": round(total / secs, 1) if secs else 0.0 for name, total in scaled}


class Total(NamedTuple):
    """The sums (n, 6) of networks, by their numbers; -1 is what touched none of ours."""

    networks: NDArray[np.intp]
    sums: U64


@dataclass(frozen=True, slots=True)
class Minute:
    """The sums of `secs` seconds up to `end_us`; both are 0 while nothing has been seen."""

    end_us: int
    secs: float
    total: Total

    def by_holder(self, networks: Networks) -> tuple[list[Usage], Usage]:
        """The usage of each customer, in no order, and of those who only pass through: of nobody here."""
        numbers = self.total.networks.tolist()
        ours = [n for n in numbers if n >= 0]
        names = {-1: "", **dict(zip(ours, networks.holders(ours, self.end_us), strict=True))}
        sums: dict[str, U64] = {"": np.zeros(len(SUMS), np.uint64)}
        for number, row in zip(numbers, self.total.sums, strict=True):
            name = names[number]
            sums[name] = sums[name] + row if name in sums else row
        transit = sums.pop("")
        return [Usage(name, *row.tolist()) for name, row in sums.items()], Usage("", *transit.tolist())


class Meter:
    """Takes each closed pane; belongs to the worker that closes them."""

    def __init__(self, networks: Networks, pane_us: int = 5 * SECOND) -> None:
        """Begin with nothing seen."""
        self._networks = networks
        self._pane_us = pane_us
        self._of_slot = np.zeros(0, np.int32)
        self._era = 0
        self._panes: deque[tuple[int, Total]] = deque()

    def add(self, rows: Columns, end_us: int, slots: int, era: int = 0) -> None:
        """Count the rows of a pane, or of a part of it. `slots` is one more than the greatest slot number; `era` changes when numbers are given out again."""
        while self._panes and self._panes[0][0] <= end_us - SPAN_US:
            self._panes.popleft()
        if not r.length(rows):
            return
        sums = _summed(rows, slots)
        present = np.flatnonzero(sums[:, 4] | sums[:, 5])
        self._learn(rows, present, slots, era)
        parts = [Total(self._of_slot[present].astype(np.intp), sums[present])]
        if self._panes and self._panes[-1][0] == end_us:
            parts.append(self._panes.pop()[1])
        self._panes.append((end_us, _together(parts)))

    def minute(self) -> Minute:
        """Say what the last minute was."""
        if not self._panes:
            return Minute(0, 0.0, Total(np.zeros(0, np.intp), np.zeros((0, len(SUMS)), np.uint64)))
        first_us, end_us = self._panes[0][0] - self._pane_us, self._panes[-1][0]
        return Minute(end_us, (end_us - first_us) / SECOND, _together([total for _, total in self._panes]))

    def _learn(self, rows: Columns, present: NDArray[np.intp], slots: int, era: int) -> None:
        """Find the networks of slots that are new: the owner of an IPv4 address, of an IPv6 /64 that of the address by which it was first seen."""
        if era != self._era:
            self._era, self._of_slot = era, np.zeros(0, np.int32)
        if len(self._of_slot) < slots:
            grown = np.full(max(slots, 2 * len(self._of_slot)), UNKNOWN, np.int32)
            grown[: len(self._of_slot)] = self._of_slot
            self._of_slot = grown
        if not (self._of_slot[present] == UNKNOWN).any():
            return
        new = np.flatnonzero(self._of_slot[rows["slot"]] == UNKNOWN)[::-1]  # of several rows of a slot the first is written last, and stays
        self._of_slot[rows["slot"][new]] = self._networks.networks_of(rows["own_hi"][new], rows["own_lo"][new])


def _summed(rows: Columns, slots: int) -> U64:
    """Sums by slot (slots, 6), in the order of SUMS."""
    out = np.zeros((slots, len(SUMS)), np.uint64)
    columns = (rows[name] for name in ("bytes", "packets", "sampling_rate"))
    if KERNEL:
        KERNEL.sums(out, rows["slot"], rows["outbound"].view(np.uint8), *columns)
        return out
    octets, packets, rate = columns
    times = np.maximum(rate, 1).astype(np.uint64)
    side = rows["slot"].astype(np.int64) * len(SUMS) + ~rows["outbound"]
    flat = out.reshape(-1)
    for at, values in enumerate((octets * times, packets * times, np.ones(len(side), np.uint64))):
        np.add.at(flat, side + 2 * at, values)
    return out


def _together(parts: Sequence[Total]) -> Total:
    """One entry a network."""
    networks, sums = np.concatenate([part.networks for part in parts]), np.concatenate([part.sums for part in parts])
    order = np.argsort(networks, kind="stable")
    ordered = networks[order]
    begin = starts_of(ordered)
    return Total(ordered[begin], np.add.reduceat(sums[order], begin, axis=0))
