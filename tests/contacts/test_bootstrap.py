"""Promise: an address is asked about at the registry that has it, and a damaged list changes nothing."""

import json

import pytest

from abusewatch.contacts.bootstrap import Bootstrap, BootstrapError, parse, snapshot


@pytest.mark.parametrize(
    ("address", "host"),
    [("1.1.1.1", "apnic"), ("8.8.8.8", "arin"), ("193.0.6.139", "ripe"), ("200.160.0.8", "lacnic"), ("196.216.2.1", "afrinic"), ("2001:4860::1", "arin"), ("2001:67c:2e8::1", "ripe"), ("2c0f:f248::1", "afrinic"), ("2801:80::1", "lacnic"), ("2410::1", "apnic")],
)  # fmt: skip
def test_the_shipped_list(address, host):
    (url,) = Bootstrap(snapshot()).urls(address)
    assert host in url
    assert url.startswith("https://")


@pytest.mark.parametrize("address", ["10.0.0.1", "127.0.0.1", "224.0.0.1", "fe80::1", "5f00::1"])
def test_nobody_is_asked_about_what_no_registry_has(address):
    assert Bootstrap(snapshot()).urls(address) == ()


@pytest.mark.corpus
def test_the_shipped_list_agrees_with_real_ones(samples):
    """Where an older list of IANA's names a registry, ours names the same."""
    ours = Bootstrap(snapshot())
    for name in ("ipv4", "ipv6"):
        older = parse(json.loads((samples / f"openrdap/test/testdata/bootstrap/{name}.json").read_text()))
        newer = parse(json.loads((samples / "whoisit/tests/data_bootstrap.json").read_text())[name])
        for network, urls in newer:
            assert {_host(url) for url in ours.urls(str(network.network_address))} == {_host(url) for url in urls}, network
        assert sum({_host(u) for u in ours.urls(str(n.network_address))} == {_host(u) for u in urls} for n, urls in older) >= 0.95 * len(older)


def _host(url):
    return url.split("/")[2]


def _list(*services):
    return {"services": [*services, *([["10.0.0.0/8"], ["https://x.example"]] for _ in range(4))]}


def test_https_first_longest_match_and_unknown_members():
    made = Bootstrap(parse({**_list([["66.0.0.0/8"], ["http://a.example/rdap", "https://a.example/rdap"]], [["66.1.0.0/16"], ["https://b.example/"]]), "more": 1}))
    assert made.urls("66.2.0.1") == ("https://a.example/rdap/", "http://a.example/rdap/")
    assert made.urls("66.1.0.1") == ("https://b.example/",)


@pytest.mark.parametrize("document", [None, [], {}, {"services": []}, {"services": {}}, _list([]), _list([["66.0.0.0/8"]]), _list([["nonsense"], ["https://x.example"]]), _list([["66.0.0.0/8"], [1]]), _list([[], ["https://x.example"]]), _list("text")])
def test_a_damaged_list_is_refused(document):
    with pytest.raises(BootstrapError):
        parse(document)
