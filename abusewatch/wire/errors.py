"""The one error of this package: somebody sent bytes that are not what they claim to be."""

from enum import StrEnum


class Reason(StrEnum):
    """Why bytes were refused or passed over; closed, so that it can be a metric label.

    A member of `REJECTIONS` costs a whole datagram; the others cost one set, template, record or sample of a datagram that was decoded.
    """

    # A datagram that is no flow export at all.
    EMPTY = "empty"
    UNKNOWN_VERSION = "unknown_version"
    TRUNCATED = "truncated"
    BAD_LENGTH = "bad_length"
    BAD_SET = "bad_set"
    # Parts of a datagram.
    MISSING_TEMPLATE = "missing_template"
    BAD_TEMPLATE = "bad_template"
    TEMPLATE_LIMIT = "template_limit"
    TEMPLATE_CHANGED = "template_changed"
    TEMPLATE_HELD = "template_held"
    TEMPLATE_EVICTED = "template_evicted"
    PENDING_DROPPED = "pending_dropped"
    RECORD_LIMIT = "record_limit"
    BAD_RECORD = "bad_record"
    BAD_SAMPLE = "bad_sample"
    BAD_FRAME = "bad_frame"
    RESERVED_SET = "reserved_set"
    SAMPLER_LIMIT = "sampler_limit"
    NOT_A_FLOW = "not_a_flow"
    COUNTER_SAMPLE = "counter_sample"
    TRAILING_BYTES = "trailing_bytes"
    CLOCK = "clock"
    DUPLICATE = "duplicate"
    EXPORTED_TWICE = "exported_twice"
    # Files of packets and records.
    NOT_A_CAPTURE = "not_a_capture"
    BAD_BLOCK = "bad_block"
    BAD_LINKTYPE = "bad_linktype"
    BAD_COMPRESSION = "bad_compression"
    TOO_LARGE = "too_large"


REJECTIONS = frozenset({
    Reason.EMPTY, Reason.UNKNOWN_VERSION, Reason.TRUNCATED, Reason.BAD_LENGTH, Reason.BAD_SET,
})  # fmt: skip
"""Reasons of which each count is one whole datagram: datagrams in = decoded + the sum of these."""


class WireError(ValueError):
    """Bytes that are not what they claim to be. `reason` says why, the text says where."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        self.reason = reason
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
