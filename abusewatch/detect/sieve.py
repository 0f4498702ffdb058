"""Which rows of a pane may belong to a flood at all: what every rule on both directions of a short burst would otherwise find out for itself.

Those rules judge one of our addresses against one other, or against its network, and ask for thousands of packets. So rows are summed by buckets of (own
address, network of the peer), once for all of them: a group lies in one bucket whole, hence a bucket below the least bound holds no group that reaches its own,
and of a pane few buckets remain. A pane is held until the next one has closed, since that one may bring what makes it matter.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from abusewatch.detect.expression import Name
from abusewatch.detect.hot import SHARE
from abusewatch.detect.keys import all_v4
from abusewatch.detect.rule import Key, Rule
from abusewatch.detect.views import Picked, View
from abusewatch.model.compiled import kernel
from abusewatch.model.rows import Array
from abusewatch.windows.order import U64, Index

KERNEL = kernel("abusewatch.detect._passes")

U16 = NDArray[np.uint16]
F64 = NDArray[np.float64]

BITS = 16
SHIFT = np.uint64(64 - BITS)
PEER_BITS = (24, 48)
"""Prefix lengths, v4 and v6, by which peers share a bucket. A rule that groups by wider networks is not served."""
BASE = {"packets": ("packets", 1.0), "bytes": ("bytes", 1.0), "bits": ("bytes", 8.0)}
"""What a measure may add up: the column, and how many of it make one of its unit."""
SUMMED = ("packets", "bytes")
NEVER_US = -(1 << 62)


@dataclass(frozen=True, slots=True)
class Floor:
    """Packets or octets that a bucket has at least if some group in it reaches its share of a bound; nothing is below 0."""

    packets: float = np.inf
    bytes: float = np.inf

    def least(self, other: "Floor") -> "Floor":
        """What serves both."""
        return Floor(min(self.packets, other.packets), min(self.bytes, other.bytes))


def floor(rule: Rule, bounds: Sequence[dict[str, float]]) -> Floor | None:
    """The floor of a rule whose raises need one of `bounds`; None when it groups by less than a bucket, or asks for what is not added up here."""
    if not _within_bucket(rule.match.per):
        return None
    found = Floor()
    for branch in bounds:
        lows = [low for name, bound in branch.items() if (low := _low(rule, name, bound))]
        if not lows:
            return None
        found = found.least(lows[0])
    return found


def _within_bucket(per: Sequence[Key]) -> bool:
    ours = any(key.column == "own" and key.v4_bits is None and key.v6_bits is None for key in per)
    theirs = (key for key in per if key.column == "peer")
    return ours and any((key.v4_bits or 32) >= PEER_BITS[0] and (key.v6_bits or 128) >= PEER_BITS[1] for key in theirs)


def _low(rule: Rule, name: str, bound: float) -> Floor | None:
    measure = rule.measures[name]
    value = measure.value
    if measure.function not in {"sum", "rate"} or not isinstance(value, Name) or value.name not in BASE:
        return None
    column, each = BASE[value.name]
    total = bound / each * (rule.match.window_secs if measure.function == "rate" else 1)
    return Floor(**{column: total * SHARE * (1 - 1e-6)})


@dataclass(frozen=True, slots=True)
class Turn:
    """What is left of the pane that has just closed, and of the one before it, now that both are known. None: nothing was there."""

    now: View
    before: View | None
    before_us: int = 0


@dataclass(slots=True)
class Sieve:
    """Until when each bucket is wanted, in event time: for `grace_us` after it was last above the floor, since answers come that late."""

    floor: Floor
    grace_us: int
    _held: tuple[View, U16, int] | None = None
    """The pane before, the bucket of each of its rows, and its end."""
    _until_us: NDArray[np.int64] = field(default_factory=lambda: np.full(1 << BITS, NEVER_US, np.int64))

    @property
    def holds(self) -> bool:
        """Whether a pane waits for the next."""
        return self._held is not None

    def turn(self, view: View, end_us: int) -> Turn:
        """Take a pane; give its rows that matter so far, and those of the pane before."""
        bucket, sent = poured(view)
        above = (sent["packets"] >= self.floor.packets) | (sent["bytes"] >= self.floor.bytes)
        self._until_us[above] = end_us + self.grace_us
        held, self._held = self._held, (view, bucket, end_us) if view.rows else None
        now = Picked(view, np.flatnonzero(above.take(bucket)))  # which is only looked at, and of which few columns are asked for
        if held is None:
            return Turn(now, None)
        before, before_bucket, before_us = held
        return Turn(now, _only(before, (self._until_us >= before_us).take(before_bucket)), before_us)


def _only(view: View, wanted: NDArray[np.bool_]) -> View:
    return view if wanted.all() else view.only(np.flatnonzero(wanted))


def poured(view: View) -> tuple[U16, dict[str, F64]]:
    """The bucket of each row, and the packets and octets that our side sent in all rows of each; sampled ones count as many as they stand for."""
    if not view.rows:
        return np.zeros(0, np.uint16), {name: np.zeros(1 << BITS) for name in SUMMED}
    if KERNEL is None:
        return _poured(view)
    bucket, sent = np.empty(view.rows, np.uint16), np.zeros((1 << BITS, len(SUMMED)))
    columns = (view[name] for name in (*SUMMED, "sampling_rate"))
    KERNEL.pour(bucket, sent, view["slot"], view["peer_hi"], view["peer_lo"], view.stored("outbound").view(np.uint8), *columns)
    return bucket, dict(zip(SUMMED, sent.T, strict=True))


def _poured(view: View) -> tuple[U16, dict[str, F64]]:
    bucket = _buckets(view)
    weight = view.stored("outbound") * np.maximum(view["sampling_rate"], 1).astype(np.float64)
    sent: dict[str, Array] = {name: np.bincount(bucket, weights=view[name] * weight, minlength=1 << BITS) for name in SUMMED}
    return bucket.astype(np.uint16), sent


def _buckets(view: View) -> Index:
    hi, lo = view["peer_hi"], view["peer_lo"]
    v4_net, v6_net = lo >> np.uint64(32 - PEER_BITS[0]), hi >> np.uint64(64 - PEER_BITS[1])
    if all_v4(hi, lo):
        net: U64 = v4_net
    else:
        net = np.where((hi == 0) & (lo >> np.uint64(32) == np.uint64(0xFFFF)), v4_net, v6_net)
    mixed = (net ^ view["slot"].astype(np.uint64) << np.uint64(32)) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return (mixed >> SHIFT).astype(np.intp)
