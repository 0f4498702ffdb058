"""A finished mail, before and in the outbox."""

from typing import Literal

import msgspec

Audience = Literal["operator", "customer", "desk", "complainant"]


class Message(msgspec.Struct, frozen=True):
    """One mail to one recipient. `raw` is the whole MIME text in bytes (CRLF); `dedup` makes a repeat harmless: (incident, audience, recipient, sequence)."""

    message_id: str
    dedup: str
    incident: str
    audience: Audience
    sender: str
    recipient: str
    subject: str
    raw: bytes
