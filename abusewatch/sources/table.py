"""Flow tables: CSV with a header, Parquet through DuckDB; to flow batches ordered by end time.

The file is cut at its commas by column arithmetic; a row that cannot be read costs itself and is counted, with its line in the message.
"""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from abusewatch.model.flow import I64, U8, Bool, FlowBatch, batch_of
from abusewatch.sources import columns
from abusewatch.sources.compress import InputError

NAMES = {
    "start": ("start", "ts", "firstseen"), "end": ("end", "te", "lastseen"), "src": ("src", "sa", "srcaddr"), "dst": ("dst", "da", "dstaddr"),
    "sport": ("sport", "sp", "srcport"), "dport": ("dport", "dp", "dstport"), "proto": ("proto", "pr"), "pkts": ("pkts", "ipkt", "packets"),
    "bytes": ("bytes", "ibyt"), "flags": ("flags", "flg"),
}  # fmt: skip
"""Our names, those of `nfdump -o csv`, and those of its newer versions."""
REQUIRED = ("src", "dst")
HEADER_LIMIT = 65_536
LINE_LIMIT = 65_536
REPORTED = 5
"""Rows whose fault is told in words; the rest is only counted."""
COMMA, NEWLINE, UNREADABLE = 44, 10, 33
SUMMARY = b"\nSummary\n"
"""nfdump ends its table with totals under this line."""


def header_of(head: bytes) -> dict[str, int] | None:
    """Say which column stands where, when `head` starts with the header of a flow table."""
    line = head[:HEADER_LIMIT].split(b"\n", 1)[0].removeprefix(b"\xef\xbb\xbf")
    try:
        found = [name.strip(' "\r').lower().replace("_", "") for name in line.decode("ascii").split(",")]
    except UnicodeDecodeError:
        return None
    places = {ours: found.index(name) for ours, names in NAMES.items() for name in names if name in found}
    usable = all(name in places for name in REQUIRED) and ("start" in places or "end" in places)
    return {**places, "": len(found)} if usable else None


class CsvTable:
    """Reads the rows of a CSV given in chunks; `counts` and `problems` say what was lost."""

    def __init__(self, name: str, places: dict[str, int], counts: Counter[str], problems: list[str]) -> None:
        """`places` is what `header_of` found."""
        self._name, self._places, self._counts, self._problems = name, dict(places), counts, problems
        self._fields = self._places.pop("")
        self._line = 1
        self._done = False

    def batches(self, chunks: Iterable[bytes]) -> Iterator[FlowBatch]:
        """Give the rows as they come, a batch a chunk; row numbers count the lines behind the header."""
        rest = b""
        for chunk in chunks:
            text, _, tail = (rest + chunk).rpartition(b"\n")
            if len(tail) > LINE_LIMIT:
                raise InputError(f"{self._name}: expected lines of at most {LINE_LIMIT} bytes, found a longer one behind line {self._line}")
            rest = tail
            if text:
                yield self._rows(text + b"\n")
            if self._done:
                return
        if rest.strip():
            yield self._rows(rest + b"\n")

    def _rows(self, text: bytes) -> FlowBatch:
        if b'"' in text:
            text = _unquoted(text)
        text, done, _ = text.partition(SUMMARY)
        self._done = bool(done)
        data = np.frombuffer(text + done[:1], np.uint8)
        ends = np.flatnonzero(data == NEWLINE)
        starts = np.concatenate(([0], ends[:-1] + 1))
        lines = np.arange(self._line, self._line + len(ends))
        self._line += len(ends)
        if lines[0] == 1:
            starts, ends, lines = starts[1:], ends[1:], lines[1:]
        commas = np.flatnonzero(data == COMMA)
        first = np.searchsorted(commas, starts)
        fields = np.searchsorted(commas, ends) - first + 1
        shaped = fields == self._fields
        blank = (ends == starts) | ((ends == starts + 1) & (data[starts] == 13))
        self._report(lines[~shaped & ~blank], f"has not {self._fields} fields")
        starts, ends, lines, first = starts[shaped], ends[shaped], lines[shaped], first[shaped]
        return self._read(data, commas, first, starts, ends, lines)

    def _read(self, data: U8, commas: I64, first: I64, starts: I64, ends: I64, lines: I64) -> FlowBatch:
        def column(name: str) -> U8:
            place = self._places[name]
            begin = starts if place == 0 else commas[first + place - 1] + 1
            end = ends if place == self._fields - 1 else commas[first + place]
            if place == self._fields - 1 and len(ends):
                end = end - (data[ends - 1] == 13)
            return _aligned(data, begin, end)

        bad = np.zeros(len(lines), np.bool_)
        found: dict[str, Any] = {}
        for name, read in READERS.items():
            if name in self._places:
                found[name], wrong = read(column(name))
                self._report(lines[wrong & ~bad], f"has an unreadable {name}")
                bad |= wrong
        for side in ("src", "dst"):
            hi, lo, wrong = columns.addresses(column(side))
            found[side + "_hi"], found[side + "_lo"] = hi, lo
            self._report(lines[wrong & ~bad], f"has an unreadable {side}")
            bad |= wrong
        return _batch(found, lines - 1).take(~bad) if bad.any() else _batch(found, lines - 1)

    def _report(self, lines: I64, what: str) -> None:
        if not len(lines):
            return
        for line in lines[: max(0, REPORTED - self._counts["bad_row"])].tolist():
            self._problems.append(f"{self._name}:{line}: the row {what}")
        self._counts["bad_row"] += len(lines)


def _unquoted(text: bytes) -> bytes:
    """Write the rows again without quotes; a comma or line end inside a field becomes a blank, as only ignored columns have them."""
    rows = csv.reader(io.StringIO(text.decode("utf-8", "replace"), newline=""))
    table = str.maketrans({",": " ", "\n": " ", "\r": " "})
    return "".join(",".join(field.translate(table) for field in row) + "\n" for row in rows).encode()


def _aligned(data: U8, begin: I64, end: I64) -> U8:
    """Copy fields into a matrix (n, width), right-aligned behind zeros; a field longer than WIDTH becomes one that nobody can read."""
    if not len(begin):
        return np.zeros((0, 1), np.uint8)
    length = end - begin
    length = np.where(length > columns.WIDTH, 0, length)
    width = max(1, int(length.max()))
    place = end[:, None] + np.arange(-width, 0)
    matrix: U8 = data[np.maximum(place, 0)]
    matrix[np.arange(width) < width - length[:, None]] = 0
    matrix[end - begin > columns.WIDTH, -1] = UNREADABLE
    return matrix


READERS: dict[str, Callable[[U8], tuple[I64, Bool]]] = {
    "start": columns.times_us,
    "end": columns.times_us,
    "sport": lambda text: columns.numbers(text, columns.port, 0xFFFF),
    "dport": lambda text: columns.numbers(text, columns.port, 0xFFFF),
    "proto": lambda text: columns.numbers(text, columns.protocol, 0xFF),
    "pkts": lambda text: columns.numbers(text, columns.count),
    "bytes": lambda text: columns.numbers(text, columns.count),
    "flags": lambda text: columns.numbers(text, columns.flags),
}


def _batch(found: dict[str, Any], rows: I64) -> FlowBatch:
    zeros = np.zeros(len(rows), np.int64)
    start = found["start" if "start" in found else "end"]
    end = found["end" if "end" in found else "start"]
    protocol = found.get("proto", zeros)
    src_port = np.where((protocol == 1) | (protocol == 58), 0, found.get("sport", zeros))
    return batch_of(
        len(rows),
        start_us=np.minimum(start, end),  # a start behind the end comes from rounding
        end_us=np.maximum(start, end),
        src_hi=found["src_hi"], src_lo=found["src_lo"], dst_hi=found["dst_hi"], dst_lo=found["dst_lo"],
        src_port=src_port & 0xFFFF, dst_port=found.get("dport", zeros) & 0xFFFF, protocol=protocol & 0xFF, flags=found.get("flags", zeros) & 0xFF,
        packets=found.get("pkts", zeros + 1), bytes=found.get("bytes", zeros), frame=rows,
    )  # fmt: skip


def parquet(path: Path, name: str) -> Iterator[bytes]:
    """Read a Parquet file as the lines of the CSV it could have been, a chunk at a time; InputError without DuckDB or the columns."""
    try:
        import duckdb  # noqa: PLC0415  # an extra: most installations read no Parquet
    except ImportError:
        raise InputError(f"{name}: a Parquet file needs DuckDB; install abusewatch[analytics]") from None
    try:
        with duckdb.connect(config={"threads": "1"}) as connection:
            rows = connection.execute("select * from read_parquet(?)", [str(path)])
            yield ",".join(column[0] for column in rows.description).encode() + b"\n"
            while block := rows.fetchmany(50_000):
                yield "".join(",".join(map(_field, row)) + "\n" for row in block).encode()
    except duckdb.Error as error:
        raise InputError(f"{name}: expected a Parquet file, DuckDB says: {str(error).splitlines()[0]}") from None


def _field(value: Any) -> str:
    return "" if value is None else str(value).replace(",", " ").replace("\n", " ")
