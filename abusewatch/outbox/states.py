"""The life of a message in the outbox as one table, and when it is tried again.

Everything that moves a message lives here. Better twice than never: a message leaves the queue only when a server has
taken it, refused it for good, or five days are over, and then it lies where a person finds it.
"""

from typing import Literal, NamedTuple, get_args

from abusewatch.model.transitions import Move, Transitions

State = Literal["queued", "leased", "sent", "retrying", "parked", "expired", "held", "folded", "cancelled"]
Event = Literal["lease", "accepted", "deferred", "refused", "too_old", "release", "retry", "cancel", "hold", "room", "fold", "bounced"]
STATES: tuple[str, ...] = get_args(State)
EVENTS: tuple[str, ...] = get_args(Event)


MEANING: dict[State, str] = {
    "queued": "to be handed over at once",
    "leased": "being handed over now",
    "retrying": "not taken yet; waits for its next try",
    "sent": "a server has taken it",
    "held": "waits for the desk, or for room in a budget; `reason` says which",
    "parked": "refused for good, or it came back; lies with the desk",
    "expired": "not taken for five days; lies with the desk",
    "folded": "left as a line of a digest; `reason` names it",
    "cancelled": "given up by the desk",
}


MOVES: tuple[Move[State, Event], ...] = (
    Move("queued", "lease", "leased", "delivery"),
    Move("retrying", "lease", "leased", "delivery"),
    Move("leased", "lease", "leased", "delivery, once the lease of one that died has run out"),
    Move("leased", "accepted", "sent", "server"),
    Move("leased", "deferred", "retrying", "server"),
    Move("leased", "refused", "parked", "server"),
    Move("leased", "too_old", "expired", "clock"),
    Move("sent", "bounced", "parked", "DSN"),
    Move("queued", "hold", "held", "desk"),
    Move("retrying", "hold", "held", "desk"),
    Move("held", "release", "queued", "desk"),
    Move("held", "room", "queued", "budget"),
    Move("held", "fold", "folded", "budget"),
    Move("parked", "retry", "queued", "desk"),
    Move("expired", "retry", "queued", "desk"),
    Move("retrying", "retry", "queued", "desk"),
    Move("held", "cancel", "cancelled", "desk"),
    Move("queued", "cancel", "cancelled", "desk"),
    Move("retrying", "cancel", "cancelled", "desk"),
    Move("parked", "cancel", "cancelled", "desk"),
    Move("expired", "cancel", "cancelled", "desk"),
)
TABLE = Transitions(MEANING, MOVES)

APPROVAL = "approval"
"""The reason of mail that the policy holds until the desk has approved its case."""

SECOND_US = 1_000_000
BACKOFF_FIRST_SECS, BACKOFF_LAST_SECS = 300, 4000
"""Postfix's minimal_backoff_time and maximal_backoff_time."""
LIFETIME_US = 5 * 86_400 * SECOND_US
"""RFC 5321 4.5.4.1 and Postfix's maximal_queue_lifetime: five days."""


class OutboxError(ValueError):
    """This event does not exist in this state."""


class Outcome(NamedTuple):
    """What became of one try. `unknown`: the connection was lost after the text was sent, so the server may have it."""

    kind: Literal["accepted", "deferred", "refused", "unknown"]
    code: int = 0
    text: str = ""


class Settlement(NamedTuple):
    """The message after a try: its state, when it is due again (microseconds) and the server's words."""

    state: State
    next_us: int
    reason: str


def move(state: str, event: Event) -> State:
    """Look up the next state; OutboxError when the table has no such line."""
    found = TABLE.find(state, event)
    if found is None:
        raise OutboxError(f"a message that is {state} has no event {event}")
    return found.next


def desk_move(state: str, event: str, *, erased: bool = False) -> State:
    """Look up what the desk may do: a person does not accept or lease mail. OutboxError as for `move`.

    A mail whose text was `erased` cannot be sent again.
    """
    found = TABLE.find(state, event)
    if found is None or found.by != "desk":
        raise OutboxError(f"a message that is {state} has no event {event}")
    if erased and found.next == "queued":
        raise OutboxError("the text of this message was erased when its time was over")
    return found.next


def backoff_secs(attempts: int) -> int:
    """Wait after the n-th try (from 1): 300 s, doubling, at most 4000 s."""
    return min(BACKOFF_FIRST_SECS << min(max(attempts, 1) - 1, 10), BACKOFF_LAST_SECS)


def settle(outcome: Outcome, attempts: int, created_us: int, now_us: int) -> Settlement:
    """Decide what follows from a try. A clock that stands before `created_us` counts as no time gone by."""
    reason = f"{outcome.code} {outcome.text}".strip() if outcome.code else outcome.text
    if outcome.kind == "accepted":
        return Settlement(move("leased", "accepted"), now_us, reason)
    if outcome.kind == "refused":
        return Settlement(move("leased", "refused"), now_us, reason)
    if now_us - created_us >= LIFETIME_US:
        return Settlement(move("leased", "too_old"), now_us, reason)
    if outcome.kind == "unknown":
        reason = f"may have been taken: {reason}"
    return Settlement(move("leased", "deferred"), now_us + backoff_secs(attempts) * SECOND_US, reason)
