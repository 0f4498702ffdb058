"""The ledger of deletions: a chain of hashes, so that no line can be changed or left out unseen."""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple


class Line(NamedTuple):
    """One deletion: its number, when, what class, how many, by which limit.

    And the hash over it and the line before.
    """

    seq: int
    at_us: int
    kind: str
    deleted: int
    rule: str
    hash: str


GENESIS = Line(0, 0, "", 0, "", "")


def following(last: Line, at_us: int, kind: str, count: int, rule: str) -> Line:
    """Make the line that comes after `last`."""
    return Line(last.seq + 1, at_us, kind, count, rule, _hash(last.hash, last.seq + 1, at_us, kind, count, rule))


def broken(lines: Iterable[Line]) -> int | None:
    """Verify the chain: the number of the first line that does not follow from the one before it; None when whole."""
    last = GENESIS
    for line in lines:
        if line != following(last, line.at_us, line.kind, line.deleted, line.rule):
            return line.seq
        last = line
    return None


def _hash(*parts: str | int) -> str:
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()
