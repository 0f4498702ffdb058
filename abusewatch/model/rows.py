"""Columns as a mapping: what passes between label, windows and rules once a record is seen from our side.

A labelled record is a row per own address it touches (an internal record is two rows, one from each side). The names are those of `detect.columns`; arrays
of one mapping have equal length. `slot` is the dense number of the own address and never leaves the process.
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


def take(rows: Mapping[str, Array], which: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Columns:
    """Select rows by index, mask or slice. A mask is turned into indices once, not once a column."""
    if isinstance(which, slice):
        return {name: column[which] for name, column in rows.items()}
    at = np.flatnonzero(which) if which.dtype == np.bool_ else which
    return {name: column.take(at) for name, column in rows.items()}


def join(parts: Sequence[Mapping[str, Array]]) -> Columns:
    """Put mappings of the same columns behind each other."""
    if len(parts) == 1:
        return dict(parts[0])
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def empty() -> Columns:
    """No rows, all columns."""
    return {name: np.zeros(0, dtype) for name, dtype in RECORD_COLUMNS.items()}
