"""Who is written down as wanting nothing gets nothing, at any mailbox of the operator."""

import ipaddress

import pytest

from abusewatch.contacts import ContactChain, MemoryCache, MemoryHealth, OperatorTable
from abusewatch.contacts.chain import OPTED_OUT
from abusewatch.contacts.refusals import Refusals
from abusewatch.contacts.table import Entry


@pytest.mark.parametrize(
    ("never", "mailed"),
    [((), True), (("abuse@one.example",), False), (("noc@one.example",), True), (("@one.example",), False), (("@example",), False), (("@ne.example",), True)],
)
def test_a_refused_mailbox_or_domain_is_no_contact(never, mailed):
    table = OperatorTable([Entry(ipaddress.ip_network("66.1.0.0/16"), "One", "Abuse@one.example")])
    chain = ContactChain(table, lambda _: False, cache=MemoryCache(), health=Refusals(MemoryHealth(), never))
    (contact,) = chain.resolve(["66.1.2.3"])
    assert (contact.email, contact.name) == (("Abuse@one.example", "One") if mailed else (None, OPTED_OUT))


def test_all_else_is_remembered_inside():
    inner = MemoryHealth()
    health = Refusals(inner, ["@one.example"])
    health.bounced("a@two.example", 5)
    health.opted_out("b@two.example", 6)
    assert inner.standing(["a@two.example"])["a@two.example"].bounces == 1
    assert health.standing(["b@two.example"])["b@two.example"].opted_out_us == 6
    health.delivered("a@two.example")
    health.restore("b@two.example")
    assert health.standing(["b@two.example", "c@two.example"]) == {}
