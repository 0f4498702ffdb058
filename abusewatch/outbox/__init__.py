"""Mail that must not be lost: its states, its delivery and the transports that take it away."""

from abusewatch.outbox.delivery import Delivery, Entry, Outbox, Transport, Turn
from abusewatch.outbox.maildir import Maildir
from abusewatch.outbox.smtp import SmtpSettings, SmtpTransport
from abusewatch.outbox.states import STATES, Outcome, Settlement, desk_move, move, settle

__all__ = [
    "STATES",
    "Delivery",
    "Entry",
    "Maildir",
    "Outbox",
    "Outcome",
    "Settlement",
    "SmtpSettings",
    "SmtpTransport",
    "Transport",
    "Turn",
    "desk_move",
    "move",
    "settle",
]
