"""Incidents and findings as bytes and back (MessagePack), for our own database only: nothing from outside is read here.

`Finding.frames` is a union of two tuples, for which msgspec builds no decoder; so a finding is put together by hand, and
everything in it that is long (the targets) is still converted by msgspec.
"""

from typing import Any

import msgspec

from abusewatch.model.finding import Detection, Estimate, Finding, Target
from abusewatch.model.incident import Incident

encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


def decode_incident(data: bytes) -> Incident:
    """Read what `encode` wrote of an incident."""
    raw = _decode(data)
    return Incident(**raw | {"detections": tuple(_detection(d) for d in raw["detections"])})


def decode_detection(data: bytes) -> Detection:
    """Read what `encode` wrote of a detection."""
    return _detection(_decode(data))


def _detection(raw: dict[str, Any]) -> Detection:
    return Detection(
        **_tuples(raw) | {"finding": _finding(raw["finding"]), "targets": msgspec.convert(raw["targets"], tuple[Target, ...])}
    )


def _finding(raw: dict[str, Any]) -> Finding:
    return Finding(**_tuples(raw) | {"estimate": msgspec.convert(raw["estimate"], Estimate)})


def _tuples(raw: dict[str, Any]) -> dict[str, Any]:
    """Make tuples of the lists of a record, as the model has them."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in raw.items()}
