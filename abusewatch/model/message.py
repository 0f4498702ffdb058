"""A finished mail, before and in the outbox, and what is remembered of the last one to somebody."""

from typing import Literal, NamedTuple

import msgspec

Audience = Literal["operator", "customer", "desk", "complainant"]
Stage = Literal["first", "update", "closing", "digest"]


class Extent(NamedTuple):
    """How far something had gone that was told: its strongest claim, severity, machines of ours in it, and packets.

    `first` are the packets of which the first mail of the thread told.
    """

    kind: str
    severity: str
    offenders: int
    packets: int
    first: int


class Message(msgspec.Struct, frozen=True):
    """One mail to one recipient. `raw` is the whole MIME text in bytes (CRLF); `dedup` makes a repeat harmless: (incident, audience, recipient, sequence).

    `sequence` counts the mails of one thread from 0, `stage` says what kind of mail this one is, `extent` what it told of.
    """

    message_id: str
    dedup: str
    incident: str
    audience: Audience
    sender: str
    recipient: str
    subject: str
    raw: bytes
    sequence: int = 0
    stage: Stage = "first"
    extent: Extent | None = None


class Told(NamedTuple):
    """The last mail of a case to one recipient: `at_us` is when it was written, `sent` whether a server has taken it.

    `thread` is the case under whose number the thread began, when that was merged into this one; else "". `extent` is what
    it told of, when that is known.
    """

    sequence: int
    stage: Stage
    at_us: int
    sent: bool
    thread: str = ""
    extent: Extent | None = None
