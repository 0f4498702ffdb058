"""How much mail may leave: limits that no input can talk us out of (threats.md T7), as one table with the reason of each.

Somebody who makes our customer attack, or only look as if he did, must not be able to make us mail strangers. What is over a
budget is held, never dropped: it goes by itself once the budget has room, or by the desk's hand.
"""

from dataclasses import dataclass, fields
from typing import NamedTuple

from abusewatch.model.message import Audience

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
STALE_US = 2 * DAY_US
"""A held mail that found no room for so long is for the desk to judge: what it says is old."""


@dataclass(frozen=True, slots=True)
class Budgets:
    """The limits, in mails. A span starts anew with each mail: at no moment were there more in the time before it."""

    case_recipient_day: int = 1
    recipient_day: int = 10
    customer_day: int = 5
    hour: int = 200
    customer_reserve: int = 50
    breaker_hour: int = 1000

    def __post_init__(self) -> None:
        """Refuse limits that contradict each other."""
        if any(getattr(self, field.name) < 0 for field in fields(self)):
            raise ValueError("a budget cannot be negative")
        if self.customer_reserve > self.hour:
            raise ValueError("customer_reserve is a part of hour and cannot be larger")


class Limit(NamedTuple):
    """One line of the table: the field of `Budgets`, what is counted, over how long, and why so many."""

    name: str
    counts: str
    span_us: int
    why: str


TABLE = (
    Limit("case_recipient_day", "mails of one case to one recipient", DAY_US, "a desk reads a case once a day; the rest is noise"),
    Limit("recipient_day", "mails to one recipient", DAY_US, "more than ten cases a day with one network is a talk for people"),
    Limit("customer_day", "notices to one customer, all his contacts", DAY_US, "the address is for necessary mail only"),
    Limit("hour", "mails to anybody", HOUR_US, "what a small desk can answer for; a flood of ours would land on block lists"),
    Limit("customer_reserve", "of `hour`, kept for customers", HOUR_US, "the notice that ends an attack must not wait behind reports of it"),
    Limit("breaker_hour", "mails that wanted to leave, by audience", HOUR_US, "five times the budget is no busy day but a fault or a trick"),
)  # fmt: skip


class Used(NamedTuple):
    """What was let go in the span of each limit, for one message about to go."""

    case_recipient: int
    recipient: int
    customer: int
    hour: int
    hour_operators: int


def over(budgets: Budgets, used: Used, audience: Audience) -> str | None:
    """Name the first budget that has no room for one more; None when all have."""
    if used.case_recipient >= budgets.case_recipient_day:
        return "case_recipient_day"
    if used.recipient >= budgets.recipient_day:
        return "recipient_day"
    if audience == "customer" and used.customer >= budgets.customer_day:
        return "customer_day"
    if used.hour >= budgets.hour or (audience == "operator" and room(budgets, used.hour, used.hour_operators) == 0):
        return "hour"
    return None


def room(budgets: Budgets, hour: int, hour_operators: int) -> int:
    """Count the mails to operators that may still leave: `hour` is what left in the last hour, `hour_operators` of it theirs."""
    return max(0, min(budgets.hour - hour, budgets.hour - budgets.customer_reserve - hour_operators))
