"""What the store must be told about keeping: how long after its end each class of data stays.

`retention` is the table.
"""

from typing import NamedTuple


class Limits(NamedTuple):
    """Microseconds after the end of the case (evidence, incidents) or of the mail's way (bodies, outbox rows).

    `body_us` is for mails sent or cancelled, `stuck_us` for those that wait for a person (held, parked, expired).
    `key_us` is nothing: a key goes with the last thing it locks. `contact_us` counts from the day a contact was learned; the chain sets it.
    """

    evidence_us: int
    incident_us: int
    body_us: int
    stuck_us: int
    outbox_us: int
    blocked_us: int
    contact_us: int
    key_us: int
    mailbox_us: int
    exception_us: int
