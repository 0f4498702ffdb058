"""The Detector seam: what a class must offer to be named in a rule file, and what the loader knows of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from abusewatch.detect import units
from abusewatch.model.rows import Array

F64 = NDArray[np.float64]
Index = NDArray[np.intp]

ADDRESSES = ("src", "dst", "own", "peer")
TIMES = ("start_us", "end_us")
"""Columns that every detector may read beside those of the rule language."""


class Gauge(NamedTuple):
    """A measure that a detector gives: its unit (`plain` or `seconds`) and a sentence for people."""

    unit: str
    says: str

    @property
    def type(self) -> units.Type:
        """The type that `when` is checked with."""
        return units.number(UNITS[self.unit])


UNITS = {"plain": units.PLAIN, "seconds": units.SECONDS, "bytes": units.BYTES, "packets": units.PACKETS}


class Detector(Protocol):
    """A class without arguments. All it may know are the rows of the window, so that a replay and a live run find the same; but see `Remembering`.

    `on` is "conversation" or "record"; `columns` are names of `detect.columns` or `TIMES`; `measures` say what it gives.
    """

    on: str
    columns: tuple[str, ...]
    measures: Mapping[str, tuple[str, str]]

    def measure(self, rows: Mapping[str, Array], starts: Index) -> Mapping[str, F64]:
        """Give every measure for each of the m groups.

        `rows` holds the declared columns and `weight` (n,), read only, the rows of one group together and in order of time; `starts` (m,) is where each
        group begins. An address is one 64-bit number without meaning: equal for equal addresses. A weight above 1 says that rows were left out.
        """
        ...


@runtime_checkable
class Remembering(Protocol):
    """A detector of this program that keeps what it must know of longer ago than a window: numbers by group, in bounded memory, never an address.

    Its `measure` is given `group` (n,) as well. Those of others may not: their process may end at any time, and what they find would hang on that.
    """

    def note(self, rows: Mapping[str, Array]) -> int:
        """Take each row once, pane by pane, as `group`, `start_us` and `weight` (n,); say how many are not remembered for want of room."""
        ...


class Ready(Protocol):
    """A detector at work: in this process, or in one of its own."""

    def measure(self, rows: Mapping[str, Array], starts: Index) -> Mapping[str, F64]:
        """Give the measures as floats of one entry a group; DetectorFault when it cannot."""
        ...


class DetectorFault(Exception):  # noqa: N818  named for whose fault it is
    """A turn that gave nothing. `reason` is one of REASONS."""

    def __init__(self, reason: str, message: str = "") -> None:
        """Keep the reason, which is counted, and the words, which are logged."""
        super().__init__(message or reason)
        self.reason = reason


REASONS = ("raised", "overran", "died", "output", "pause", "disabled")
"""Why a turn gave nothing: it raised, took too long, its process ended, gave nonsense; or it was not asked: a pause after such an end, or for good."""


@dataclass(frozen=True, slots=True)
class Program:
    """A detector as the loader knows it; `start` makes one that works."""

    name: str
    on: str
    columns: tuple[str, ...]
    measures: Mapping[str, Gauge]
    start: Callable[[], Ready] = field(compare=False)
