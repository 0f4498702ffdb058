"""Every message ends sent, parked, expired or cancelled; the waits are Postfix's."""

import pytest

from abusewatch.outbox.states import (
    BACKOFF_LAST_SECS,
    EVENTS,
    LIFETIME_US,
    MOVES,
    SECOND_US,
    STATES,
    OutboxError,
    Outcome,
    backoff_secs,
    desk_move,
    move,
    settle,
)
from tests.cases import T0


def test_every_pair_moves_as_the_table_says_or_is_refused():
    table = {(m.state, m.event): m.next for m in MOVES}
    assert len(table) == len(MOVES)
    for state in STATES:
        for event in EVENTS:
            if (state, event) in table:
                assert move(state, event) == table[state, event]
            else:
                with pytest.raises(OutboxError):
                    move(state, event)


def test_what_left_is_never_sent_again_and_what_failed_has_a_way_back():
    assert {(m.event, m.next) for m in MOVES if m.state in {"sent", "folded", "cancelled"}} == {("bounced", "parked")}
    for state in ("parked", "expired"):
        assert desk_move(state, "retry") == "queued"


def test_only_the_desk_is_a_person():
    with pytest.raises(OutboxError):
        desk_move("leased", "accepted")
    with pytest.raises(OutboxError, match="erased"):
        desk_move("held", "release", erased=True)
    assert desk_move("held", "cancel", erased=True) == "cancelled"


def test_waits_double_from_five_minutes_to_a_good_hour():
    assert [backoff_secs(n) for n in (0, 1, 2, 3, 4, 5, 6, 10_000)] == [300, 300, 600, 1200, 2400, 4000, 4000, BACKOFF_LAST_SECS]


@pytest.mark.parametrize(
    ("outcome", "state", "waits", "reason"),
    [
        (Outcome("accepted", 250, "queued as 1"), "sent", 0, "250 queued as 1"),
        (Outcome("refused", 550, "no such user"), "parked", 0, "550 no such user"),
        (Outcome("deferred", 451, "later"), "retrying", 600, "451 later"),
        (Outcome("deferred", 0, "no route"), "retrying", 600, "no route"),
        (Outcome("unknown", 0, "lost"), "retrying", 600, "may have been taken: lost"),
    ],
)
def test_what_follows_from_an_outcome(outcome, state, waits, reason):
    assert settle(outcome, 2, T0, T0 + 5) == (state, T0 + 5 + waits * SECOND_US, reason)


@pytest.mark.parametrize("kind", ["deferred", "unknown"])
def test_after_five_days_it_is_given_up_to_the_desk_and_not_before(kind):
    assert settle(Outcome(kind), 9, T0, T0 + LIFETIME_US - 1).state == "retrying"
    assert settle(Outcome(kind), 9, T0, T0 + LIFETIME_US).state == "expired"
    assert settle(Outcome(kind), 9, T0, T0 - LIFETIME_US).state == "retrying"  # a clock set back gives nothing up
