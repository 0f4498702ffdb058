"""What is deleted when: one table a lawyer can read, and the job that obeys it.

Each limit counts from the end of the thing: of the case, or of the mail's way. What has no end yet (an open case, a
mail under way) is not deleted. The job runs hourly; nothing outlives its limit by more than a day.
"""

from typing import NamedTuple, Protocol

from abusewatch.storage.holdings import Holding
from abusewatch.storage.limits import Limits

DAY_US = 86_400_000_000


class Rule(NamedTuple):
    """One line: the class of data, what it holds of whom, how many days it stays after its end, and why so long."""

    name: str
    holds: str
    days: int
    ends: str
    why: str


TABLE = (
    Rule("evidence", "addresses of attacked third parties, ports, times, counts; locked under a key of the case", 7, "the case is closed",
         "to write the closing mail, to answer replies to it, and to open a case again that was closed by mistake"),
    Rule("incident", "the customer, his offending addresses, kind, times, counts, the desk's notes; no third party", 365, "the case is closed",
         "to know a customer who comes back, and to answer who was told of what"),
    Rule("body", "the text of a mail: addresses of one attacked operator, or of the customer; locked under the key of its case", 7, "it was sent or cancelled",
         "to answer a reply that quotes nothing; the recipient has his copy"),
    Rule("stuck", "the text of a mail that waits for a person", 30, "it was held, refused or given up",
         "time for the desk to decide; later it is no longer worth sending"),
    Rule("outbox", "who was mailed when about which case, and the server's answer; no text", 180, "it was sent or given up",
         "to prove who was told, and to never tell twice"),
    Rule("blocked", "for whom a mail was meant that was not allowed to leave", 30, "it was blocked",
         "time to find and mend the fault"),
    Rule("contact", "abuse mailboxes that registries name for networks, and networks nobody is known for", 7, "it was learned",
         "to ask a registry seldom, and to know whom to tell while it is down"),
    Rule("key", "what locks the evidence and the mails of a case, and the pseudonyms of a year; itself locked by the key of the store", 0,
         "the last thing it locks is deleted", "so that no copy of what was deleted can be read"),
    Rule("mailbox", "mailboxes of operators that bounced; one that wants no more mail is kept until somebody takes that back", 30, "it bounced last",
         "not to write where nobody reads; a month later it is tried again"),
    Rule("exception", "prefixes of customers that a rule was silent about, and who said so", 90, "the exception ended",
         "to answer why an attack was not told"),
)  # fmt: skip


def limits() -> Limits:
    """Give the store the table's limits."""
    return Limits(**{f"{rule.name}_us": rule.days * DAY_US for rule in TABLE})


def days(name: str) -> int:
    """Tell the limit of one class, in days: what the mails promise is this number."""
    return next(rule.days for rule in TABLE if rule.name == name)


class Countable(Protocol):
    """A store that can count what it holds."""

    def holdings(self, now_us: int) -> list[Holding]:
        """Count what is held of each class of data."""


def inventory(store: Countable, now_us: int) -> list[tuple[Rule, Holding]]:
    """Put beside each line of the table what is held of it now."""
    held = {holding.name: holding for holding in store.holdings(now_us)}
    return [(rule, held[rule.name]) for rule in TABLE]


class Purgeable(Protocol):
    """A store that can delete what has run out."""

    def purge(self, now_us: int, *, dry_run: bool = False) -> dict[str, int]:
        """Delete what has run out by `now_us`, leave a line in the ledger, wipe the bytes; counts by class."""


def purge(store: Purgeable, now_us: int, *, dry_run: bool = False) -> dict[str, int]:
    """Run the job once; with `dry_run` only say what it would delete."""
    return store.purge(now_us, dry_run=dry_run)
