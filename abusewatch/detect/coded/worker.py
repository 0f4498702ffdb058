"""A detector of others, in a process of its own: asked turn by turn, killed when a turn takes too long, started again after a pause.

The engine's thread waits for an answer, in a replay and live alike, so that both find the same; the event loop never does. What a bad detector costs is
bounded: one deadline, then pauses that double from one second to ten minutes.
"""

import os
import select
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import numpy as np

from abusewatch.detect.coded.child import LENGTH, packed, unpacked
from abusewatch.detect.coded.detector import F64, DetectorFault, Index
from abusewatch.model.rows import Array

TURN_SECS = 1.0
START_SECS = 10.0
LONGEST_PAUSE_SECS = 600.0
MOST_TURNS = 5_000
"""A worker is then replaced by a new one: whatever it leaks ends with it."""
MOST_BYTES = 16 << 20
ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "LANG": "C.UTF-8",
}
"""All that the process is told of where it runs: no path, no credentials."""


class Worker:
    """One entry point behind a pipe. The process begins with the first question."""

    def __init__(self, name: str, value: str) -> None:
        """Take the name and the `module:class` of the entry point."""
        self._argv = (
            sys.executable,
            "-P",
            "-s",
            "-m",
            "abusewatch.detect.coded.child",
            name,
            value,
            *(folder for folder in sys.path if folder),
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._about: Any = None
        self._turns = 0
        self._pause_secs = 1.0
        self._again = 0.0
        self._closing: Callable[[], Any] = _nothing

    def describe(self) -> tuple[str, list[str], dict[str, tuple[str, str]]]:
        """What the detector says of itself; DetectorFault when it cannot be started."""
        try:
            self._started()
        finally:
            self.close()
        try:
            return msgspec.convert(self._about, tuple[str, list[str], dict[str, tuple[str, str]]])
        except msgspec.ValidationError as error:
            raise DetectorFault("output", f"says of itself what cannot be read: {error}") from None

    def measure(self, rows: Mapping[str, Array], starts: Index) -> Mapping[str, F64]:
        """Ask once; DetectorFault when no answer comes, or none that can be read."""
        if self._turns >= MOST_TURNS:
            self.close()
        process = self._started()
        self._turns += 1
        question = msgspec.msgpack.encode(
            {"rows": packed(rows), "starts": packed({"starts": np.asarray(starts, np.int64)})}
        )
        answer = self._exchanged(process, LENGTH.pack(len(question)) + question, TURN_SECS)
        self._pause_secs = 1.0
        if "error" in answer:
            raise DetectorFault("raised", str(answer["error"]))
        try:
            return unpacked(msgspec.convert(answer["given"], dict[str, tuple[str, bytes]]))
        except (KeyError, TypeError, ValueError, msgspec.ValidationError):
            raise DetectorFault("output", "an answer that cannot be read") from None

    def close(self) -> None:
        """End the process; the next question begins another."""
        self._closing()
        self._process = None

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None:
            return self._process
        if time.monotonic() < self._again:
            raise DetectorFault("pause")
        process = subprocess.Popen(
            self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=ENVIRONMENT, cwd="/", start_new_session=True, bufsize=0
        )  # fmt: skip
        self._process, self._turns = process, 0
        self._closing = weakref.finalize(self, _end, process)
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None  # noqa: S101  both were asked for
            os.set_blocking(pipe.fileno(), False)
        answer = self._exchanged(process, b"", START_SECS)
        if "about" not in answer:
            self._failed()
            raise DetectorFault("died", str(answer.get("error", "it did not start")))
        self._about = answer["about"]
        return process

    def _exchanged(self, process: subprocess.Popen[bytes], question: bytes, secs: float) -> dict[str, Any]:
        """Write the question and read one message, both before the deadline; otherwise the process is ended."""
        try:
            answer = msgspec.msgpack.decode(_exchange(process, memoryview(question), time.monotonic() + secs))
            if isinstance(answer, dict):
                return answer
            fault = DetectorFault("output", "an answer that cannot be read")
        except (msgspec.DecodeError, UnicodeDecodeError):
            fault = DetectorFault("output", "an answer that cannot be read")
        except DetectorFault as known:
            fault = known
        self._failed()
        raise fault

    def _failed(self) -> None:
        self.close()
        self._again = time.monotonic() + self._pause_secs
        self._pause_secs = min(2 * self._pause_secs, LONGEST_PAUSE_SECS)


def _exchange(process: subprocess.Popen[bytes], question: memoryview, deadline: float) -> bytes:
    assert process.stdin is not None  # noqa: S101
    assert process.stdout is not None  # noqa: S101
    to, back = process.stdin.fileno(), process.stdout.fileno()
    heard = bytearray()
    while len(heard) < LENGTH.size or len(heard) < LENGTH.size + _size(heard):
        poll = select.poll()
        poll.register(back, select.POLLIN)
        if question:
            poll.register(to, select.POLLOUT)
        left = deadline - time.monotonic()
        if left <= 0 or not (ready := dict(poll.poll(left * 1000))):
            raise DetectorFault("overran", f"no answer in {TURN_SECS:g} s")
        try:
            if back in ready:
                part = os.read(back, 1 << 20)
                if not part:
                    raise DetectorFault("died", "its process has ended")
                heard += part
            if to in ready:
                question = question[os.write(to, question) :]
        except OSError:
            raise DetectorFault("died", "its process has ended") from None
    return bytes(heard[LENGTH.size : LENGTH.size + _size(heard)])


def _size(heard: bytearray) -> int:
    size: int = LENGTH.unpack_from(heard)[0]
    if size > MOST_BYTES:
        raise DetectorFault("output", f"an answer of {size} bytes")
    return size


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def _nothing() -> None:
    """End nothing: no process has begun."""
