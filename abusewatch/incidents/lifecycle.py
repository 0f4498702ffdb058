"""The life of an incident as one table: state, event, next state, who moves it; and when a state ends by itself.

Everything that moves the state lives here. docs/lifecycle.md is written from these tables (`document`), and a test
compares them.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple, get_args

from msgspec.structs import replace

from abusewatch.model.claims import CLAIMS
from abusewatch.model.incident import Incident
from abusewatch.model.transitions import Move, Transitions

State = Literal["open", "active", "quiet", "resolved", "reopened", "closed"]
Event = Literal["seen", "told", "silence", "fixed", "close", "reopen"]
STATES: tuple[str, ...] = get_args(State)
EVENTS: tuple[str, ...] = get_args(Event)

MEANING: dict[State, str] = {
    "open": "seen, nobody told yet",
    "active": "told, and still going on",
    "quiet": "no new sighting for the quiet time",
    "resolved": "somebody who can know said that it is fixed",
    "reopened": "came back after it was said to be fixed",
    "closed": "over; a new sighting is a new incident",
}


MOVES: tuple[Move[State, Event], ...] = (
    Move("open", "seen", "open", "engine"),
    Move("open", "told", "active", "casework"),
    Move("open", "silence", "quiet", "clock"),
    Move("open", "fixed", "resolved", "customer or desk"),
    Move("open", "close", "closed", "desk"),
    Move("active", "seen", "active", "engine"),
    Move("active", "told", "active", "casework"),
    Move("active", "silence", "quiet", "clock"),
    Move("active", "fixed", "resolved", "customer or desk"),
    Move("active", "close", "closed", "desk"),
    Move("quiet", "seen", "active", "engine"),
    Move("quiet", "told", "quiet", "casework"),
    Move("quiet", "fixed", "resolved", "customer or desk"),
    Move("quiet", "silence", "closed", "clock"),
    Move("quiet", "close", "closed", "desk"),
    Move("resolved", "seen", "reopened", "engine"),
    Move("resolved", "told", "resolved", "casework"),
    Move("resolved", "silence", "closed", "clock"),
    Move("resolved", "close", "closed", "desk"),
    Move("reopened", "seen", "reopened", "engine"),
    Move("reopened", "told", "active", "casework"),
    Move("reopened", "silence", "quiet", "clock"),
    Move("reopened", "fixed", "resolved", "customer or desk"),
    Move("reopened", "close", "closed", "desk"),
    Move("closed", "reopen", "reopened", "desk"),
)

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US

SILENCE_US: dict[str, int] = {
    "open": 6 * HOUR_US,
    "active": 6 * HOUR_US,
    "reopened": 6 * HOUR_US,
    "quiet": 3 * DAY_US,
    "resolved": 3 * DAY_US,
}
"""How long after its last sighting an incident in this state meets the event `silence`.

6 h is the longest quiet time of the shipped rules; three days leave an answer time over a weekend, and let one act
that pauses stay one case.
"""

_TABLE = Transitions(MEANING, MOVES)


class LifecycleError(ValueError):
    """This event does not exist in this state."""


def step(state: str, event: Event) -> State:
    """Look up the next state; LifecycleError when the table has no such line."""
    move = _TABLE.find(state, event)
    if move is None:
        raise LifecycleError(f"an incident that is {state} has no event {event}")
    return move.next


class Change(NamedTuple):
    """An incident as it is now, and the state it was in before (None: it is new)."""

    incident: Incident
    before: str | None


def expire(incidents: Iterable[Incident], now_us: int) -> list[Change]:
    """Move every incident whose state has run out by `now_us`; at most one move each."""
    moved = []
    for incident in incidents:
        limit = SILENCE_US.get(incident.state)
        if limit is not None and now_us - incident.last_us >= limit:
            after = replace(incident, state=step(incident.state, "silence"), updated_us=now_us)
            moved.append(Change(after, incident.state))
    return moved


def document() -> str:
    """Write the tables as Markdown, for docs/lifecycle.md."""
    lines = ["# The life of an incident", ""]
    lines += ["Written from `abusewatch/incidents/lifecycle.py`; a test compares the two.", ""]
    lines += ["| state | means | `silence` after the last sighting |", "|---|---|---|"]
    lines += [f"| {s} | {MEANING[s]} | {_hours(SILENCE_US.get(s))} |" for s in get_args(State)]
    claims = "".join(f"| {n} | {kind} | {why} |\n" for n, (kind, why) in enumerate(CLAIMS.items(), 1))
    return "\n".join(lines) + "\n\n" + _TABLE.page() + ONE_ACT + claims


ONE_ACT = """
## One act, one incident

A customer has one incident of a kind while it lasts, whichever of his machines did it, and one of an act, whichever rules saw
it. Rules overlap and are meant to: a worm scans, a flood of whole connections begins with SYN packets. Findings of different
kinds are one act when the same machine, with no pause of six hours between them, did the same to the same targets: two searches
of the same hosts are one, two floods of the same hosts are one, and anything else is one when address, protocol and port are
the same; at least half of the smaller finding's targets must be the other's. Who guesses at SSH while he floods a name server has two
incidents. What belongs together may show late: then two open incidents become one, as with `case merge`. The one that was told
first goes on, threads of mail go on under the names they began with, and nobody is mailed of it.

The strongest claim names the incident, its mails and its XARF type; in a mail, the strongest of what that mail shows. The others
stay in it and are told beside it, not by themselves; an attacked address has one XARF document, of the strongest claim about it.
A rule that is not `stable` leads nothing that counts. A worm is a scan with a name, by its ports: where it is less than half of a
scan beside it, it stands behind the scans.

| | kind | what it has over those behind it |
|---|---|---|
"""


def _hours(us: int | None) -> str:
    return "never" if us is None else f"{us // HOUR_US} h"
