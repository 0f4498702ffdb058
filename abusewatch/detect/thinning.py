"""When a group has more rows than are kept: those of least hash stay, the same in every run, and carry the weight of the others."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abusewatch.model import rows as r
from abusewatch.model.compiled import kernel
from abusewatch.model.rows import Array, Columns
from abusewatch.windows.order import Index, bucket_of, order_of, ranges, starts_of

KERNEL = kernel("abusewatch.detect._passes")

F64 = NDArray[np.float64]

FIRED_ROWS = 64  # rows of a group that has fired before: enough to see that it goes on
EXACT_BELOW = 64
"""From this limit on a group keeps what lies below a bound of the hash, which is about so many rows; fewer are counted out, since that costs a second sort."""
NONE = np.zeros(0, np.uint64)
ALL = np.uint64((1 << 64) - 1)


def thinned(
    rows: Columns, limit: int, fired: Array = NONE, sums: Collection[str] = (), *, room: int | None = None, least: int = 1
) -> tuple[Columns, int]:
    """Keep about `limit` rows of a group, those of least hash (the same ones in every run), which stand for all; also say how many went.

    With `room` for fewer than there are, the limit is a half, a quarter, ... of it, by which they fit, but no less than `least`.
    `reach` of each row is the greatest hash that stayed in its group: different values are counted fairly only among rows up to the least `reach` there is.
    Weights of a group keep their sum. So do the values of the measures named in `sums` (`name=` where `name?`): flows differ in size by powers of ten, and a
    sum over a few of them, scaled up, would sometimes raise what the whole does not.
    """
    group = rows["group"]
    if room is not None and len(group) > room and _fewest(group, least) > room:
        limit, room = least, None  # no greater one fits: that is known without a sort of all rows
    tight = room is not None and len(group) > room
    at = None if tight else _perhaps_crowded(group, min(limit, FIRED_ROWS) if len(fired) else limit)
    if at is not None:
        if not len(at):
            return rows, 0
        group = group.take(at)
    order = order_of(group)
    group = group.take(order)
    starts = starts_of(group)
    sizes = np.diff(np.append(starts, len(group)))
    limits = np.full(len(starts), limit if room is None or not tight else limit_for(sizes, limit, room, least))
    if len(fired):
        place = np.minimum(np.searchsorted(fired, group[starts]), len(fired) - 1)
        limits[fired[place] == group[starts]] = min(limits[0], FIRED_ROWS)
    crowded = np.flatnonzero(sizes > limits)
    if not len(crowded):
        return rows, 0
    sizes, limits = sizes[crowded], limits[crowded]
    mine = order[ranges(starts[crowded], sizes)]
    if at is not None:
        mine = at[mine]
    return _without(rows, mine, np.repeat(np.arange(len(crowded)), sizes), sizes, limits, sums)


def limit_for(sizes: Array, most: int, room: int, least: int = 1) -> int:
    """The greatest limit, `most` or a half, a quarter, ... of it, by which groups of some sizes fit into `room`; `least` if none does."""
    limit = most
    while limit > least and np.minimum(sizes, limit).sum() > room:
        limit //= 2
    return max(limit, least)


def _fewest(group: Array, limit: int) -> int:
    """How many rows stay at least when each group may keep `limit`: as many as if all groups of a bucket were one."""
    return int(np.minimum(np.bincount(bucket_of(group)), limit).sum())


def _perhaps_crowded(group: Array, limit: int) -> Index:
    """Rows of buckets with more than `limit` rows: only there can a group have so many, and to count by bucket needs no sort."""
    if len(group) <= limit:
        return np.zeros(0, np.intp)
    bucket = bucket_of(group)
    busy = np.bincount(bucket) > limit
    return np.flatnonzero(busy.take(bucket))


def _without(
    rows: Columns, mine: Index, number: Index, sizes: Array, limits: Array, sums: Collection[str]
) -> tuple[Columns, int]:
    """Thin the rows `mine` of crowded groups, which stand group by group."""
    chance = rows["chance"].take(mine)
    starts = np.cumsum(sizes) - sizes
    if int(limits.min()) >= EXACT_BELOW:
        # Hashes are spread evenly up to the greatest there is, also in a group that has been thinned before.
        bound = (limits / sizes * np.maximum.reduceat(chance, starts)).astype(np.uint64)
        none = np.minimum.reduceat(chance, starts) > bound  # rows that are alike have one hash
        bound[none] = ALL
        stays = chance <= bound[number]
    else:
        order = _by_chance(number, chance)
        mine, chance = mine[order], chance[order]
        stays = ranges(np.zeros(len(sizes), np.intp), sizes) < limits[number]
        bound = chance[starts + limits - 1]
    cut, kept = _Cut(mine, number, starts, chance, stays), mine[stays]
    changed = {"weight": cut.weights(rows["weight"]), "reach": rows["reach"].copy()}
    changed["reach"][kept] = np.minimum(rows["reach"][kept], bound[number[stays]])
    for name in sums:
        changed[f"{name}="] = cut.values(rows, name, changed["weight"])
    keep = np.ones(r.length(rows), np.bool_)
    keep[mine[~stays]] = False
    thin = r.take(rows | changed, keep)
    return thin, r.length(rows) - r.length(thin)


def _by_chance(number: Index, chance: Array) -> Index:
    """Order by number, then chance: one sort of both in a word, with the place below, unless that leaves too little of the chance to tell rows apart."""
    place = max(len(number) - 1, 1).bit_length()
    room = 64 - place - int(number[-1]).bit_length()
    both = number.astype(np.uint64) << np.uint64(place + room) | chance >> np.uint64(64 - room) << np.uint64(place)
    packed = np.sort(both | np.arange(len(number), dtype=np.uint64))
    alike = packed[1:] >> np.uint64(place) == packed[:-1] >> np.uint64(place)
    if alike.any():
        return np.lexsort((chance, number))
    return (packed & np.uint64((1 << place) - 1)).astype(np.intp)


@dataclass(frozen=True, slots=True)
class _Cut:
    """Rows of crowded groups (`mine`, with the `number` of the group of each), group by group from `starts` on; their `chance`, and whether each `stays`."""

    mine: Index
    number: Index
    starts: Index
    chance: Array
    stays: NDArray[np.bool_]

    def weights(self, weight: F64) -> F64:
        """Weights in proportion that sum to the total of their group, in steps of 1/1024: such sums are exact and move no count over a threshold."""
        changed = weight.copy()
        if KERNEL:
            KERNEL.weights(changed, weight, self.mine, self.starts, self.stays.view(np.uint8), self.chance)
            return changed
        kept, of = self.mine[self.stays], self.number[self.stays]
        totals, left = np.bincount(self.number, weights=weight[self.mine]), np.bincount(of, weights=weight[kept])
        scaled = np.floor(weight[kept] * (totals / left)[of] * 1024) / 1024
        chance = self.chance[self.stays]
        least = np.flatnonzero(chance == np.minimum.reduceat(chance, starts_of(of))[of])
        one = least[starts_of(of[least])]  # what rounding left over goes to one row of each group, the same in every run
        scaled[one] += totals - np.bincount(of, weights=scaled)
        changed[kept] = scaled
        return changed

    def values(self, rows: Columns, name: str, weight: F64) -> F64:
        """Values of a measure, scaled so that their sum over the rows kept is that over all, but for the rounding that `measures.total` undoes."""
        value, mask = rows[f"{name}="], rows[f"{name}?"]
        changed = value.copy()
        if KERNEL:
            KERNEL.values(changed, value, mask.view(np.uint8), rows["weight"], weight, self.mine, self.starts, self.stays.view(np.uint8))
            return changed
        kept, of = self.mine[self.stays], self.number[self.stays]
        before = np.bincount(self.number, weights=(rows["weight"] * value * mask)[self.mine])
        after = np.bincount(of, weights=(weight * value * mask)[kept], minlength=len(before))
        scale = before / np.where(after > 0, after, 1.0)
        changed[kept] = value[kept] * scale[of]
        return changed
