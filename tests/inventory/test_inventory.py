"""Direction of every record, and the owner of an address at a time."""

from datetime import date

import pytest

from abusewatch.inventory import Inventory, of_prefixes
from abusewatch.model.customer import Customer, Direction
from tests.flows import T0, flows

OWN = of_prefixes(["198.51.100.0/24"])
DAY = 86_400 * 1_000_000


def test_direction_is_decided_by_whose_the_ends_are():
    batch = flows(
        "0 1 198.51.100.7:1 203.0.113.9:2 tcp 1 40 S",
        "0 1 203.0.113.9:2 198.51.100.7:1 tcp 1 40 S",
        "0 1 198.51.100.7:1 198.51.100.8:2 tcp 1 40 S",
        "0 1 203.0.113.9:1 203.0.113.10:2 tcp 1 40 S",
    )
    rows, counts = OWN.label(batch)
    assert counts == {Direction.OUTBOUND: 1, Direction.INBOUND: 1, Direction.INTERNAL: 1, Direction.TRANSIT: 1, Direction.SPOOFED: 0}
    assert rows["outbound"].tolist() == [True, False, True, True, False]  # a row a record, then the other side of those between two of ours
    assert rows["own_port"].tolist() == [1, 1, 1, 1, 2]
    assert rows["peer_port"].tolist() == [2, 2, 2, 2, 1]
    assert rows["internal"].tolist() == [False, False, True, False, True]
    assert rows["transit"].tolist() == [False, False, False, True, False]
    assert rows["slot"][0] == rows["slot"][1] == rows["slot"][2] != rows["slot"][4]
    assert len({*rows["slot"].tolist()}) == len(OWN.slots) == 3


def test_a_foreign_source_behind_a_customers_port_is_spoofed():
    batch = flows("0 1 203.0.113.9:1 203.0.113.10:2 udp 1 40 .").with_columns(input_if=flows("0 1 1.1.1.1:1 1.1.1.1:12 udp 1 1 .").dst_port)
    inventory = Inventory([Customer("C-1", ("198.51.100.0/28",))], ports={"0#12": "C-1"})
    rows, counts = inventory.label(batch)
    assert rows["spoofed"].tolist() == [True]
    assert counts[Direction.SPOOFED] == 1
    assert inventory.customer_of_port("0", 12).id == "C-1"


def test_one_host_with_many_ipv6_addresses_has_one_slot():
    inventory = of_prefixes(["2001:db8:42::/48"])
    rows, _ = inventory.label(flows(*[f"0 1 [2001:db8:42:1::{n:x}]:1 [2001:db8::1]:2 tcp 1 40 S" for n in range(1, 9)]))
    assert len(set(rows["slot"].tolist())) == 1


def test_ownership_at_the_time_of_the_event_decides():
    inventory = Inventory([
        Customer("old", ("198.51.100.0/28",), valid_to=date(2026, 1, 4)),
        Customer("new", ("198.51.100.0/28",), valid_from=date(2026, 1, 5)),
        Customer("block", ("198.51.100.0/24",)),
    ])  # fmt: skip
    now = T0 * 1_000_000
    assert inventory.owner_at("198.51.100.7", now).id == "new"
    assert inventory.owner_at("198.51.100.7", now - DAY).id == "old"
    assert inventory.owner_at("198.51.100.77", now).id == "block"
    assert inventory.owner_at("203.0.113.1", now) is None


def test_a_gap_in_ownership_falls_to_the_wider_prefix():
    inventory = Inventory([Customer("gone", ("198.51.100.0/28",), valid_to=date(2020, 1, 1)), Customer("block", ("198.51.100.0/24",))])
    assert inventory.owner_at("198.51.100.7", T0 * 1_000_000).id == "block"


@pytest.mark.parametrize("text", ["fe80::1%eth0", "198.51.100", "::ffff:198.51.100.7x"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ValueError):
        OWN.contains(text)
