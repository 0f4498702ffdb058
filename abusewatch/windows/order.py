"""Grouping by sorting: the one expensive primitive of the engine, kept in one place.

numpy sorts plain u64 with SIMD (14-28 ns a row) but needs 100 ns for an index sort and 650 ns for `np.unique` (numpy issue 31969), so the row number is
packed beside the upper bits of the key and the plain sort does both.
"""

import numpy as np
from numpy.typing import NDArray

from abusewatch.model.compiled import kernel

KERNEL = kernel("abusewatch.windows._passes")

U64 = NDArray[np.uint64]
Index = NDArray[np.intp]


SEED = 0x243F6A8885A308D3
_ABSORBED = frozenset(map(np.dtype, (np.bool_, np.uint8, np.uint16, np.uint32, np.uint64, np.int32, np.int64)))


def mix(*columns: NDArray[np.generic]) -> U64:
    """Hash integer columns of equal length row by row to 64 bits (splitmix64 rounds, Steele 2014). The same on every machine and in every run.

    Columns of one value (stride 0) before the first other one are hashed once.
    """
    state = np.full(1, SEED, np.uint64)
    for column in columns:
        alike = column.strides == (0,) and len(column) > 0 and len(state) == 1
        if KERNEL and not alike and column.dtype in _ABSORBED:
            state = np.full(len(column), state[0]) if len(state) != len(column) else state
            KERNEL.absorb(state, column.view(np.uint8) if column.dtype == np.bool_ else column)
            continue
        state = state ^ (column[:1] if alike else column).astype(np.uint64)
        state *= np.uint64(0x9E3779B97F4A7C15)
        state ^= state >> np.uint64(29)
        state *= np.uint64(0xBF58476D1CE4E5B9)
        state ^= state >> np.uint64(32)
    return state if len(state) == len(columns[0]) else np.broadcast_to(state, columns[0].shape)


def mix_at(at: Index, *columns: NDArray[np.generic]) -> U64:
    """`mix` of some rows, which no column is copied for."""
    if KERNEL is None or any(column.dtype not in _ABSORBED for column in columns):
        return mix(*(column.take(at) for column in columns))
    state = np.full(len(at), SEED, np.uint64)
    for column in columns:
        KERNEL.absorb_at(state, column.view(np.uint8) if column.dtype == np.bool_ else column, at)
    return state


def order_of(keys: U64) -> Index:
    """Indices that bring equal keys together (not in numeric order of the whole key)."""
    n = len(keys)
    bits = max(1, (n - 1).bit_length()) if n else 1
    low = np.uint64((1 << bits) - 1)
    packed = np.sort((keys & ~low) | np.arange(n, dtype=np.uint64))
    order = (packed & low).astype(np.intp)
    ordered = keys[order]
    # Two different keys with the same upper bits may interleave; rare, and then the slow sort is right.
    mixed = (ordered[1:] != ordered[:-1]) & ((packed[1:] ^ packed[:-1]) <= low)
    return np.argsort(keys, kind="stable") if mixed.any() else order


def order_of_small(values: NDArray[np.integer]) -> Index:
    """Indices that sort values from 0 to 2^31; equal ones keep their order. A plain sort with the row number packed below: five times as fast as argsort."""
    packed = np.sort(values.astype(np.uint64) << np.uint64(32) | np.arange(len(values), dtype=np.uint64))
    return (packed & np.uint64(0xFFFF_FFFF)).astype(np.intp)


BUCKET_BITS = 16


def bucket_of(hashes: U64) -> Index:
    """A number below 2^16 for each hash. What is summed by bucket is never less than what belongs to one hash: a sieve that costs a tenth of a sort."""
    return (hashes >> np.uint64(64 - BUCKET_BITS)).astype(np.intp)


def starts_of(ordered: NDArray[np.generic]) -> Index:
    """Where each run of equal values begins."""
    if not len(ordered):
        return np.zeros(0, np.intp)
    return np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))


def ranges(begin: NDArray[np.integer], count: NDArray[np.integer]) -> Index:
    """Concatenate the index ranges begin[i] .. begin[i] + count[i]."""
    total = int(count.sum())
    if not total:
        return np.zeros(0, np.intp)
    offsets = np.repeat(begin - (np.cumsum(count) - count), count)
    return (offsets + np.arange(total)).astype(np.intp)


LOOKS = 16  # up to here they cost less than half of a search: of 13,000 groups 16 us against 40 for eight, 39 against 143 for twenty


def among(group: U64, few: U64) -> NDArray[np.bool_]:
    """Which groups are among a few (sorted): one search, where np.isin would sort them all, or a look for each where they are very few."""
    found: NDArray[np.bool_] = np.zeros(len(group), np.bool_)
    if len(few) <= LOOKS:
        for one in few:
            found |= group == one
        return found
    found |= few[np.minimum(np.searchsorted(few, group), len(few) - 1)] == group
    return found
