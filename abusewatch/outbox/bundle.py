"""Mails to one recipient that found no room in a budget: from two cases on they leave as one digest."""

from typing import NamedTuple

from abusewatch.model.message import Audience
from abusewatch.outbox.delivery import Entry

LEAST = 2
"""Cases that make a digest; one alone goes as the mail it is."""
MOST = 50
"""Cases in one digest; a longer list is not read, and the rest follows in the next."""


class Bundle(NamedTuple):
    """Held mails of several cases to one recipient, oldest first, for whom there is room for one mail now.

    `previous` is the sequence of the last digest he got, None when there was none.
    """

    audience: Audience
    recipient: str
    entries: tuple[Entry, ...]
    previous: int | None
