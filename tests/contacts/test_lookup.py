"""Promise: every source of contacts says the same two things, an answer or why there is none."""

from abusewatch.contacts.dns import DnsLookup
from abusewatch.contacts.lookup import Lookup, Unavailable
from abusewatch.contacts.rdap import RdapLookup


def test_the_trouble_is_told_in_a_closed_word():
    assert Unavailable("budget").trouble == "budget"
    assert str(Unavailable("paused")) == "look-up not possible: paused"


def test_both_sources_fit(gate):
    lookups: list[Lookup] = [RdapLookup(gate), DnsLookup()]
    assert [one.source for one in lookups] == ["rdap", "dns"]
