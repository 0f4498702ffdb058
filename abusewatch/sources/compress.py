"""An input file as a stream of bounded chunks, decompressed when it is gzip, bzip2 or Zstandard; by content, never by name.

A bomb costs time in proportion to what comes out, but never more memory than a few chunks and the decoder's own window.
"""

import bz2
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

import zstandard

from abusewatch.wire.errors import Reason, WireError

PIECE = 2 << 20
CHUNK = PIECE
"""Octets handed on at once: fifteen thousand headers, and small beside a processor's cache. As many as are read at once, so that they are not joined."""
ZSTD_STEP = 256
"""Zstandard can turn 4 octets into 128 KiB and has no limit for one call, so that much goes in at once: at most 8 MiB out."""
ZSTD_WINDOW = 128 << 20
"""The largest window `zstd -d` accepts without being asked to."""
STDIN = "-"


class InputError(ValueError):
    """A file that cannot be used: which, what was expected, what was found. One line."""


class _Member(Protocol):
    """One compressed member or frame, as `bz2.BZ2Decompressor` does it."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /, max_length: int) -> bytes: ...


class _Gzip:
    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=31)  # 31: a gzip header and checksum around the data
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    def decompress(self, data: bytes, /, max_length: int) -> bytes:
        piece = self._inflate.decompress(self._inflate.unconsumed_tail + data, max_length)
        self.needs_input = len(piece) < max_length and not self._inflate.unconsumed_tail
        return piece


class _Zstd:
    def __init__(self) -> None:
        self._frame = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW).decompressobj()
        self._held = memoryview(b"")

    @property
    def eof(self) -> bool:
        return self._frame.eof

    @property
    def needs_input(self) -> bool:
        return not self._held

    @property
    def unused_data(self) -> bytes:
        return self._frame.unused_data + bytes(self._held)

    def decompress(self, data: bytes, /, max_length: int) -> bytes:
        held = memoryview(data) if data else self._held
        pieces: list[bytes] = []
        size = 0
        while held and size < max_length and not self._frame.eof:
            pieces.append(self._frame.decompress(held[:ZSTD_STEP]))
            size += len(pieces[-1])
            held = held[ZSTD_STEP:]
        self._held = held
        return b"".join(pieces)


MAGICS: dict[bytes, Callable[[], _Member]] = {
    b"\x1f\x8b\x08": _Gzip,
    b"BZh": bz2.BZ2Decompressor,
    b"\x28\xb5\x2f\xfd": _Zstd,
}


def decompressed(chunks: Iterable[bytes], start: Callable[[], _Member]) -> Iterator[bytes]:
    """Decompress all members of a stream, at most PIECE octets (Zstandard: a few MiB) at once.

    WireError(TRUNCATED) when the last member has no end, BAD_COMPRESSION for anything the decompressor refuses.
    """
    member, begun = start(), False
    for chunk in chunks:
        data = chunk
        while data or (begun and not member.needs_input):
            try:
                piece = member.decompress(data, PIECE)
            except (zlib.error, zstandard.ZstdError, OSError, EOFError, ValueError) as error:
                raise WireError(Reason.BAD_COMPRESSION, str(error)) from None
            begun, data = True, b""
            if piece:
                yield piece
            if member.eof:  # zeros may pad the last member (gzip's own behaviour)
                data = member.unused_data.lstrip(b"\0")
                member, begun = start(), False
    if begun:
        raise WireError(Reason.TRUNCATED, "the compressed stream has no end")


def gathered(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Join small pieces to chunks of about CHUNK octets; what came before an error is given before the error is."""
    held: list[bytes] = []
    size, fault = 0, None
    try:
        for piece in pieces:
            held.append(piece)
            size += len(piece)
            if size >= CHUNK:
                yield b"".join(held)
                held, size = [], 0
    except WireError as error:
        fault = error
    if held:
        yield b"".join(held)
    if fault is not None:
        raise fault


class Input:
    """An opened file or standard input: its first bytes, its chunks, and how far it has been read."""

    def __init__(self, path: str | Path) -> None:
        """Open it; InputError when that is impossible."""
        self.name = "standard input" if str(path) == STDIN else str(path)
        self.path = None if str(path) == STDIN else Path(path)
        self.read_bytes = 0
        self.total_bytes: int | None = None
        try:
            self._file: BinaryIO = sys.stdin.buffer if self.path is None else self.path.open("rb", buffering=0)
            if self.path is not None:
                self.total_bytes = self.path.stat().st_size
            self._chunks = self._all()
        except OSError as error:
            raise InputError(f"{self.name}: {error.strerror or error}") from None
        self.head = b""
        self.fault: WireError | None = None
        try:
            self.head = next(self._chunks, b"")
        except WireError as error:
            self.fault = error

    def chunks(self) -> Iterator[bytes]:
        """Give the whole content once, from its first byte."""
        with self._file:
            if self.head:
                yield self.head
            if self.fault is not None:
                raise self.fault
            yield from self._chunks

    def close(self) -> None:
        """Close the file, for one whose content is not wanted."""
        self._file.close()

    def _raw(self) -> Iterator[bytes]:
        while True:
            try:
                chunk = self._file.read(PIECE)
            except OSError as error:
                raise InputError(f"{self.name}: {error.strerror or error}") from None
            if not chunk:
                return
            self.read_bytes += len(chunk)
            yield chunk

    def _all(self) -> Iterator[bytes]:
        raw = self._raw()
        first = next(raw, b"")
        start = next((start for magic, start in MAGICS.items() if first.startswith(magic)), None)
        content = _chain(first, raw)
        yield from gathered(content if start is None else decompressed(content, start))


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


