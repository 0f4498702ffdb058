"""Each side's readers: the customer who owned the address then, the operators of what was attacked, and nobody else."""

import ipaddress

import pytest

from abusewatch.contacts import OperatorTable, TableResolver
from abusewatch.contacts.table import Entry
from abusewatch.incidents import Decision, Readers, everyone
from abusewatch.model.contact import Contact
from tests.cases import T0, Owners, detection, incident, own, target

TABLE = OperatorTable([Entry(ipaddress.ip_network("66.1.0.0/16"), "A", "abuse@a.example"), Entry(ipaddress.ip_network("66.2.0.0/16"), "B", None)])
RESOLVER = TableResolver(TABLE, own)


def find(*detections, decision=None, unresolved=False, owners=None):
    one = incident(*detections)
    return Readers(owners or Owners(), RESOLVER, unresolved=unresolved).find(one, decision or everyone(one))


def test_an_operator_reads_of_its_own_addresses_and_of_their_last_sighting():
    found = find(detection([target("66.1.0.1", last_us=T0 + 5), target("66.1.0.2", last_us=T0 + 9), target("8.8.8.8", last_us=T0 + 99)]))
    customer, operator = found.readers
    assert (operator.recipient, operator.addresses, operator.last_us) == ("abuse@a.example", {"66.1.0.1", "66.1.0.2"}, T0 + 9)
    assert operator.who == Contact("abuse@a.example", "A", "table", "66.1.0.0/16")
    assert (customer.audience, customer.addresses, "8.8.8.0/24" in customer.networks) == ("customer", frozenset(), True)
    assert found.missing  # of 8.8.8.8 nobody is known


@pytest.mark.parametrize(("decision", "audiences"), [(Decision(frozenset(), frozenset()), []), (Decision(frozenset("e"), frozenset()), ["customer"]), (Decision(frozenset(), frozenset("e")), ["operator"])])
def test_who_was_not_decided_upon_is_no_reader(decision, audiences):
    assert [r.audience for r in find(detection(["66.1.0.1"], episode="e"), decision=decision).readers] == audiences


def test_a_forged_source_is_told_to_no_operator():
    """The customer behind the port it came in by is."""
    assert [r.audience for r in find(detection(["66.1.0.1"], offender="9.9.9.9", customer="C-1042")).readers] == ["customer"]
    assert [r.audience for r in find(detection(["66.1.0.1"], offender="9.9.9.9", customer="C-7")).readers] == []


def test_in_a_replay_our_own_desk_reads_for_those_nobody_knows():
    found = find(detection(["66.2.0.1", "8.8.8.8"]), unresolved=True, owners=Owners(contacts=()))
    assert [(r.audience, r.recipient) for r in found.readers] == [("customer", ""), ("operator", "66.2.0.0/16"), ("operator", "8.8.8.0/24")]
    assert not found.missing
