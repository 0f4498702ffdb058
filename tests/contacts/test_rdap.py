"""Promise: the registry's word is found, and a hostile or tired registry costs little time and is left alone."""

import json
import time

import pytest
from aiohttp import web

from abusewatch.contacts.entities import ENTITIES
from abusewatch.contacts.fetch import Fetcher
from abusewatch.contacts.lookup import Found, Unavailable
from abusewatch.contacts.rdap import RdapLookup

ADDRESS = "66.0.0.9"


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def lookup(gate, everything, clock):
    return RdapLookup(gate, services=everything, clock=clock, fetcher=Fetcher(gate, deadline_secs=0.5))


def network(*entities, first="66.0.0.0", last="66.0.0.255", **more):
    return {"objectClassName": "ip network", "startAddress": first, "endAddress": last, "entities": list(entities), **more}


def abuse(*emails, roles=("abuse",), **more):
    return {"roles": list(roles), "vcardArray": ["vcard", [["email", {}, "text", email] for email in emails]], **more}


def json_of(document):
    return lambda _: web.Response(text=json.dumps(document), content_type="application/rdap+json")


@pytest.mark.parametrize("address", ["66.0.0.9", "2a00:1::9"])
async def test_the_contact_and_the_range(registry, lookup, address):
    first, last = ("66.0.0.0", "66.0.1.255") if "." in address else ("2a00:1::", "2a00:1:ffff:ffff:ffff:ffff:ffff:ffff")
    registry.answer = json_of(network(abuse("abuse@x.example"), first=first, last=last, name="X-NET"))
    found = await lookup.lookup(address)
    assert (found.emails, found.name) == (("abuse@x.example",), "X-NET")
    assert [str(one) for one in found.networks] == (["66.0.0.0/23"] if "." in address else ["2a00:1::/32"])
    assert registry.asked == [f"/ip/{address}"]
    assert lookup.counts["found"] == 1


@pytest.mark.corpus
@pytest.mark.parametrize(("name", "address", "prefixes"), [("ip_v4", "1.1.1.1", ["1.1.1.0/24"]), ("ip_v4_2", "130.59.1.1", ["130.59.0.0/16"]), ("ip_v4_3", "13.64.0.1", ["13.64.0.0/11", "13.96.0.0/13", "13.104.0.0/14"]), ("ip_v6", "2001:4860::1", ["2001:4860::/32"])])
async def test_real_answers_over_the_wire(samples, registry, lookup, name, address, prefixes):
    text = (samples / f"whoisit/tests/data_rdap_response_{name}.json").read_text()
    registry.answer = lambda _: web.Response(text=text)
    found = await lookup.lookup(address)
    assert [str(one) for one in found.networks] == prefixes
    assert found.emails


async def test_a_block_that_moved_to_another_registry(registry, lookup):
    registry.answer = lambda request: web.Response(status=301, headers={"Location": "/moved" + request.path}) if "moved" not in request.path else json_of(network(abuse("a@x.example")))(request)
    assert (await lookup.lookup(ADDRESS)).emails == ("a@x.example",)


async def test_an_entity_without_mailbox_is_asked_for(registry, lookup):
    bare = {"roles": ["abuse"], "handle": "AB C/1"}
    registry.answer = lambda request: json_of(abuse("cert@x.example", roles=())) (request) if "entity" in request.path else json_of(network(bare))(request)
    assert (await lookup.lookup(ADDRESS)).emails == ("cert@x.example",)
    assert registry.asked[1].startswith("/entity/AB C")


async def test_an_entity_that_cannot_be_had_leaves_nobody(registry, lookup):
    for link in ("http://127.0.0.2/entity/X", "file:///etc/passwd", "http://["):
        registry.answer = json_of(network({"roles": ["abuse"], "handle": "X", "links": [{"rel": "self", "href": link}]}))
        assert (await lookup.lookup(ADDRESS)).emails == ()
    assert all(path.startswith("/ip/") for path in registry.asked)


async def test_not_found_is_an_answer(registry, lookup):
    assert await lookup.lookup(ADDRESS) == Found((), (), "")
    assert lookup.counts["nobody"] == 1


@pytest.mark.parametrize(("first", "last"), [("0.0.0.0", "255.255.255.255"), ("67.0.0.0", "67.0.0.255"), ("66.0.0.255", "66.0.0.0"), ("x", "y"), (None, None), ("66.0.0.0", "::ffff"), ([], {})])
async def test_a_range_that_is_not_the_addresss_names_nobody(registry, lookup, first, last):
    """Whoever answers for the whole Internet, or for another network, must not get reports about this one."""
    registry.answer = json_of(network(abuse("victim@y.example"), first=first, last=last))
    assert await lookup.lookup(ADDRESS) == Found((), (), "")


def nested(depth):
    return ("[" * depth + "]" * depth).encode()


HOSTILE = {
    "garbage": lambda _: web.Response(body=b"\xff\x00{"),
    "empty": lambda _: web.Response(body=b""),
    "list": lambda _: web.Response(text="[1]"),
    "deep": lambda _: web.Response(body=nested(32_000)),
    "deep object": lambda _: web.Response(body=b'{"entities":[' * 4000),
    "large": lambda _: web.Response(body=b"x" * 65_537),
    "error": lambda _: web.Response(status=500),
    "bad request": lambda _: web.Response(status=400),
    "teapot": lambda _: web.Response(status=418, text="{}"),
    "inside": lambda _: web.Response(status=302, headers={"Location": "http://127.0.0.2/"}),
    "loop": lambda request: web.Response(status=302, headers={"Location": request.path}),
    "slow": None,
}


@pytest.mark.parametrize("how", HOSTILE)
async def test_hostile_answers_cost_little_time_and_a_pause(registry, lookup, clock, how):
    async def slow(request):
        import asyncio

        await asyncio.sleep(60)

    registry.answer = HOSTILE[how] or slow
    begun = time.monotonic()
    with pytest.raises(Unavailable) as told:
        await lookup.lookup(ADDRESS)
    assert time.monotonic() - begun < 20
    assert told.value.trouble in {"failed", "refused", "unreadable"}
    before = len(registry.asked)
    with pytest.raises(Unavailable, match="paused"):
        await lookup.lookup(ADDRESS)
    assert len(registry.asked) == before
    clock.now += 61
    registry.answer = json_of(network(abuse("a@x.example")))
    assert (await lookup.lookup(ADDRESS)).emails == ("a@x.example",)


async def test_many_entities_are_bounded(registry, lookup):
    registry.answer = json_of(network(*({"roles": []} for _ in range(ENTITIES)), abuse("a@x.example")))
    assert (await lookup.lookup(ADDRESS)).emails == ()


@pytest.mark.parametrize(("headers", "seconds"), [({"Retry-After": "600"}, 600), ({}, 60)])
async def test_slow_down_is_obeyed(registry, lookup, clock, headers, seconds):
    registry.answer = lambda _: web.Response(status=429, headers=headers)
    with pytest.raises(Unavailable, match="throttled"):
        await lookup.lookup(ADDRESS)
    registry.answer = json_of(network(abuse("a@x.example")))
    clock.now += seconds - 1
    with pytest.raises(Unavailable, match="paused"):
        await lookup.lookup(ADDRESS)
    assert len(registry.asked) == 1
    clock.now += 2
    assert (await lookup.lookup(ADDRESS)).emails


async def test_the_days_budget(registry, gate, everything, clock):
    lookup = RdapLookup(gate, services=everything, clock=clock, per_day=3)
    for _ in range(3):
        await lookup.lookup(ADDRESS)
    with pytest.raises(Unavailable, match="budget"):
        await lookup.lookup(ADDRESS)
    assert len(registry.asked) == 3
    clock.now += 86_401
    await lookup.lookup(ADDRESS)


async def test_the_next_address_of_a_registry_is_tried(registry, gate, everything, clock):
    services = tuple((network, ("http://127.0.0.1:9/", *urls)) for network, urls in everything)
    registry.answer = json_of(network(abuse("a@x.example")))
    with pytest.raises(Unavailable):  # the pause is by host, and both live on one
        await RdapLookup(gate, services=services, clock=clock).lookup(ADDRESS)


async def test_what_no_registry_has(gate, clock):
    import ipaddress

    services = ((ipaddress.ip_network("67.0.0.0/8"), ("http://127.0.0.1:9/",)),)
    assert await RdapLookup(gate, services=services, clock=clock).lookup(ADDRESS) == Found((), (), "")


async def test_the_list_of_registries_is_renewed_weekly(registry, gate, clock, monkeypatch):
    listed = {"services": [[["66.0.0.0/8"], [registry.url]], *([[f"{n}.0.0.0/8"], ["https://x.example/"]] for n in range(70, 75))]}
    monkeypatch.setattr("abusewatch.contacts.rdap.SOURCES", (registry.url + "ipv4.json", registry.url + "ipv6.json"))
    registry.answer = lambda request: json_of(network(abuse("a@x.example")) if "/ip/" in request.path else listed)(request)
    lookup = RdapLookup(gate, clock=clock)
    for _ in range(3):
        assert (await lookup.lookup(ADDRESS)).emails == ("a@x.example",)
    assert [path for path in registry.asked if "json" in path] == ["/ipv4.json", "/ipv6.json"]
    clock.now += 8 * 86_400
    registry.answer = lambda request: json_of(network(abuse("a@x.example")) if "/ip/" in request.path else {"services": []})(request)
    assert (await lookup.lookup(ADDRESS)).emails == ("a@x.example",), "a damaged list changes nothing"
    assert lookup.counts["bootstrap_kept"] == 1
