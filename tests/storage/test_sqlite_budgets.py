"""Budgets hold across restarts, kills and clocks that jump; what is over them waits, and nothing is forgotten (threats.md T7)."""

import itertools
import random

import pytest

from abusewatch.casework import Casework
from abusewatch.incidents import Change, correlate, everyone
from abusewatch.model.contact import Contact
from abusewatch.outbox import Outcome, settle
from abusewatch.outbox.budgets import DAY_US, HOUR_US, STALE_US, Budgets
from abusewatch.retention import limits
from abusewatch.storage import SqliteStore
from abusewatch.storage.uptime import Moment
from tests.cases import SECOND, T0, Owners, PlainComposer, detection, incident, message, target


class Machine:
    """A machine with an uptime that only goes forward and a wall clock that anybody may set."""

    def __init__(self):
        self.boot, self.up_us, self.wall_us = "a", 10**9, T0

    def __call__(self):
        return Moment(self.boot, self.up_us)

    def wait(self, us):
        self.up_us += us
        self.wall_us += us

    def reboot(self):
        self.boot, self.up_us = self.boot + "a", 0


@pytest.fixture
def machine():
    return Machine()


@pytest.fixture
def opened(tmp_path, machine):
    """Open the same store again and again, as after a kill; all of them are closed at the end."""
    made = []

    def again(budgets=None):
        made.append(SqliteStore(tmp_path / "cases.db", limits(), budgets or Budgets(), machine))
        return made[-1]

    yield again
    for store in made:
        store.close()


def case(store, number, customer="C-1042", kind="login_attack"):
    one = incident(ident=f"AW-2026-{number:06d}", customer=f"{customer}", kind=kind)
    store.save([Change(one, None)])
    return one.id


def states(store):
    return [(e.state, e.reason) for e in store.messages()]


def put(store, machine, *messages):
    store.enqueue(messages, None, machine.wall_us)


def test_one_mail_of_a_case_to_one_recipient_a_day(opened, machine):
    store = opened()
    put(store, machine, message(1), message(2), message(3, case="AW-2026-000002"))
    assert states(store) == [("queued", ""), ("held", "budget case_recipient_day"), ("queued", "")]
    machine.wait(DAY_US - 1)
    assert store.release_held(machine.wall_us) == []
    machine.wait(1)
    assert [e.message for e in store.release_held(machine.wall_us)] == [message(2)]
    assert [s for s, _ in states(store)] == ["queued"] * 3


def test_ten_a_day_to_one_recipient_however_it_is_written(opened, machine):
    store = opened()
    names = itertools.cycle(["abuse@operator.example", "Abuse@Operator.example"])
    put(store, machine, *[message(n, next(names), case=f"AW-2026-{n:06d}") for n in range(13)])
    assert [s for s, _ in states(store)] == ["queued"] * 10 + ["held"] * 3
    assert states(store)[-1] == ("held", "budget recipient_day")


def test_five_notices_a_day_to_one_customer_whichever_his_contacts(opened, machine):
    store = opened()
    kinds = ["login_attack", "worm", "spam", "syn_flood", "port_scan", "udp_flood", "mining"]
    cases = [case(store, n, kind=kind) for n, kind in enumerate(kinds)]
    put(store, machine, *[message(n, f"c{n}@customer.example", "customer", one) for n, one in enumerate(cases)])
    other = case(store, 99, customer="C-7")
    put(store, machine, message(99, "x@other.example", "customer", other))
    assert [s for s, _ in states(store)] == ["queued"] * 5 + ["held"] * 2 + ["queued"]


def test_the_hour_keeps_a_part_for_customers(opened, machine):
    store = opened()
    put(store, machine, *[message(n, f"r{n}@operator.example") for n in range(200)])
    assert sum(s == "queued" for s, _ in states(store)) == 150
    assert store.room(machine.wall_us) == 0
    cases = [case(store, n, customer=f"C-{n}") for n in range(60)]
    put(store, machine, *[message(n, f"c{n}@customer.example", "customer", one) for n, one in enumerate(cases)])
    assert store.counts()["queued"] == 200
    machine.wait(HOUR_US)
    assert store.room(machine.wall_us) == 150
    assert len(store.release_held(machine.wall_us)) == 60


@pytest.mark.parametrize("jump", [-400 * DAY_US, -61 * SECOND, 61 * SECOND, DAY_US, 400 * DAY_US])
def test_a_wall_clock_that_jumps_frees_nothing(opened, machine, jump):
    put(opened(), machine, message(1))
    machine.wall_us += jump
    store = opened()  # and neither does a restart after it
    put(store, machine, message(2))
    assert states(store)[1] == ("held", "budget case_recipient_day")
    machine.wait(DAY_US)
    if abs(jump) <= STALE_US:
        assert len(store.release_held(machine.wall_us)) == 1


def test_a_reboot_counts_by_the_wall_clock_and_never_backwards(opened, machine):
    put(opened(), machine, message(1))
    machine.reboot()
    machine.wall_us -= DAY_US
    store = opened()
    put(store, machine, message(2))
    machine.reboot()
    machine.wall_us += 2 * DAY_US
    put(opened(), machine, message(3))
    assert [s for s, _ in states(store)] == ["queued", "held", "queued"]


def test_budgets_are_never_exceeded_whatever_happens(opened, machine):
    """A random history of mail, kills, clock jumps and releases: in no span of true time did more leave than may."""
    chance, small = random.Random(7), Budgets(case_recipient_day=1, recipient_day=3, customer_day=2, hour=6, customer_reserve=2, breaker_hour=10**6)
    store = opened(small)
    cases = {n: case(store, n, customer=f"C-{n % 3}", kind=f"kind {n}") for n in range(8)}
    truth, left, number = 0, [], 0

    def look():
        known = {e.id for _, e in left}
        left.extend((truth, e) for e in store.messages(limit=10**6) if e.state != "held" and e.id not in known)

    for _ in range(700):
        step = chance.choice(["mail", "mail", "mail", "wait", "wait", "jump", "kill", "release", "deliver"])
        if step == "mail":
            number += 1
            audience = chance.choice(["operator", "customer"])
            put(store, machine, message(number, f"r{chance.randrange(4)}@{audience}.example", audience, cases[chance.randrange(8)]))
        elif step == "wait":
            us = chance.choice([SECOND, HOUR_US // 3, 5 * HOUR_US])
            machine.wait(us)
            truth += us
        elif step == "jump":
            machine.wall_us += chance.choice([-DAY_US, DAY_US, -90 * SECOND, HOUR_US])
        elif step == "kill":
            store = opened(small)
        elif step == "release":
            store.release_held(machine.wall_us)
        else:
            for entry in store.lease(machine.wall_us, 99, SECOND):
                store.settled(entry, settle(Outcome("accepted"), 1, 0, 0), machine.wall_us)
        look()
    assert len(left) > 50
    keys = {
        "case_recipient_day": (DAY_US, lambda m: (m.incident, m.recipient)),
        "recipient_day": (DAY_US, lambda m: m.recipient),
        "customer_day": (DAY_US, lambda m: (int(m.incident[-6:]) % 3) if m.audience == "customer" else None),
        "hour": (HOUR_US, lambda m: "all"),
    }
    for name, (span, key) in keys.items():
        for at, entry in left:
            if (of := key(entry.message)) is not None:
                within = [e for t, e in left if at - span < t <= at and key(e.message) == of]
                assert len(within) <= getattr(small, name), name


def test_what_waited_too_long_is_left_to_the_desk(opened, machine):
    store = opened()
    put(store, machine, message(1), message(2))
    machine.wait(STALE_US)
    assert store.release_held(machine.wall_us) == []
    (held,) = store.messages("held")
    assert store.move_message(held.id, "release", machine.wall_us).state == "queued"


def test_what_the_desk_lets_go_is_charged(opened, machine):
    store = opened(Budgets(hour=2, customer_reserve=0))
    store.enqueue([message(n, f"r{n}@operator.example") for n in range(2)], "shadow", machine.wall_us)
    for entry in store.messages("held"):
        store.move_message(entry.id, "release", machine.wall_us)
    put(store, machine, message(5, "r5@operator.example"))
    assert states(store)[-1] == ("held", "budget hour")


class Everyone:
    """A desk of its own for every /24."""

    def resolve(self, addresses):
        groups = {}
        for address in addresses:
            a, b, c, _ = address.split(".")
            groups.setdefault(Contact(f"abuse@n{a}-{b}-{c}.example", "N", "table", f"{a}.{b}.{c}.0/24"), []).append(address)
        return groups


def flood(customers, networks, basis):
    """Detections of 10 flows to each of `networks` networks a customer, a thousand a finding, as the engine makes them."""
    for customer in range(customers):
        for part in range(0, networks, 1000):
            numbers = range(customer * networks + part, customer * networks + min(part + 1000, networks))
            targets = [target(f"{11 + (n >> 16)}.{n >> 8 & 255}.{n & 255}.9", flows=10, rows=1) for n in numbers]
            yield detection(targets, customer=f"C-{customer}", basis=basis, episode=f"{customer}-{part}", kind="login_attack")


@pytest.mark.parametrize("basis", ["syn_only", "one_way", "unknown"])
def test_a_million_forged_flows_to_a_hundred_thousand_networks_mail_no_stranger(opened, machine, basis):
    store = opened()
    store.save(correlate([], flood(10, 10_000, basis), machine.wall_us, store.next_id))
    work = Casework(store, Owners(), Everyone(), PlainComposer(), hold=None)
    while work.turn(machine.wall_us):
        pass
    assert [e for e in store.messages() if e.message.audience == "operator"] == []


@pytest.mark.long
def test_a_million_flows_to_a_hundred_thousand_networks_cause_the_budget_and_no_mail_more(opened, machine):
    """Not even forged: the first hour's budget leaves, no desk is mailed twice, the breaker opens, and then nothing leaves."""
    store = opened()
    store.save(correlate([], flood(10, 10_000, "handshake"), machine.wall_us, store.next_id))
    work = Casework(store, Owners(), Everyone(), PlainComposer(), hold=None)
    taken = []
    for _ in range(3):  # turns of an hour
        while work.turn(machine.wall_us):
            pass
        store.release_held(machine.wall_us)
        while entries := store.lease(machine.wall_us, 500, SECOND):
            taken += [e.message for e in entries]
            for entry in entries:
                store.settled(entry, settle(Outcome("accepted"), 1, 0, 0), machine.wall_us)
        machine.wait(HOUR_US)
    (breaker,) = store.breakers()
    assert (breaker.audience, breaker.opened_us) == ("operator", T0)
    assert breaker.wanted > store.budgets.breaker_hour
    operators = [m.recipient for m in taken if m.audience == "operator"]
    assert operators == []  # the breaker opened within the very transaction that wanted too much
    assert store.close_breaker("operator")
    for entry in (entries := store.lease(machine.wall_us, 10**4, SECOND)):
        store.settled(entry, settle(Outcome("accepted"), 1, 0, 0), machine.wall_us)
    work.turn(machine.wall_us)
    assert len([e for e in entries if e.message.audience == "operator"]) <= 150
    assert len({m.message.recipient for m in entries}) == len(entries)
    assert store.counts()["queued"] <= 150


def test_without_a_breaker_the_budget_is_met_exactly_and_nobody_is_mailed_twice(opened, machine):
    store = opened(Budgets(breaker_hour=10**6))
    store.save(correlate([], flood(2, 300, "handshake"), machine.wall_us, store.next_id))
    work = Casework(store, Owners(), Everyone(), PlainComposer(), hold=None)
    hours, seen = [], []
    for _ in range(6):
        for _ in range(6):
            work.turn(machine.wall_us)
            machine.wait(HOUR_US // 6)
        seen.append(sum(e.message.audience == "operator" for e in store.messages(limit=10**6)))
        hours = [b - a for a, b in itertools.pairwise([0, *seen])]
    assert hours == [150] * 4 + [0] * 2
    recipients = [e.message.recipient for e in store.messages(limit=10**6) if e.message.audience == "operator"]
    assert len(recipients) == len(set(recipients))


def test_a_closed_breaker_begins_to_count_anew(opened, machine):
    store = opened(Budgets(breaker_hour=3))
    one = case(store, 1)
    some = [message(n, f"r{n}@operator.example", case=one) for n in range(4)]
    store.commit(one, 1, some, [], hold=None, now_us=machine.wall_us)
    assert [b.wanted for b in store.breakers()] == [4]
    assert {s for s, _ in states(store)} == {"held"}
    assert store.incident(one).state == "open"  # nobody was told
    assert store.close_breaker("operator")
    assert not store.close_breaker("operator")
    assert len(store.release_held(machine.wall_us)) == 4
    assert store.incident(one).state == "active"
    assert store.breakers() == []


def test_what_the_floors_and_budgets_hold_back_would_be_seen(opened, machine):
    """Negative control: with both out of the way the same forged flood mails every desk, a thousand in an hour."""
    store = opened(Budgets(hour=10**6, breaker_hour=10**9))
    store.save(correlate([], flood(10, 100, "syn_only"), machine.wall_us, store.next_id))
    work = Casework(store, Owners(), Everyone(), PlainComposer(), hold=None, policy=everyone)
    while work.turn(machine.wall_us):
        pass
    assert sum(e.message.audience == "operator" for e in store.messages(limit=10**6)) == 1000
