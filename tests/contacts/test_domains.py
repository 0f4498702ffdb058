"""A mailbox that no server takes mail for is no contact; while the DNS is silent nothing is doubted."""

from collections import Counter

import dns.exception
import dns.resolver
import pytest

from abusewatch.contacts.domains import KEPT_SECS, Deliverable, Domains
from abusewatch.contacts.lookup import Found
from abusewatch.contacts.settings import ContactSettings, lookups

NOTHING, NOBODY = dns.resolver.NoAnswer(), dns.resolver.NXDOMAIN()


class Exchange:
    def __init__(self, exchange):
        self.exchange = exchange


class Resolver:
    """Answers from a table of (name, type); what is not in it does not exist."""

    def __init__(self, **records):
        self.records, self.asked = records, []

    async def resolve(self, name, kind, **_):
        self.asked.append((name, kind.name))
        found = self.records.get(kind.name, NOTHING)
        if isinstance(found, Exception):
            raise found
        return found


@pytest.mark.parametrize(
    ("records", "takes"),
    [
        ({"MX": [Exchange("mx.one.example.")]}, True),
        ({"MX": [Exchange(".")]}, False),  # RFC 7505
        ({"A": ["192.0.2.1"]}, True),
        ({"AAAA": ["2001:db8::1"]}, True),
        ({}, False),
        ({"MX": NOBODY, "A": NOBODY, "AAAA": NOBODY}, False),
        ({"MX": dns.resolver.NoNameservers()}, True),
        ({"MX": dns.exception.Timeout()}, True),
        ({"MX": NOTHING, "A": dns.exception.Timeout()}, True),
        ({"MX": OSError("no network")}, True),
    ],
)
async def test_what_the_dns_says(records, takes):
    assert await Domains(Resolver(**records)).takes_mail("one.example") is takes


async def test_each_domain_is_asked_once_a_day():
    class Clock:
        now = 0.0

    resolver, clock = Resolver(MX=[Exchange("mx.")]), Clock()
    domains = Domains(resolver, clock=lambda: clock.now)
    for _ in range(3):
        await domains.takes_mail("one.example")
    assert resolver.asked == [("one.example.", "MX")]
    clock.now = KEPT_SECS
    await domains.takes_mail("one.example")
    assert len(resolver.asked) == 2


class Registry:
    source = "rdap"

    def __init__(self):
        self.counts = Counter()

    async def lookup(self, address):
        return Found((), ("abuse@dead.example", "noc@live.example"), "One")


async def test_the_next_mailbox_is_taken_and_the_dead_one_counted():
    class Two(Resolver):
        async def resolve(self, name, kind, **which):
            if name == "dead.example.":
                raise NOBODY
            return await super().resolve(name, kind, **which)

    lookup = Deliverable(Registry(), Domains(Two(MX=[Exchange("mx.")])))
    found = await lookup.lookup("66.1.2.3")
    assert (found.emails, found.name, lookup.source) == (("noc@live.example",), "One", "rdap")
    assert lookup.counts["undeliverable"] == 1


def test_every_source_outside_is_checked():
    made = lookups(ContactSettings(rdap=True, dns=True), lambda _: False)
    assert [type(one) for one in made] == [Deliverable, Deliverable]
    assert [one.source for one in made] == ["rdap", "dns"]
