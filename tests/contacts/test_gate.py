"""Promise: a look-up goes to public hosts over TLS and nowhere else, whatever a name or a redirect says."""

import socket

import pytest
from aiohttp.abc import AbstractResolver
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from abusewatch.contacts.gate import Gate, GatedResolver, Refused

FORBIDDEN = [
    ("http://rdap.example/", "scheme"), ("ftp://rdap.example/", "scheme"), ("file:///etc/passwd", "url"), ("gopher://rdap.example/", "scheme"),
    ("https://user:secret@rdap.example/", "url"), ("https:///ip/", "url"), ("https://rdap.example:8443/", "port"), ("https://rdap.example:22/", "port"),
    ("https://127.0.0.1/", "address"), ("https://10.1.2.3/", "address"), ("https://169.254.169.254/latest/meta-data/", "address"), ("https://[::1]/", "address"),
    ("https://[::ffff:127.0.0.1]/", "address"), ("https://[fe80::1%25eth0]/", "address"), ("https://[fd00::1]/", "address"), ("https://[64:ff9b::7f00:1]/", "address"),
    ("https://[2002:7f00:1::]/", "address"), ("https://0.0.0.0/", "address"), ("https://224.0.0.1/", "address"), ("https://192.168.1.1/", "address"), ("https://198.51.100.9/", "address"),
]  # fmt: skip


@pytest.mark.parametrize(("url", "reason"), FORBIDDEN)
def test_forbidden_urls(url, reason):
    with pytest.raises(Refused) as refused:
        Gate(lambda _: False).url(URL(url))
    assert refused.value.reason == reason


def test_ordinary_urls_pass():
    Gate(lambda _: False).url(URL("https://rdap.db.ripe.net/ip/193.0.6.139"))
    Gate(lambda _: False).url(URL("https://193.0.6.139/ip/1.1.1.1"))


def test_our_own_network_is_no_registry():
    with pytest.raises(Refused):
        Gate(lambda address: address.startswith("66.")).url(URL("https://66.0.0.1/"))


class Names(AbstractResolver):
    """A resolver with names of its own; what it says may change between two questions."""

    def __init__(self, *answers):
        self.answers = list(answers)

    async def resolve(self, host, port=0, family=socket.AF_UNSPEC):
        return [{"hostname": host, "host": one, "port": port, "family": family, "proto": 0, "flags": 0} for one in self.answers.pop(0)]

    async def close(self):
        self.answers.clear()


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["193.0.6.139", "10.0.0.1"], ["::1"], ["fe80::1%eth0"], ["::ffff:192.168.0.1"]])
async def test_one_forbidden_address_refuses_the_host(addresses):
    with pytest.raises(Refused, match="address"):
        await GatedResolver(Gate(lambda _: False), Names(addresses)).resolve("rdap.example", 443)


async def test_what_was_judged_is_what_is_connected_to():
    resolver = GatedResolver(Gate(lambda _: False), Names(["193.0.6.139"], ["127.0.0.1"]))
    assert [one["host"] for one in await resolver.resolve("rdap.example", 443)] == ["193.0.6.139"]
    with pytest.raises(Refused):
        await resolver.resolve("rdap.example", 443)
    await resolver.close()


@given(st.ip_addresses())
def test_no_address_outside_public_space_passes(address):
    gate = Gate(lambda _: False)
    try:
        gate.url(URL(f"https://[{address}]/" if address.version == 6 else f"https://{address}/"))
    except Refused:
        return
    assert address.is_global
    assert not address.is_multicast


@given(st.text(max_size=60) | st.from_regex(r"[a-z]{2,8}:/{0,3}[a-z0-9@:.%\[\]/-]{0,40}", fullmatch=True))
def test_any_text_is_judged(text):
    try:
        url = URL(text)
    except ValueError:
        return
    try:
        Gate(lambda _: False).url(url)
    except Refused:
        return
    assert url.scheme == "https"
    assert url.port == 443
    assert url.user is None
