"""Columns as a mapping: what passes between label, windows and rules once a record is seen from our side.

A labelled record is a row per own address it touches (an internal record is two rows, one from each side). The names are those of `detect.columns`; arrays
of one mapping have equal length. `slot` is the dense number of the own address and never leaves the process.

A column with one value in all rows (the upper half of IPv4 addresses, the one exporter of a site, a sampling rate of 1) is held as that value with stride 0: it
costs neither memory nor time wherever rows are taken or joined, and is half of all columns in the common case. Such a column can be read like any, not written.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Columns = dict[str, Array]

RECORD_COLUMNS: dict[str, type[np.generic]] = {
    "slot": np.int32, "own_hi": np.uint64, "own_lo": np.uint64, "peer_hi": np.uint64, "peer_lo": np.uint64,
    "own_port": np.uint16, "peer_port": np.uint16, "protocol": np.uint8, "flags": np.uint8, "packets": np.uint64, "bytes": np.uint64,
    "start_us": np.int64, "end_us": np.int64, "outbound": np.bool_, "internal": np.bool_, "transit": np.bool_, "spoofed": np.bool_,
    "sampling_rate": np.uint32, "input_if": np.uint32, "exporter": np.uint32, "frame": np.int64, "frame_last": np.int64,
}  # fmt: skip
"""`own_*`/`peer_*`: our side and the other side. Rows of `transit` have neither end ours: `own` is what the packet claims, and nobody is charged with it;
`spoofed` are those of them that came in by a customer's port."""


def length(rows: Mapping[str, Array]) -> int:
    """Count the rows."""
    return len(rows["slot"])


def constant(column: Array) -> bool:
    """Whether a column is held as one value for all rows."""
    return column.strides == (0,)


def alike(column: Array, n: int) -> Array:
    """`n` rows that have all the first value of a column, which is not empty: held once, as `np.broadcast_to` does in four times the time."""
    return np.ndarray((n,), column.dtype, column[:1], 0, (0,))


def settled(column: Array) -> Array:
    """The same column, as one value when all rows have the same."""
    if constant(column) or not len(column) or column[0] != column[-1] or (column != column[0]).any():
        return column
    one = column[:1].copy()  # of its own, or all of the column would stay in memory
    one.flags.writeable = False
    return alike(one, len(column))


def pick(column: Array, at: NDArray[np.intp]) -> Array:
    """Some rows of a column by index."""
    return alike(column, len(at)) if column.strides == (0,) and len(column) else column.take(at)


def put(rows: Columns, name: str, at: NDArray[np.intp], values: Array) -> None:
    """Write some rows of a column, which first gets a place for each row when it was one value."""
    if constant(rows[name]):
        if len(values) == 0 or (values == rows[name][0]).all():
            return
        rows[name] = rows[name].copy()
    rows[name][at] = values


def take(rows: Mapping[str, Array], which: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Columns:
    """Select rows by index, mask or slice. A mask is turned into indices once, not once a column."""
    if isinstance(which, slice):
        return {name: column[which] for name, column in rows.items()}
    at: NDArray[np.intp] = np.flatnonzero(which) if which.dtype == np.bool_ else which  # type: ignore[assignment]  # dtype says which it is
    return {name: pick(column, at) for name, column in rows.items()}


def behind(parts: Sequence[Array]) -> Array:
    """Put arrays of one column behind each other."""
    if len(parts) == 1:
        return parts[0]
    held = [part for part in parts if len(part)]
    if held and all(constant(part) and part[0] == held[0][0] for part in held):
        return alike(held[0], sum(map(len, held)))
    return np.concatenate(parts)


def join(parts: Sequence[Mapping[str, Array]]) -> Columns:
    """Put mappings of the same columns behind each other."""
    return {name: behind([part[name] for part in parts]) for name in parts[0]}


def joined(parts: Sequence[Columns]) -> Columns:
    """The same, but nothing is left in the parts: each column is let go of once it is copied, so that there never are two of all."""
    return {name: behind([part.pop(name) for part in parts]) for name in tuple(parts[0])}


def empty() -> Columns:
    """No rows, all columns."""
    return {name: np.zeros(0, dtype) for name, dtype in RECORD_COLUMNS.items()}
