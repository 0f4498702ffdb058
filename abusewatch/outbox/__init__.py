"""Mail that must not be lost: its states, its delivery and the transports that take it away."""

from abusewatch.outbox.bounces import Bounce, Verp
from abusewatch.outbox.delivery import Delivery, Entry, Outbox, Transport, Turn
from abusewatch.outbox.maildir import Maildir
from abusewatch.outbox.smtp import Seal, SmtpSettings, SmtpTransport
from abusewatch.outbox.states import STATES, Outcome, Settlement, desk_move, move, settle

__all__ = [
    "STATES",
    "Bounce",
    "Delivery",
    "Entry",
    "Maildir",
    "Outbox",
    "Outcome",
    "Seal",
    "Settlement",
    "SmtpSettings",
    "SmtpTransport",
    "Transport",
    "Turn",
    "Verp",
    "desk_move",
    "move",
    "settle",
]
