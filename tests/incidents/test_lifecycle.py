"""The lifecycle is its table: complete, documented, and left by itself where it says so."""

from typing import get_args

import pytest

from abusewatch.incidents.lifecycle import (
    EVENTS,
    MEANING,
    MOVES,
    SILENCE_US,
    STATES,
    LifecycleError,
    State,
    document,
    expire,
    step,
)
from tests.cases import T0, incident


def test_docs_show_the_table(root):
    assert (root / "docs" / "lifecycle.md").read_text() == document()


def test_every_pair_of_state_and_event_moves_as_the_table_says_or_is_refused():
    table = {(m.state, m.event): m.next for m in MOVES}
    assert len(table) == len(MOVES)
    for state in STATES:
        for event in EVENTS:
            if (state, event) in table:
                assert step(state, event) == table[state, event]
            else:
                with pytest.raises(LifecycleError):
                    step(state, event)


def test_states_are_all_named_and_reachable_from_open():
    assert set(MEANING) == set(get_args(State))
    reached, edge = set(), {"open"}
    while edge:
        reached |= edge
        edge = {m.next for m in MOVES if m.state in edge} - reached
    assert reached == set(STATES)


def test_every_state_that_ends_by_itself_has_the_event_and_only_closed_stays():
    assert set(SILENCE_US) == {m.state for m in MOVES if m.event == "silence"} == set(STATES) - {"closed"}


@pytest.mark.parametrize("state", sorted(SILENCE_US))
def test_a_state_ends_when_its_time_is_over_and_not_before(state):
    one = incident(state=state, last_us=T0)
    assert expire([one], T0 + SILENCE_US[state] - 1) == []
    (change,) = expire([one], T0 + SILENCE_US[state])
    assert (change.before, change.incident.state) == (state, step(state, "silence"))


def test_silence_alone_closes_a_case_in_the_end():
    one = incident(state="active", last_us=T0)
    (one, _), *_ = expire([one], T0 + SILENCE_US["active"])
    (one, _), *_ = expire([one], T0 + SILENCE_US["quiet"])
    assert one.state == "closed"
    assert expire([one], T0 * 2) == []
