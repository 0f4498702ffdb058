"""A batch of flow records as columns: what every source makes and every stage reads.

Element names follow the IPFIX registry where it has one. A packet is a flow record of one packet. Payload has no column, so it cannot travel.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
U16 = NDArray[np.uint16]
U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]
I64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

SAMPLING_UNKNOWN = 0


@dataclass(frozen=True, slots=True)
class FlowBatch:
    """Columns of equal length n, each of shape (n,).

    Addresses are two halves of 128 bits, IPv4 as ::ffff:a.b.c.d (`model.address`). Times are microseconds since the epoch, UTC. `packets` and
    `bytes` are as counted by the exporter, not yet multiplied by `sampling_rate` (1: every packet seen, 0: unknown). For ICMP and ICMPv6 `dst_port`
    holds type * 256 + code and `src_port` is 0, as NetFlow does. `frame` is the number of the record in its capture or table, from 1; 0 when live;
    `frame_last` is the last one of a record that was made of several, else 0.
    `family` is 4 or 6 when every row is of that family, 0 when mixed or unknown; it is a hint that saves work, never a filter.
    """

    start_us: I64
    end_us: I64
    src_hi: U64
    src_lo: U64
    dst_hi: U64
    dst_lo: U64
    src_port: U16
    dst_port: U16
    protocol: U8
    flags: U8
    packets: U64
    bytes: U64
    sampling_rate: U32
    input_if: U32
    output_if: U32
    exporter: U32
    frame: I64
    frame_last: I64
    family: int = 0

    def __len__(self) -> int:
        """Count the records."""
        return len(self.start_us)

    def take(self, rows: NDArray[np.intp] | Bool | slice) -> "FlowBatch":
        """Select rows by index, mask or slice, all columns alike."""
        return FlowBatch(**{name: getattr(self, name)[rows] for name in COLUMNS}, family=self.family)

    def with_columns(self, **columns: NDArray[np.generic]) -> "FlowBatch":
        """Replace some columns."""
        return replace(self, **columns)  # type: ignore[arg-type]  # names are checked by dataclasses.replace


COLUMNS = tuple(f.name for f in fields(FlowBatch) if f.name != "family")
DTYPES: dict[str, type[np.generic]] = {
    "start_us": np.int64, "end_us": np.int64, "src_hi": np.uint64, "src_lo": np.uint64, "dst_hi": np.uint64, "dst_lo": np.uint64,
    "src_port": np.uint16, "dst_port": np.uint16, "protocol": np.uint8, "flags": np.uint8, "packets": np.uint64, "bytes": np.uint64,
    "sampling_rate": np.uint32, "input_if": np.uint32, "output_if": np.uint32, "exporter": np.uint32, "frame": np.int64, "frame_last": np.int64,
}  # fmt: skip
DEFAULTS = {"packets": 1, "sampling_rate": 1}


def batch_of(length: int, family: int = 0, **columns: NDArray[np.generic]) -> FlowBatch:
    """Build a batch of `length` rows from the columns given, each cast to its dtype; a column not given is its default everywhere (stride 0, no memory)."""
    full: dict[str, NDArray[Any]] = {
        name: columns[name].astype(dtype, copy=False) if name in columns else np.broadcast_to(dtype(DEFAULTS.get(name, 0)), (length,))
        for name, dtype in DTYPES.items()
    }
    return FlowBatch(**full, family=family)


def concat(batches: Sequence[FlowBatch]) -> FlowBatch:
    """Join batches in order; an empty sequence gives an empty batch."""
    if not batches:
        return batch_of(0)
    if len(batches) == 1:
        return batches[0]
    families = {b.family for b in batches if len(b)}
    family = families.pop() if len(families) == 1 else 0
    return FlowBatch(**{name: np.concatenate([getattr(b, name) for b in batches]) for name in COLUMNS}, family=family)
