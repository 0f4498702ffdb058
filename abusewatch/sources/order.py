"""Flow records of a table in order of their end, in bounded memory: what the engine's event time expects of an exporter."""

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np

from abusewatch.model.flow import FlowBatch, concat

HELD = 2_000_000
"""Rows held at most, 200 MB; a table whose disorder reaches no further than half of that comes out in order."""
BATCH = 100_000


def by_end(batches: Iterable[FlowBatch], counts: Counter[str], held: int = HELD) -> Iterator[FlowBatch]:
    """Order rows by end time, stably, and give them in batches of at most BATCH; rows that came too late for that are counted as `out_of_order`."""
    waiting: list[FlowBatch] = []
    size, last = 0, np.iinfo(np.int64).min
    for batch in batches:
        waiting.append(batch)
        size += len(batch)
        if size >= held:
            rows = _ordered(waiting)
            half = rows.take(slice(0, size // 2))
            _count_late(half, last, counts)
            last = max(last, int(half.end_us[-1]))
            yield from split(half)
            waiting = [rows.take(slice(size // 2, size))]
            size -= size // 2
    rows = _ordered(waiting)
    _count_late(rows, last, counts)
    yield from split(rows)


def _count_late(rows: FlowBatch, last: int, counts: Counter[str]) -> None:
    if late := int(np.count_nonzero(rows.end_us < last)):
        counts["out_of_order"] += late


def _ordered(batches: list[FlowBatch]) -> FlowBatch:
    rows = concat(batches)
    return rows if (np.diff(rows.end_us) >= 0).all() else rows.take(np.argsort(rows.end_us, kind="stable"))


def split(batch: FlowBatch) -> Iterator[FlowBatch]:
    """Cut a batch into ones of at most BATCH rows; an empty one gives none."""
    for first in range(0, len(batch), BATCH):
        yield batch if len(batch) <= BATCH else batch.take(slice(first, first + BATCH))


def joined(batches: Iterable[FlowBatch], enough: int = BATCH // 10) -> Iterator[FlowBatch]:
    """Join small batches until they have `enough` rows, so that what costs per batch does not count; cut large ones."""
    waiting: list[FlowBatch] = []
    size = 0
    for batch in batches:
        waiting.append(batch)
        size += len(batch)
        if size >= enough:
            yield from split(concat(waiting))
            waiting, size = [], 0
    yield from split(concat(waiting))
