"""Incidents, findings and what a mail told of as bytes and back (MessagePack), for our own database only: nothing from outside is read here."""

import msgspec

from abusewatch.incidents import Seen
from abusewatch.model.finding import Detection
from abusewatch.model.incident import Incident
from abusewatch.model.message import Extent

encode = msgspec.msgpack.Encoder().encode
decode_incident = msgspec.msgpack.Decoder(Incident).decode
decode_detection = msgspec.msgpack.Decoder(Detection).decode
decode_seen = msgspec.msgpack.Decoder(dict[str, Seen]).decode
_decode_extent = msgspec.msgpack.Decoder(Extent).decode


def decode_extent(raw: bytes | None) -> Extent | None:
    """Read what a mail told of; None where that was not written down."""
    return _decode_extent(raw) if raw else None
