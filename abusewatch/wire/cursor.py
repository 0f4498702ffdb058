"""A bounded reader of big-endian numbers; a nested structure narrows it and cannot read past its own end."""

from struct import Struct

from abusewatch.wire.errors import Reason, WireError

_U16 = Struct(">H")
_U32 = Struct(">I")


class Cursor:
    """Reads `data` from `start` up to, never past, `end`; WireError(TRUNCATED) when too little is left."""

    __slots__ = ("data", "end", "position")

    def __init__(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        self.data = data
        self.position = start
        self.end = len(data) if end is None else end
        if not 0 <= start <= self.end <= len(data):
            raise WireError(Reason.TRUNCATED, f"a part of {self.end - start} bytes in {len(data)}")

    @property
    def left(self) -> int:
        """How many bytes are not read yet."""
        return self.end - self.position

    def skip(self, length: int) -> int:
        """Step over `length` bytes and return where they began."""
        start = self.position
        if length < 0 or length > self.end - start:
            raise WireError(Reason.TRUNCATED, f"{length} bytes wanted, {self.end - start} left")
        self.position = start + length
        return start

    def u8(self) -> int:
        """Read one byte."""
        return self.data[self.skip(1)]

    def u16(self) -> int:
        """Read two bytes."""
        number: int = _U16.unpack_from(self.data, self.skip(2))[0]
        return number

    def u32(self) -> int:
        """Read four bytes."""
        number: int = _U32.unpack_from(self.data, self.skip(4))[0]
        return number

    def take(self, length: int) -> bytes:
        """Read `length` bytes as they are."""
        start = self.skip(length)
        return self.data[start : start + length]

    def narrow(self, length: int) -> "Cursor":
        """Step over `length` bytes and give a cursor bounded to them."""
        start = self.skip(length)
        return Cursor(self.data, start, start + length)
