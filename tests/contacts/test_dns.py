"""Promise: the zone's word is read strictly, a broken or lying zone costs bounded time, and names are written right."""

import asyncio
import time

import dns.asyncresolver
import dns.message
import dns.rcode
import dns.rrset
import pytest

from abusewatch.contacts.dns import DnsLookup, mailboxes, name
from abusewatch.contacts.lookup import Found, Unavailable


class Zone(asyncio.DatagramProtocol):
    """A name server with one answer for every question; None never answers."""

    def __init__(self):
        self.texts, self.rcode, self.asked, self.silent = [], dns.rcode.NOERROR, [], False

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, peer):
        query = dns.message.from_wire(data)
        self.asked.append(str(query.question[0].name))
        if self.silent:
            return
        response = dns.message.make_response(query)
        response.set_rcode(self.rcode)
        if self.texts:
            response.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "TXT", *self.texts))
        self.transport.sendto(response.to_wire(), peer)


@pytest.fixture
async def zone():
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(Zone, local_addr=("127.0.0.1", 0))
    protocol.port = transport.get_extra_info("sockname")[1]
    yield protocol
    transport.close()


@pytest.fixture
def lookup(zone):
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers, resolver.port, resolver.cache = ["127.0.0.1"], zone.port, None
    return DnsLookup(resolver, deadline_secs=0.5, per_day=3)


def test_names():
    assert name("66.0.1.9") == "9.1.0.66.abuse-contacts.abusix.zone."
    assert name("2a00:1::9").startswith("9.0.0.0.")
    assert name("2a00:1::9").endswith(".1.0.0.0.0.0.a.2.abuse-contacts.abusix.zone.")


@pytest.mark.parametrize(("texts", "emails"), [(['"abuse@x.example"'], ("abuse@x.example",)), (['"a@x.example,b@x.example"'], ("a@x.example", "b@x.example")), (['"a@x.example" "b@x.example"'], ("a@x.example", "b@x.example")), ([], ()), (['"no mailbox"'], ())])
async def test_answers(zone, lookup, texts, emails):
    zone.texts = texts
    assert await lookup.lookup("66.0.1.9") == Found((), emails, "")
    assert zone.asked == ["9.1.0.66.abuse-contacts.abusix.zone."]


async def test_no_such_name_is_an_answer(zone, lookup):
    zone.rcode = dns.rcode.NXDOMAIN
    assert await lookup.lookup("66.0.1.9") == Found((), (), "")


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED])
async def test_a_broken_zone_is_no_answer(zone, lookup, rcode):
    zone.rcode = rcode
    with pytest.raises(Unavailable, match="failed"):
        await lookup.lookup("66.0.1.9")


async def test_silence_ends_with_the_deadline(zone, lookup):
    zone.silent = True
    begun = time.monotonic()
    with pytest.raises(Unavailable):
        await lookup.lookup("66.0.1.9")
    assert time.monotonic() - begun < 20


async def test_the_days_budget(zone, lookup):
    zone.texts = ['"abuse@x.example"']
    for _ in range(3):
        await lookup.lookup("66.0.1.9")
    with pytest.raises(Unavailable, match="budget"):
        await lookup.lookup("66.0.1.9")
    assert len(zone.asked) == 3


@pytest.mark.parametrize(("text", "emails"), [("", ()), ("a@x.example a@x.example,b@y.example", ("a@x.example", "b@y.example")), ("<a@x.example>", ()), ("a@x.example\x00", ()), ("x" * 70_000, ()), (",".join(f"a{n}@x.example" for n in range(500)), tuple(f"a{n}@x.example" for n in range(10)))])
def test_mailboxes(text, emails):
    assert mailboxes(text) == emails
