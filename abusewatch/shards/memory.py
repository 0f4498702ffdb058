"""Columns in memory that two processes share: written once, while the rows of a shard are chosen, and copied out by who decides them.

Memory files (memfd_create(2)) are used again and again, since fresh pages cost more than what is written on them. A file is free when its pane has been
answered; a process that dies leaves nothing behind.
"""

import mmap
import os
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from abusewatch.model import rows as r
from abusewatch.model.rows import Array, Columns
from abusewatch.windows.order import Index

ALIGNED = 64
LEAST = 1 << 20


class Layout(msgspec.Struct, frozen=True):
    """Where each column begins in the file of a number, by name and type; a column of one value is that value (`alike`) and takes no place.

    `size` is that of the whole file when it comes along with this message for the first time, else 0.
    """

    rows: int = 0
    file: int = 0
    size: int = 0
    columns: dict[str, tuple[str, int]] = {}
    alike: dict[str, tuple[str, bytes]] = {}


class Files:
    """The memory files of one shard, as many as it has panes at a time."""

    def __init__(self) -> None:
        """Begin with none."""
        self._free: list[tuple[int, mmap.mmap]] = []
        self._used: dict[int, mmap.mmap] = {}
        self._made = 0

    def write(self, columns: Mapping[str, Array], at: Index) -> tuple[Layout, int | None]:
        """Write some rows; say where, and give the file when it is a new one (to be closed once sent). OSError when there is no memory."""
        n, end = len(at), 0
        places: dict[str, tuple[str, int]] = {}
        alike: dict[str, tuple[str, bytes]] = {}
        for name, column in columns.items() if n else ():
            if r.constant(column):
                alike[name] = column.dtype.str, column[:1].tobytes()
                continue
            places[name] = column.dtype.str, end
            end += -(-n * column.itemsize // ALIGNED) * ALIGNED
        number, memory, file = self._of(end)
        layout = Layout(n, number, len(memory) if file is not None else 0, places, alike)
        for name, column in _placed(layout, memory).items():
            np.take(columns[name], at, out=column, mode="clip")  # of checked indices: `raise` would copy once more
        self._used[number] = memory
        return layout, file

    def free(self, number: int) -> None:
        """A pane has been answered: its file may be written again."""
        if number in self._used:
            self._free.append((number, self._used.pop(number)))

    def _of(self, size: int) -> tuple[int, mmap.mmap, int | None]:
        fit = [each for each in self._free if len(each[1]) >= size]
        if fit:
            self._free.remove(fit[0])
            return *fit[0], None
        size = max(1 << size.bit_length(), LEAST)
        if self._free:
            number = self._free.pop()[0]  # too small: the other side lets go of it as well when it hears of one of its number
        else:
            self._made += 1
            number = self._made
        file = os.memfd_create("abusewatch-pane", os.MFD_CLOEXEC)
        try:
            os.ftruncate(file, size)
            memory = mmap.mmap(file, size)
        except OSError:
            os.close(file)
            raise
        return number, memory, file


class Copies:
    """The same files at the other end."""

    def __init__(self) -> None:
        """Begin with none."""
        self._files: dict[int, mmap.mmap] = {}

    def read(self, layout: Layout, file: int | None) -> Columns:
        """Copy the columns out; a file that is new is mapped and closed."""
        if file is not None:
            self._files[layout.file] = mmap.mmap(file, layout.size, prot=mmap.PROT_READ)
            os.close(file)
        if not layout.rows:
            return r.empty()
        columns = {
            name: np.broadcast_to(np.frombuffer(value, kind)[0], (layout.rows,))
            for name, (kind, value) in layout.alike.items()
        }
        return columns | {name: column.copy() for name, column in _placed(layout, self._files[layout.file]).items()}


def _placed(layout: Layout, memory: mmap.mmap) -> dict[str, np.ndarray[Any, Any]]:
    return {name: np.frombuffer(memory, kind, layout.rows, place) for name, (kind, place) in layout.columns.items()}
