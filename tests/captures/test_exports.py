"""A capture metered to flows and exported says the same: our own export in four formats, and softflowd's in three. What a flow cannot show is listed.

The table in docs/captures.md is compared with what is found, capture by capture.
"""

import csv
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from abusewatch.cli.captures import expectation, matches
from abusewatch.cli.inputs import Inputs
from abusewatch.cli.judge import judge
from abusewatch.detect.load import load
from abusewatch.inventory import of_prefixes
from abusewatch.model.flow import COLUMNS
from abusewatch.sources.encode import FORMATS, encode
from abusewatch.sources.export_datagrams import decode
from abusewatch.sources.order import by_end
from abusewatch.wire.datagrams import FlowDecoder
from tests.sources import peers

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = sorted(path.parent for path in (ROOT / "captures").glob("*/expect.toml"))
RULES = load([ROOT / "rules"]).rules
STABLE = [rule for rule in RULES if rule.status == "stable"]
WORDS = {"netflow5": "NetFlow v5", "netflow9": "NetFlow v9", "ipfix": "IPFIX", "sflow": "sFlow v5"}
SOFTFLOWD = {"netflow5": 5, "netflow9": 9, "ipfix": 10}
TELLING = {"address-scan-masscan", "amplification-dns", "carpet-flood", "dns-flood", "udp-flood"}
"""Captures that between them differ in most fields: looked at first, all others where that does not do."""
PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"]

VICTIMS_SIDE = {"packet-captures__pkt.TCP.synflood.spoofed.pcap", "packet-captures__amp.UDP.snmp.src161.pcapng"}
"""Taken where the flood arrives: nothing in it leaves the network that the key calls ours."""
EXPLOIT = {"zeek-EternalSafety__eternalblue-success-unpatched-win7.pcap"}
"""One connection that carries an exploit is no different from another without its payload."""


every_folder = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
in_parts = pytest.mark.parametrize("part", [slice(n, None, 6) for n in range(6)], ids=range(6))


def sent(path, form):
    return [(d.payload, d.time_us) for d in encode(Inputs([str(path)]).batches(), form)]


def said(datagrams):
    """The records of datagrams (payload, time of arrival), as a capture of them gives them to the engine."""
    decoder = FlowDecoder()
    batches = [b for payload, at in datagrams for b in decode(decoder, [payload], np.zeros(1, np.uint32), at).batches]
    return list(by_end(iter(batches), Counter()))


def found_in(batches, inventory):
    """The findings of stable rules, and those of all: what a lead is found by only observes."""
    detections = judge(batches, RULES, inventory).detections
    return [d.finding for d in detections if d.status == "stable"], [d.finding for d in detections]


def same(some, others):
    """Whether two readings are the same records in batches cut alike: then the same is found in both."""
    return len(some) == len(others) and all(
        a.family == b.family and all(np.array_equal(getattr(a, name), getattr(b, name)) for name in COLUMNS) for a, b in zip(some, others, strict=True)
    )


def not_found(folder, found):
    return [one for one in expectation(folder).finding if not any(matches(one, finding) for finding in found)]


def page():
    """The table of the page by format: the captures of which it shows nothing, and the fields of findings that it shows otherwise."""
    words = {name: form for form, name in WORDS.items()}
    rows = re.findall(r"^\| (NetFlow v5|NetFlow v9|IPFIX|sFlow v5) \| (.*?) \| (.*?) \|$", (ROOT / "docs/captures.md").read_text(), re.MULTILINE)
    return {words[name]: (set(re.findall(r"`(.+?)`", lost)), set(re.findall(r"`(.+?)`", fields))) for name, lost, fields in rows}


def otherwise(found, direct):
    """The fields in which findings are not those of the capture itself."""
    same = {(f.rule, f.offender): f for f in direct}
    pairs = [(f, same[f.rule, f.offender]) for f in found if (f.rule, f.offender) in same]
    return {name for one, other in pairs for name in one.__struct_fields__ if getattr(one, name) != getattr(other, name)}


@every_folder
def test_what_an_export_does_not_show_of_a_capture_is_in_the_page(folder):
    path, known = folder / "capture.pcap", expectation(folder)
    direct, _ = found_in(Inputs([str(path)]).flows(), known.inventory)
    read = []
    for form in FORMATS:
        lost, fields = page()[form]
        batches = said(sent(path, form))
        found, observed = next((told for others, told in read if same(batches, others)), None) or found_in(batches, known.inventory)
        read.append((batches, (found, observed)))
        if not known.finding:
            assert observed == [], form
        assert bool(not_found(folder, observed)) == (folder.name in lost), form
        assert otherwise(found, direct) <= fields, form


@pytest.mark.parametrize("form", FORMATS)
def test_the_page_names_no_field_that_no_capture_shows_otherwise(form):
    left = set(page()[form][1])
    for folder in sorted(FOLDERS, key=lambda folder: folder.name not in TELLING):
        if left and not folder.name.startswith("benign-"):
            path, inventory = folder / "capture.pcap", expectation(folder).inventory
            left -= otherwise(found_in(said(sent(path, form)), inventory)[0], found_in(Inputs([str(path)]).flows(), inventory)[0])
    assert not left


def test_only_ipv6_over_netflow5_is_lost():
    lost = {form: names for form, (names, _) in page().items()}
    assert lost.keys() == set(FORMATS)
    assert [form for form, names in lost.items() if names] == ["netflow5"]
    assert all(name.endswith("-v6") for name in lost["netflow5"])


@pytest.mark.peer
@every_folder
def test_softflowd_shows_every_capture(folder):
    peers.need("softflowd")
    for form, version in SOFTFLOWD.items():
        if form == "netflow5" and folder.name.endswith("-v6"):
            continue
        _, observed = found_in(said(peers.softflowd_of([folder / "capture.pcap"], version)), expectation(folder).inventory)
        assert not_found(folder, observed) == [], form
        assert not (observed and folder.name.startswith("benign-")), form


def named(batches, own):
    """What stable rules find where those prefixes are ours: kinds and offenders."""
    return {(finding.kind, finding.offender) for finding in (d.finding for d in judge(batches, STABLE, of_prefixes(own)).detections)}


def strangers(corpus):
    """Captures that others made: what is in them by their key, ours by its hint."""
    for row in csv.DictReader((corpus / "attacks.csv").read_text().splitlines()):
        if row["strength"] == "strong" and Path(row["file"]).name not in VICTIMS_SIDE | EXPLOIT:
            yield corpus / row["file"], row["own_prefix_hint"].split() or PRIVATE, True
    for row in csv.DictReader((corpus / "benign.csv").read_text().splitlines()):
        yield corpus / row["file"], PRIVATE, False


@in_parts
@pytest.mark.corpus
def test_strangers_captures_say_the_same_as_exports(part, corpus):
    for path, own, attack in list(strangers(corpus))[part]:
        direct = named(Inputs([str(path)]).flows(), own)
        assert bool(direct) == attack, path.name
        for form in FORMATS:
            assert named(said(sent(path, form)), own) == direct, (path.name, form)


@in_parts
@pytest.mark.corpus
@pytest.mark.peer
def test_strangers_captures_say_the_same_through_softflowd(part, corpus):
    peers.need("softflowd")
    for path, own, attack in list(strangers(corpus))[part]:
        direct = named(Inputs([str(path)]).flows(), own)
        assert bool(direct) == attack, path.name
        for form, version in SOFTFLOWD.items():
            assert named(said(peers.softflowd_of([path], version)), own) == direct, (path.name, form)
