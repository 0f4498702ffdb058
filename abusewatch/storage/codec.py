"""Incidents and findings as bytes and back (MessagePack), for our own database only: nothing from outside is read here."""

import msgspec

from abusewatch.incidents import Seen
from abusewatch.model.finding import Detection
from abusewatch.model.incident import Incident

encode = msgspec.msgpack.Encoder().encode
decode_incident = msgspec.msgpack.Decoder(Incident).decode
decode_detection = msgspec.msgpack.Decoder(Detection).decode
decode_seen = msgspec.msgpack.Decoder(dict[str, Seen]).decode
