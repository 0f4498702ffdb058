"""Templates of NetFlow v9 (RFC 3954) and IPFIX (RFC 7011): how an exporter says what its records look like.

A template is never changed: a new one replaces it, and records already matched keep the one they were matched with.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from struct import Struct

from abusewatch.wire import elements
from abusewatch.wire.cursor import Cursor
from abusewatch.wire.errors import Reason, WireError
from abusewatch.wire.layout import Layout, layout_of

VARIABLE = 65535
"""RFC 7011 7: the length of a field whose every value begins with its own length."""
MAX_FIELDS = 256
"""The widest template seen in the field (nProbe with every plug-in) has about 100; at 8 octets each a full store stays under 32 MB."""
MAX_RECORD = 65535

_FIELD = Struct(">iHH")
FIELD_OCTETS = _FIELD.size

Field = tuple[int, int, int]
"""Enterprise (0: IANA, negative: see `elements`), number, length in octets or VARIABLE."""


@dataclass(frozen=True, slots=True)
class Template:
    """The form of a record.

    `spec` holds the fields packed, 8 octets each, as thousands of templates may be stored; `scopes` counts the leading fields that say what an options
    record is about. `length` is that of a record in octets, or its least length when `variable`.
    """

    number: int
    options: bool
    scopes: int
    spec: bytes
    length: int
    variable: bool
    layout: Layout | None

    @property
    def plain(self) -> bool:
        """Whether its records tell of flows, or of something else but options, and all have one length."""
        return not self.options and not self.variable

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields in the order of the record."""
        return unpack(self.spec)


@lru_cache(maxsize=512)
def unpack(spec: bytes) -> tuple[Field, ...]:
    """Read the fields that `Template.spec` holds."""
    return tuple(_FIELD.iter_unpack(spec))


def make_template(number: int, fields: list[Field], scopes: int = 0, *, options: bool = False) -> Template:
    """Check the fields and settle the record's length and layout; WireError(BAD_TEMPLATE) for a form no record can have."""
    # Some NetFlow v9 exporters list fields of no octets (a scope of length 0, an element they do not fill): they hold nothing.
    if options:
        scopes -= sum(not length for _, _, length in fields[:scopes])
    kept = [field for field in fields if field[2]]
    variable = any(length == VARIABLE for _, _, length in kept)
    length = sum(1 if size == VARIABLE else size for _, _, size in kept)
    if not 0 < length <= MAX_RECORD:
        # Zero would be an endless loop over records (CVE-2026-48683); more cannot fit a datagram.
        raise WireError(Reason.BAD_TEMPLATE, f"template {number} has records of {length} octets")
    spec = b"".join(_FIELD.pack(*field) for field in kept)
    layout = None if options else layout_of(kept, length, variable=variable)
    return Template(number, options, scopes, spec, length, variable, layout)


def read_templates(cursor: Cursor, version: int, *, options: bool) -> Iterator[Template]:
    """Read the templates of one set; WireError(BAD_TEMPLATE or TRUNCATED) at the first bad one, after the good ones."""
    head = 6 if options else 4
    while cursor.left >= head:  # what is left is up to three octets of padding (RFC 7011 3.3.1), or a withdrawal in four
        number = cursor.u16()
        if number == 0:
            return  # padding to more than four octets
        if number < 256:
            raise WireError(Reason.BAD_TEMPLATE, f"template number {number}")
        template = (_read_options if options else _read_data)(cursor, number, version)
        if template is not None:
            yield template


def _read_data(cursor: Cursor, number: int, version: int) -> Template | None:
    count = cursor.u16()
    if count == 0 and version == 10:
        return None  # a withdrawal: has no meaning over UDP and is ignored (RFC 7011 8.4)
    return make_template(number, _read_fields(cursor, count, version))


def _read_options(cursor: Cursor, number: int, version: int) -> Template | None:
    """RFC 3954 6.1 gives both lengths in octets, RFC 7011 3.4.2.2 gives the count of all fields and of those that are scopes."""
    first, second = cursor.u16(), 0
    if version == 10:
        if first == 0:
            return None
        second = cursor.u16()
        if not 0 < second <= first:
            raise WireError(Reason.BAD_TEMPLATE, f"{second} scopes in {first} fields")
        return make_template(number, _read_fields(cursor, first, version), second, options=True)
    second = cursor.u16()
    if first % 4 or second % 4:
        raise WireError(Reason.BAD_TEMPLATE, f"lengths {first} and {second}")
    scope = [(elements.SCOPE, n, length) for _, n, length in _read_fields(cursor, first // 4, version)]
    fields = _read_fields(cursor, second // 4, version)
    return make_template(number, scope + fields, first // 4, options=True)


def _read_fields(cursor: Cursor, count: int, version: int) -> list[Field]:
    if count > MAX_FIELDS:
        raise WireError(Reason.BAD_TEMPLATE, f"{count} fields")
    fields: list[Field] = []
    for _ in range(count):
        number, length = cursor.u16(), cursor.u16()
        enterprise = 0
        if number >= 0x8000:
            # RFC 7011 3.2: the top bit says that an enterprise number follows. NetFlow v9 has no such bit, vendors used the numbers.
            enterprise = elements.NETFLOW9
            if version == 10:
                number, enterprise = number & 0x7FFF, cursor.u32()
                if enterprise > 0x7FFF_FFFF:
                    raise WireError(Reason.BAD_TEMPLATE, f"enterprise {enterprise}")
        fields.append((enterprise, number, length))
    return fields


def _split(sizes: tuple[int, ...], data: bytes, start: int, end: int) -> tuple[list[tuple[int, int]], int]:
    """Find where each field of one record lies: (start, length) pairs and the end of the record; WireError(BAD_RECORD) if it does not fit."""
    spans: list[tuple[int, int]] = []
    position = start
    for size in sizes:
        length = size
        if size == VARIABLE:
            # RFC 7011 7: one octet of length, or 255 and two octets.
            if position >= end:
                raise WireError(Reason.BAD_RECORD, "no length")
            length = data[position]
            position += 1
            if length == 255:
                length = int.from_bytes(data[position : position + 2], "big")
                position += 2
        spans.append((position, length))
        position += length
        if position > end:
            raise WireError(Reason.BAD_RECORD, f"field ends at {position}, the set at {end}")
    return spans, position


def read_records(template: Template, data: bytes, start: int, end: int, limit: int) -> Iterator[list[tuple[int, int]]]:
    """Walk the records of one set field by field: (start, length) pairs; what is left in the end, shorter than a record, is padding."""
    sizes = tuple(size for _, _, size in template.fields)
    position = start
    for _ in range(limit):
        if position + template.length > end:
            return
        spans, position = _split(sizes, data, position, end)
        yield spans
    if position + template.length <= end:
        raise WireError(Reason.RECORD_LIMIT, f"{limit} records")
