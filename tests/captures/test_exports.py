"""A capture metered to flows and exported says the same: our own export in four formats, and softflowd's in three. What a flow cannot show is listed.

The table in docs/captures.md is what `shown` gives; a test compares the two.
"""

import csv
import re
import socket
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from abusewatch.cli.captures import expectation, matches
from abusewatch.cli.inputs import Inputs
from abusewatch.cli.judge import judge
from abusewatch.detect.load import load
from abusewatch.inventory import of_prefixes
from abusewatch.sources.encode import FORMATS, encode
from abusewatch.sources.export_datagrams import decode
from abusewatch.sources.order import by_end
from abusewatch.wire.datagrams import FlowDecoder
from tests.sources import peers

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = sorted(path.parent for path in (ROOT / "captures").glob("*/expect.toml"))
RULES = load([ROOT / "rules"]).rules
WORDS = {"netflow5": "NetFlow v5", "netflow9": "NetFlow v9", "ipfix": "IPFIX", "sflow": "sFlow v5"}
SOFTFLOWD = {"netflow5": 5, "netflow9": 9, "ipfix": 10}
PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"]

VICTIMS_SIDE = {"packet-captures__pkt.TCP.synflood.spoofed.pcap", "packet-captures__amp.UDP.snmp.src161.pcapng"}
"""Taken where the flood arrives: nothing in it leaves the network that the key calls ours."""
EXPLOIT = {"zeek-EternalSafety__eternalblue-success-unpatched-win7.pcap"}
"""One connection that carries an exploit is no different from another without its payload."""


def sent(path, form):
    return [(d.payload, d.time_us) for d in encode(Inputs([str(path)]).batches(), form)]


def said(datagrams):
    """The records of datagrams (payload, time of arrival), as a capture of them gives them to the engine."""
    decoder = FlowDecoder()
    batches = [b for payload, at in datagrams for b in decode(decoder, [payload], np.zeros(1, np.uint32), at).batches]
    return list(by_end(iter(batches), Counter()))


def softflowd_of(path, version):
    """What softflowd sends of a capture."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(0.05)
        got, done = [], threading.Event()

        def receive():
            while True:
                try:
                    got.append((sock.recv(65536), int(time.time() * 1e6)))
                except TimeoutError:
                    if done.is_set():
                        return

        thread = threading.Thread(target=receive)
        thread.start()
        try:
            peers.softflowd(path, sock.getsockname()[1], version)
        finally:
            done.set()
            thread.join()
    return got


def found_in(batches, inventory):
    """The findings of stable rules, and those of all: what a lead is found by only observes."""
    detections = judge(batches, RULES, inventory).detections
    return [d.finding for d in detections if d.status == "stable"], [d.finding for d in detections]


def findings(batches, inventory):
    return found_in(batches, inventory)[0]


def not_found(folder, found):
    return [one for one in expectation(folder).finding if not any(matches(one, finding) for finding in found)]


def shown(form):
    """One line of the table: the captures of which a format shows nothing, and the fields of findings that it shows otherwise."""
    lost, differ = [], Counter()
    for folder in FOLDERS:
        expected = expectation(folder)
        if not expected.finding:
            continue
        path = folder / "capture.pcap"
        found, observed = found_in(said(sent(path, form)), expected.inventory)
        if not_found(folder, observed):
            lost.append(f"`{folder.name}`")
        direct = {(f.rule, f.offender): f for f in findings(Inputs([str(path)]).flows(), expected.inventory)}
        for finding in found:
            other = direct.get((finding.rule, finding.offender))
            if other is not None:
                differ.update(f"`{name}`" for name in finding.__struct_fields__ if getattr(finding, name) != getattr(other, name))
    fields = ", ".join(sorted(differ)) or "none"
    return f"| {WORDS[form]} | {', '.join(lost) or 'none'} | {fields} |"


@pytest.mark.parametrize("form", FORMATS)
def test_what_a_format_cannot_show_is_the_list_in_the_page(form):
    assert shown(form) in (ROOT / "docs/captures.md").read_text().splitlines()


@pytest.mark.parametrize("form", FORMATS)
def test_look_alikes_stay_silent_as_exports(form):
    for folder in FOLDERS:
        if folder.name.startswith("benign-"):
            assert found_in(said(sent(folder / "capture.pcap", form)), expectation(folder).inventory)[1] == [], folder.name


def test_only_ipv6_over_netflow5_is_lost():
    lines = re.findall(r"^\| (NetFlow v5|NetFlow v9|IPFIX|sFlow v5) \| (.*?) \|", (ROOT / "docs/captures.md").read_text(), re.MULTILINE)
    lost = {form: re.findall(r"`(.+?)`", names) for form, names in lines}
    assert [form for form, names in lost.items() if names] == ["NetFlow v5"]
    assert all(name.endswith("-v6") for name in lost["NetFlow v5"])


@pytest.mark.peer
@pytest.mark.parametrize("form", SOFTFLOWD)
def test_softflowd_shows_every_capture(form):
    peers.need("softflowd")
    for folder in FOLDERS:
        if form == "netflow5" and folder.name.endswith("-v6"):
            continue
        _, observed = found_in(said(softflowd_of(folder / "capture.pcap", SOFTFLOWD[form])), expectation(folder).inventory)
        assert not_found(folder, observed) == [], folder.name
        assert not (observed and folder.name.startswith("benign-")), folder.name


def strangers(corpus):
    """Captures that others made: what is in them by their key, ours by its hint."""
    for row in csv.DictReader((corpus / "attacks.csv").read_text().splitlines()):
        if row["strength"] == "strong" and Path(row["file"]).name not in VICTIMS_SIDE | EXPLOIT:
            yield corpus / row["file"], row["own_prefix_hint"].split() or PRIVATE, True
    for row in csv.DictReader((corpus / "benign.csv").read_text().splitlines()):
        yield corpus / row["file"], PRIVATE, False


@pytest.mark.corpus
@pytest.mark.parametrize("form", FORMATS)
def test_strangers_captures_say_the_same_as_exports(form, corpus):
    for path, own, attack in strangers(corpus):
        inventory = of_prefixes(own)
        direct = {(f.kind, f.offender) for f in findings(Inputs([str(path)]).flows(), inventory)}
        assert bool(direct) == attack, path.name
        assert {(f.kind, f.offender) for f in findings(said(sent(path, form)), inventory)} == direct, path.name


@pytest.mark.corpus
@pytest.mark.peer
@pytest.mark.parametrize("form", SOFTFLOWD)
def test_strangers_captures_say_the_same_through_softflowd(form, corpus):
    peers.need("softflowd")
    for path, own, attack in strangers(corpus):
        inventory = of_prefixes(own)
        direct = {(f.kind, f.offender) for f in findings(Inputs([str(path)]).flows(), inventory)}
        found = {(f.kind, f.offender) for f in findings(said(softflowd_of(path, SOFTFLOWD[form])), inventory)}
        assert found == direct, path.name
        assert bool(found) == attack, path.name
