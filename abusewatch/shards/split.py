"""Which rows go to which shard: by the number of the own address (`inventory.slots`), so that whatever may meet in a conversation or a group stays together.

Addresses get their numbers in order of appearance, so shards hold equally many of them, and each counts its own from 0: what is held by number is not held
once a shard. A row in transit has the number of the interface it came in by, and rules on such rows judge interfaces.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from abusewatch.detect.expression import names
from abusewatch.detect.gate import implied
from abusewatch.detect.rule import Rule
from abusewatch.model import rows as r
from abusewatch.model.rows import Array, Columns
from abusewatch.windows.order import Index

FOREIGN = frozenset({"transit", "spoofed"})


def places(slot: Array, shards: int) -> Iterator[Index]:
    """The rows of each shard."""
    of: NDArray[np.int32] = slot % shards
    return (np.flatnonzero(of == shard) for shard in range(shards))


def count(slots: int, shard: int, shards: int) -> int:
    """How many of the numbers below `slots` are those of a shard: one more than the greatest that it counts."""
    return max(0, -(-(slots - shard) // shards))


def within(slot: int, shards: int) -> tuple[int, int]:
    """The shard of an address, and its number there; -1, which is nobody's, stays what it is."""
    return (slot % shards, slot // shards) if slot >= 0 else (0, slot)


def taken(rows: Columns, at: Index, shards: int) -> Columns:
    """The rows of a shard, numbered as it counts."""
    return r.take(rows, at) | {"slot": rows["slot"].take(at) // np.int32(shards)}


def inseparable(rules: Sequence[Rule]) -> list[str]:
    """Name the rules whose groups bring several of our addresses together: they must see all rows in one process."""
    return [rule.id for rule in rules if rule.status != "sandbox" and not _separable(rule)]


def _separable(rule: Rule) -> bool:
    """Whether every group, and every finding, is of one own address or, of rows in transit, of one interface."""
    keys = {key.column for key in rule.identity if key.v4_bits in {None, 32} and (key.v6_bits or 64) >= 64}
    fixed = implied(rule.match.where)
    if names(rule.match.where) & FOREIGN:
        return any(fixed.get(name) for name in FOREIGN) and "input_if" in keys
    ours = {"own"} | ({"src"} if rule.match.on == "record" else set())
    if fixed.get("initiator") or fixed.get("outbound"):
        ours.add("src")
    if fixed.get("initiator") is False or fixed.get("inbound"):
        ours.add("dst")
    return bool(keys & ours)
