"""What each customer used: every octet at both its ends and at nobody else's, over any batches, and only of the last minute."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abusewatch.inventory import Inventory
from abusewatch.inventory.slots import Slots
from abusewatch.model import rows as r
from abusewatch.model.customer import Customer
from abusewatch.pipeline import Pipeline
from abusewatch.usage import meter
from abusewatch.usage.meter import SUMS, Meter, Usage
from tests.flows import T0, flows

SECOND = 1_000_000
PANE = 5 * SECOND
CUSTOMERS = (
    Customer("C-1", ("198.51.100.0/28", "2001:db8:1::/48")), Customer("C-2", ("198.51.100.0/24",)), Customer("C-3", ("198.51.100.3/32",)),
)  # fmt: skip


def inventory(**slots):
    ours = Inventory(CUSTOMERS)
    ours.slots = Slots(**slots)
    return ours


def metered(ours, *panes, **columns):
    """Panes of lines of flows, five seconds each."""
    found = Meter(ours)
    for n, lines in enumerate(panes):
        rows, _ = ours.label(flows(*lines).with_columns(**columns))
        found.add(rows, (T0 * SECOND // PANE + n + 1) * PANE, len(ours.slots), ours.slots.freed)
    return found


def told(found, ours):
    customers, transit = found.minute().by_holder(ours)
    return {usage.customer: tuple(getattr(usage, name) for name in SUMS) for usage in (*customers, transit)}


ONE = (
    "0 1 198.51.100.1:1 203.0.113.9:2 tcp 3 500 S", "0 1 203.0.113.9:2 198.51.100.1:1 tcp 2 90 SA", "0 1 198.51.100.99:1 203.0.113.9:2 udp 1 7 .",
    "0 1 198.51.100.1:1 198.51.100.99:2 tcp 10 1000 S", "0 1 [2001:db8:1::5]:1 [2001:db8:ffff::1]:2 udp 4 400 .", "0 1 203.0.113.1:1 203.0.113.2:2 udp 9 99 .",
)  # fmt: skip
TOLD = {"C-1": (1900, 90, 17, 2, 3, 1), "C-2": (7, 1000, 1, 10, 1, 1), "": (99, 0, 9, 0, 1, 0)}


def test_every_octet_at_both_its_ends():
    """Several prefixes of one customer, the longest prefix, traffic between two of ours, and what only passes through."""
    ours = inventory()
    assert told(metered(ours, ONE), ours) == TOLD


def test_batches_and_parts_of_panes_change_nothing():
    ours = inventory()
    one = Meter(ours)
    rows, _ = ours.label(flows(*ONE * 3))
    end_us = (T0 + 5) * SECOND
    for n in range(r.length(rows)):
        one.add({name: column[n : n + 1] for name, column in rows.items()}, end_us, len(ours.slots))
    assert told(one, ours) == {name: tuple(3 * x for x in sums) for name, sums in TOLD.items()}
    assert one.minute().secs == 5


def test_samples_stand_for_as_many_as_were_passed_over():
    """But a record is one record; and an unknown rate multiplies nothing."""
    ours, line = inventory(), ("0 1 198.51.100.1:1 203.0.113.9:2 tcp 3 500 S",)
    assert told(metered(ours, line, sampling_rate=np.array([100], np.uint32)), ours)["C-1"] == (50_000, 0, 300, 0, 1, 0)
    assert told(metered(ours, line, sampling_rate=np.array([0], np.uint32)), ours)["C-1"] == (500, 0, 3, 0, 1, 0)


def test_only_the_last_minute():
    ours = inventory()
    line, other = "0 1 198.51.100.1:1 203.0.113.9:2 tcp 3 500 S", "0 1 198.51.100.99:1 203.0.113.9:2 tcp 1 1 S"
    found = metered(ours, [line], *([[other]] * 11))
    assert told(found, ours)["C-1"][0] == 500
    assert found.minute().secs == 60
    found = metered(ours, [line], *([[other]] * 12))
    assert told(found, ours) == {"C-2": (12, 0, 12, 0, 12, 0), "": (0,) * 6}
    assert found.minute().secs == 60


def test_a_pane_of_nothing_passes_time():
    ours = inventory()
    found = metered(ours, ["0 1 198.51.100.1:1 203.0.113.9:2 tcp 3 500 S"])
    found.add(r.empty(), (T0 + 120) * SECOND, 1)
    assert found.minute().end_us == 0
    assert told(found, ours) == {"": (0,) * 6}


def test_numbers_that_are_given_out_again_have_another_owner():
    ours = inventory(capacity=1)
    line, other = "0 1 198.51.100.1:1 203.0.113.9:2 tcp 3 500 S", "0 1 198.51.100.99:1 203.0.113.9:2 tcp 1 7 S"
    found = metered(ours, [line])
    ours.slots.idle_us = 1
    ours.slots.pass_time(1)
    ours.slots.pass_time(2)
    assert ours.slots.freed == 1
    rows, _ = ours.label(flows(other))
    assert rows["slot"].tolist() == [0]
    found.add(rows, (T0 + 10) * SECOND, len(ours.slots), ours.slots.freed)
    assert told(found, ours)["C-2"] == (7, 0, 1, 0, 1, 0)


def test_who_has_it_at_the_time():
    """A network that nobody has then goes by the one around it, or by its own name."""
    ours = Inventory([
        Customer("old", ("198.51.100.0/28",), valid_to=date(2026, 1, 4)), Customer("new", ("198.51.100.0/28",), valid_from=date(2026, 1, 5)),
        Customer("gone", ("198.51.100.64/28", "192.0.2.0/24"), valid_to=date(2020, 1, 1)), Customer("block", ("198.51.100.0/24",)),
        Customer("first", ("198.51.100.0/29",)),
    ])  # fmt: skip
    sent = {"198.51.100.9": 1, "198.51.100.70": 2, "192.0.2.1": 4, "198.51.100.1": 8}
    lines = [f"0 1 {own}:1 203.0.113.9:2 tcp 1 {size} S" for own, size in sent.items()]
    found = metered(ours, lines)
    assert {name: sums[0] for name, sums in told(found, ours).items() if name} == {"new": 1, "block": 2, "192.0.2.0/24": 4, "first": 8}


def test_rates():
    usage = Usage("C-1", 1000, 10, 60, 6, 30, 0)
    assert usage.per_sec(60) == {
        "bits_out_per_sec": 133.3, "bits_in_per_sec": 1.3, "packets_out_per_sec": 1.0, "packets_in_per_sec": 0.1, "flows_out_per_sec": 0.5, "flows_in_per_sec": 0.0,
    }  # fmt: skip
    assert set(usage.per_sec(0).values()) == {0.0}
    assert Usage.sum_of([usage, usage]) == Usage("", 2000, 20, 120, 12, 60, 0)


def test_in_the_pipeline_what_is_exported_twice_counts_once():
    ours = inventory()
    pipeline = Pipeline([], ours, lambda _: None)
    pipeline.meter = Meter(ours)
    batch = flows("0 1 198.51.100.1:1 203.0.113.9:2 tcp 3 500 SA", "0 2 198.51.100.1:3 203.0.113.9:2 tcp 4 600 SA")
    for exporter in (1, 2):
        pipeline.feed(batch.with_columns(exporter=np.full(2, exporter, np.uint32)))
    pipeline.flush()
    assert told(pipeline.meter, ours)["C-1"][0] == 1100


@pytest.mark.compiled("abusewatch.usage._passes")
@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 2**32), st.integers(0, 2**20), st.sampled_from((0, 1, 4096))), min_size=1, max_size=60),
    st.booleans(),
)
@settings(deadline=None, max_examples=50)
def test_compiled_and_numpy_agree(values, alike):
    """Also where a column is one value for all rows."""
    slot, outbound, octets, packets, rate = (np.array(column) for column in zip(*values, strict=True))
    rows = {
        "slot": slot.astype(np.int32), "outbound": outbound, "bytes": octets.astype(np.uint64), "packets": packets.astype(np.uint64),
        "sampling_rate": np.broadcast_to(np.uint32(64), slot.shape) if alike else rate.astype(np.uint32),
    }  # fmt: skip
    compiled = meter._summed(rows, 6)
    kernel, meter.KERNEL = meter.KERNEL, None
    try:
        assert meter._summed(rows, 6).tolist() == compiled.tolist()
    finally:
        meter.KERNEL = kernel
