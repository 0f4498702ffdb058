"""Each address in exactly one group; nobody is mailed about own, private or bogon space."""

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from abusewatch.contacts import OperatorTable, TableResolver
from abusewatch.contacts.resolve import OWN, UNKNOWN
from abusewatch.contacts.table import Entry
from tests.cases import foreign, ours, own


def resolver(*lines):
    return TableResolver(OperatorTable(Entry(ipaddress.ip_network(p), name, email) for p, name, email in lines), own)


def test_longest_prefix_and_one_group_for_each_mail_address():
    found = resolver(
        ("66.0.0.0/8", "Wide", "abuse@wide.example"), ("66.1.0.0/16", "Narrow", "abuse@narrow.example"), ("2a00:1::/32", "Narrow six", "Abuse@narrow.example"),
    ).resolve(["66.1.2.3", "66.2.0.1", "2a00:1::5", "66.1.2.3", "66.1.9.9"])  # fmt: skip
    assert {(c.email, c.name, c.source, c.network): a for c, a in found.items()} == {
        ("abuse@narrow.example", "Narrow", "table", "66.1.0.0/16"): ["66.1.2.3", "2a00:1::5", "66.1.9.9"],
        ("abuse@wide.example", "Wide", "table", "66.0.0.0/8"): ["66.2.0.1"],
    }


def test_nobody_known_is_grouped_by_network():
    found = resolver().resolve(["9.9.9.9", "9.9.9.10", "9.9.8.1", "2a00:1::1", "2a00:1:0:9::1"])
    assert {(c.email, c.name, c.network): len(a) for c, a in found.items()} == {
        (None, UNKNOWN, "9.9.9.0/24"): 2, (None, UNKNOWN, "9.9.8.0/24"): 1, (None, UNKNOWN, "2a00:1::/48"): 2,
    }  # fmt: skip


def test_own_space_is_never_mailed_even_if_the_table_says_so():
    (contact,) = resolver(("198.51.100.0/24", "Us", "abuse@us.example")).resolve(["198.51.100.9"])
    assert (contact.email, contact.name, contact.source) == (None, OWN, "none")


def test_special_space_has_a_reason_and_no_mail():
    found = resolver(("10.0.0.0/8", "Lab", "lab@lab.example")).resolve(["192.168.1.1", "224.0.0.1", "10.1.1.1"])
    assert {(c.email, c.source, a[0]) for c, a in found.items()} == {(None, "none", "192.168.1.1"), (None, "none", "224.0.0.1"), ("lab@lab.example", "table", "10.1.1.1")}
    assert {c.name for c in found if not c.email} == {"private use (RFC 1918)", "multicast (RFC 5771)"}


def test_a_wide_line_does_not_open_the_special_space_inside_it():
    found = resolver(("172.0.0.0/8", "Carrier", "abuse@carrier.example")).resolve(["172.16.0.1", "172.1.0.1"])
    assert {c.email: a for c, a in found.items()} == {None: ["172.16.0.1"], "abuse@carrier.example": ["172.1.0.1"]}


@given(st.lists(st.one_of(foreign, ours), max_size=20))
def test_every_address_once(some):
    found = resolver(("66.0.0.0/8", "W", "w@w.example"), ("66.1.0.0/16", "W", "w@w.example")).resolve(some)
    assert sorted(a for group in found.values() for a in group) == sorted(set(some))
    assert all(c.email is None for c, group in found.items() if any(own(a) for a in group))
