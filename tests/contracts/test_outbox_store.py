"""The contract of `outbox.Outbox`: leases, back-off, the desk's moves; and a model that random histories must agree with."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from msgspec.structs import replace

from abusewatch.outbox import Outcome, settle
from abusewatch.outbox.states import LIFETIME_US, MOVES, STATES, OutboxError
from abusewatch.retention import limits
from abusewatch.storage import MemoryStore, SqliteStore
from tests.cases import SECOND, T0, message

MINUTE = 60 * SECOND


def fill(store, n=3):
    store.enqueue([message(i, f"r{i}@operator.example") for i in range(n)], None, T0)


def test_a_lease_is_for_one(store):
    fill(store)
    first, second = store.lease(T0, 2, MINUTE), store.lease(T0, 2, MINUTE)
    assert [[e.message.recipient for e in entries] for entries in (first, second)] == [["r0@operator.example", "r1@operator.example"], ["r2@operator.example"]]
    assert {(e.state, e.attempts) for e in first} == {("leased", 1)}
    assert first[0].message == message(0, "r0@operator.example")
    assert store.lease(T0, 9, MINUTE) == []


def test_the_lease_of_one_that_died_runs_out(store):
    fill(store, 1)
    (old,) = store.lease(T0, 9, MINUTE)
    (new,) = store.lease(T0 + MINUTE, 9, MINUTE)
    assert new.attempts == 2
    assert not store.settled(old, settle(Outcome("accepted"), 1, T0, T0), T0)
    assert store.settled(new, settle(Outcome("accepted"), 2, T0, T0), T0)
    assert not store.settled(new, settle(Outcome("refused"), 2, T0, T0), T0)
    assert store.counts()["sent"] == 1


def test_a_restart_gives_leases_back_at_once(store):
    fill(store, 2)
    store.lease(T0, 1, 3600 * SECOND)
    assert store.recover(T0 + 1) == 1
    assert len(store.lease(T0 + 1, 9, MINUTE)) == 2


def test_a_deferred_message_waits_its_time(store):
    fill(store, 1)
    (entry,) = store.lease(T0, 1, MINUTE)
    store.settled(entry, settle(Outcome("deferred", 451, "greylisted"), 1, T0, T0), T0)
    assert store.lease(T0 + 300 * SECOND - 1, 1, MINUTE) == []
    (again,) = store.lease(T0 + 300 * SECOND, 1, MINUTE)
    assert (again.attempts, again.reason) == (2, "451 greylisted")


def test_a_clock_set_back_delays_nothing_for_a_year(store):
    year = 365 * 86_400 * SECOND
    fill(store, 2)
    (leased,) = store.lease(T0 + year, 1, MINUTE)
    (other,) = store.lease(T0 + year, 1, MINUTE)
    store.settled(other, settle(Outcome("deferred"), 1, T0, T0 + year - year), T0)
    assert leased.id in {e.id for e in store.lease(T0, 9, MINUTE)}


@pytest.mark.parametrize("state", [state for state in STATES if state != "folded"])  # that one only a digest brings about
@pytest.mark.parametrize("event", ["release", "retry", "cancel", "accepted", "nonsense"])
def test_the_desk_moves_by_the_table(store, state, event):
    ident = bring(store, state)
    table = {(m.state, m.event): m.next for m in MOVES if m.by == "desk"}
    if (state, event) in table:
        assert store.move_message(ident, event, T0).state == table[state, event]
    else:
        with pytest.raises(OutboxError):
            store.move_message(ident, event, T0)
        assert store.message(ident).state == state
    assert store.move_message(99, "cancel", T0) is None


def bring(store, state):
    """Bring a message into a state the way it really gets there."""
    store.enqueue([message(1)], "shadow" if state == "held" else None, T0)
    ident = store.messages()[0].id
    if state == "cancelled":
        store.move_message(ident, "cancel", T0)
    elif state not in {"queued", "held"}:
        (entry,) = store.lease(T0, 1, MINUTE)
        outcome = {"sent": "accepted", "retrying": "deferred", "parked": "refused", "expired": "deferred"}.get(state)
        if outcome:
            store.settled(entry, settle(Outcome(outcome), 1, T0 - (LIFETIME_US if state == "expired" else 0), T0), T0)
    return ident


def test_messages_are_listed_by_state_and_case(store):
    fill(store, 2)
    store.enqueue([message(5, case="AW-2026-000002")], "shadow", T0)
    assert len(store.messages()) == 3
    assert len(store.messages("held")) == len(store.messages(incident="AW-2026-000002")) == 1
    assert len(store.messages(limit=2)) == 2
    assert store.message(99) is None
    assert store.counts() == dict.fromkeys(STATES, 0) | {"queued": 2, "held": 1}


def plain(entry):
    """An entry without its number, which a refused double may use up."""
    return replace(entry, id=0)


class Agreement(RuleBasedStateMachine):
    """Two stores live through the same history of enqueues, leases, outcomes, crashes and clocks, and always agree."""

    @staticmethod
    def database():
        raise NotImplementedError

    def __init__(self):
        super().__init__()
        self.stores = [MemoryStore(), SqliteStore(self.database(), limits())]
        self.now = T0
        self.leased = [[], []]

    def each(self, act):
        one, two = (act(n, store) for n, store in enumerate(self.stores))
        assert one == two

    @rule(n=st.integers(0, 6), hold=st.sampled_from([None, "shadow"]))
    def enqueue(self, n, hold):
        self.each(lambda _, s: s.enqueue([message(n)], hold, self.now))

    @rule(limit=st.integers(1, 4))
    def lease(self, limit):
        def act(n, store):
            entries = store.lease(self.now, limit, MINUTE)
            self.leased[n] += entries
            return [plain(e) for e in entries]

        self.each(act)

    @rule(kind=st.sampled_from(["accepted", "deferred", "refused", "unknown"]), data=st.data())
    def outcome(self, kind, data):
        if self.leased[0]:
            at = data.draw(st.integers(0, len(self.leased[0]) - 1))
            entries = [leased.pop(at) for leased in self.leased]
            settlement = settle(Outcome(kind), entries[0].attempts, entries[0].created_us, self.now)
            self.each(lambda n, s: s.settled(entries[n], settlement, self.now))

    @rule()
    def crash(self):
        self.leased = [[], []]
        self.each(lambda _, s: s.recover(self.now))

    @rule(by=st.sampled_from([0, 1, 299 * SECOND, 4000 * SECOND, 86_400 * SECOND, 6 * 86_400 * SECOND, -86_400 * SECOND, -400 * 86_400 * SECOND]))
    def clock(self, by):
        self.now = max(self.now + by, 1)

    @rule(at=st.integers(0, 6), event=st.sampled_from(["release", "retry", "cancel"]))
    def desk(self, at, event):
        def act(_, store):
            try:
                return plain(store.move_message(store.messages()[at].id, event, self.now))
            except (OutboxError, IndexError):
                return "refused"

        self.each(act)

    @invariant()
    def the_same_mail_in_the_same_state(self):
        views = [[plain(e) for e in s.messages()] for s in self.stores]
        assert views[0] == views[1]
        assert len({e.message.dedup for e in views[0]}) == len(views[0])

    def teardown(self):
        self.stores[1].close()


def test_random_histories_agree(tmp_path_factory):
    Agreement.database = staticmethod(lambda: tmp_path_factory.mktemp("model") / "abusewatch.db")
    run_state_machine_as_test(Agreement, settings=settings(max_examples=100, stateful_step_count=40, deadline=None))
