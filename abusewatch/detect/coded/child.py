"""The program of a worker process: shuts itself in, imports one detector of others, and answers turn by turn.

Messages are MessagePack behind a length of four bytes, columns as plain bytes with their type; nothing that comes from here is ever unpickled.
"""

import os
import struct
import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from typing import Any

import msgspec
import numpy as np

from abusewatch.detect.coded import cage

LENGTH = struct.Struct("<I")
NOTHING_LEFT = 3


def packed(columns: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, tuple[str, bytes]]:
    """Columns as type and bytes."""
    return {name: (column.dtype.str, column.tobytes()) for name, column in columns.items()}


def unpacked(columns: Mapping[str, tuple[str, bytes]]) -> dict[str, np.ndarray[Any, Any]]:
    """The columns again, read only."""
    return {name: np.frombuffer(data, kind) for name, (kind, data) in columns.items()}


def main() -> None:
    """Serve until the other end is closed. Arguments: name and value of an entry point; folders to import from follow."""
    name, value, *folders = sys.argv[1:]
    told = os.dup(1)
    os.dup2(2, 1)  # what the detector prints goes nowhere, and not between our messages
    try:
        np.median(np.zeros(2))  # what numpy imports at first use
        cage.close([folder for folder in (*folders, sys.prefix, sys.base_prefix) if folder.startswith("/")])
        sys.path.extend(folder for folder in folders if folder not in sys.path)
        detector = EntryPoint(name, value, "").load()()
        about = (
            str(detector.on),
            [str(c) for c in detector.columns],
            {str(k): [str(x) for x in v] for k, v in detector.measures.items()},
        )
        cage.close_files()
    except BaseException as error:  # noqa: BLE001  # the other end counts and tells it, whatever it is
        _say(told, {"error": f"{type(error).__name__}: {error}"[:200]})
        os._exit(NOTHING_LEFT)
    _say(told, {"about": about})
    while True:
        turn = msgspec.msgpack.decode(_hear())
        answer: dict[str, Any]
        try:
            rows, starts = unpacked(turn["rows"]), unpacked(turn["starts"])["starts"]
            given = {str(k): np.asarray(v, np.float64) for k, v in detector.measure(rows, starts).items()}
            answer = {"given": packed(given)}
        except Exception as error:  # noqa: BLE001  # whatever a detector of others raises is its answer to that turn
            answer = {"error": type(error).__name__}
        _say(told, answer)


def _hear() -> bytes:
    size = LENGTH.unpack(_exactly(LENGTH.size))[0]
    return _exactly(size)


def _exactly(size: int) -> bytes:
    parts = []
    while size:
        part = os.read(0, size)
        if not part:
            os._exit(0)
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _say(told: int, answer: dict[str, Any]) -> None:
    data = msgspec.msgpack.encode(answer)
    rest = memoryview(LENGTH.pack(len(data)) + data)
    while rest:
        rest = rest[os.write(told, rest) :]


if __name__ == "__main__":
    main()
