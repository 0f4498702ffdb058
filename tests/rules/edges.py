"""Tables on either side of every bound of every rule, made by code: what just reaches it and must be found, and what just does not.

Written from what the rules are meant to say, not from their files: a rule changed in one place must fail here or over its captures (`test_broken`).
"""

from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from typing import NamedTuple

import numpy as np

from abusewatch.model.flow import FlowBatch
from tests.flows import flows
from tests.scenarios import OUT, OWN, host

OUT2 = "203.0.114.77"
FORGED = "192.0.2.66"


class Edge(NamedTuple):
    """A table, and the severity that must come of it; empty: nothing may be found."""

    name: str
    severity: str
    lines: Sequence[str]
    sampling: int = 1
    port: bool = False
    """Whether all of it came in by the interface behind which a customer sits."""

    def batch(self) -> FlowBatch:
        """The table, in order of time."""
        batch = flows(*self.lines)
        n = len(batch)
        columns = {"sampling_rate": np.full(n, self.sampling, np.uint32)}
        if self.port:
            columns |= {"exporter": np.full(n, 3, np.uint32), "input_if": np.full(n, 9, np.uint32)}
        return batch.with_columns(**columns).take(np.argsort(batch.end_us, kind="stable"))


def both(parts):
    return [line for part in parts for line in part]


def one(at, src, sport, dst, dport, *, protocol="tcp", packets=1, octets=None, flags="S", marks=".", secs=0.0):
    """A record. `marks` are TCP flags that an exporter claims of what is no TCP; some do."""
    return f"{at:.3f} {at + secs:.3f} {src}:{sport} {dst}:{dport} {protocol} {packets} {octets or 60 * packets} {flags if protocol == 'tcp' else marks}"


def talk(at, dst, port, *, sport, src=OWN, protocol="tcp", packets=12, octets=None, flags="SPAF", answer="answered", back=None, back_octets=None, secs=1.0, marks="."):
    """A conversation that `src` starts: two records, or one when nobody answers."""
    lines = [one(at, src, sport, dst, port, protocol=protocol, packets=packets, octets=octets or 90 * packets, flags=flags, secs=secs, marks=marks)]
    if answer == "answered":
        back = packets if back is None else back
        lines.append(one(at + 0.01, dst, port, src, sport, protocol=protocol, packets=back, octets=back_octets or 100 * back, flags="SPAF", secs=secs))
    elif answer == "refused":
        lines.append(one(at + 0.01, dst, port, src, sport, protocol=protocol, packets=1, octets=40, flags="RA"))
    return lines


def sessions(n, *, begin=0.0, gap=5.0, to=(OUT,), port=22, packets=(12,), sport=20_000, **more):
    """n conversations one after the other, to each of `to` in turn."""
    return both(talk(begin + k * gap, dst, port, sport=sport + k, packets=size, **more) for k, (dst, size) in enumerate(zip(islice(cycle(to), n), islice(cycle(packets), n), strict=True)))


def hosts(n, begin=0):
    return [host(k) for k in range(begin, begin + n)]


def unlike(n):
    """Sizes that resemble nothing, each other least."""
    return [100 + 60 * k for k in range(n)]


# --- passwords tried ---------------------------------------------------------------------------------------------------------------------------------


POLLED = (110, 143, 993, 995)
TOLD = {110: 2000, 143: 2000, 993: 6000, 995: 6000, 1433: 2000, 3306: 600, 5432: 900}
"""The most that a server tells whom it refuses, in bytes."""


def login(ports, wrong_port, floor) -> Iterator[Edge]:
    """Twenty sessions of one size to one service, at one and a half a minute."""
    for port in ports:
        yield Edge(f"port {port}", "high", sessions(20, port=port, packets=(floor,)))
    port = ports[0]
    base = {"port": port, "octets": 2000}
    yield Edge("nineteen", "", sessions(19, **base))
    yield Edge("another port", "", sessions(25, port=wrong_port, octets=2000))
    yield Edge("the other side starts", "", sessions(25, src=OUT, to=(OWN,), **base))
    yield Edge("udp", "", sessions(25, protocol="udp", **base))
    yield Edge("no opening seen", "", sessions(25, flags="PAF", **base))
    yield Edge("refused", "", sessions(25, answer="refused", **base))
    yield Edge("unanswered", "", sessions(25, answer="unanswered", **base))
    yield Edge("too few packets for a login", "", sessions(25, packets=(floor - 1,), **base))
    yield Edge("sixty packets", "high", sessions(20, packets=(60,), **base))
    yield Edge("sixty-one packets", "", sessions(25, packets=(61,), **base))
    yield Edge("twelve of twenty alike", "high", sessions(20, packets=[14] * 12 + unlike(8), **base))
    yield Edge("eleven of twenty alike", "", sessions(20, packets=[14] * 11 + unlike(9), **base))
    yield Edge("six apart is alike", "high", sessions(20, packets=[20] * 8 + [26] * 4 + unlike(8), **base))
    yield Edge("eight apart is not", "", sessions(20, packets=[20] * 8 + [28] * 4 + unlike(8), **base))
    yield Edge("the pace of a tool", "high", sessions(20, gap=40, **base))
    yield Edge("the pace of a script", "", sessions(20, gap=43, **base))
    yield Edge("two bouts in half an hour", "high", sessions(19, **base) + sessions(19, begin=1320, sport=30_000, **base))
    yield Edge("other sessions an hour ago do not slow it", "high", sessions(6, packets=unlike(6), **base) + sessions(20, begin=2400, sport=30_000, **base))
    yield Edge("half to another port", "", sessions(19, **base) + sessions(19, begin=2, port=ports[1], octets=2000, sport=30_000))
    yield Edge("half to another host", "", sessions(19, **base) + sessions(19, begin=2, to=(OUT2,), sport=30_000, **base))


def ssh_login_attack():
    yield from login((22, 222, 2022, 2222, 22022, 22222), 23, 8)
    yield Edge("as much as tools send", "high", sessions(20, octets=5000))
    yield Edge("a byte more", "", sessions(25, octets=5001))


def login_attack():
    yield from login((3389, 21, 23, 445, 465, 587, 1433, 2323, 3306, 5432, 5900, 5901, 5985), 22, 6)
    for port in POLLED:
        yield Edge(f"a hundred on port {port}", "high", sessions(100, port=port, gap=2, packets=(6,)))
    polled = {"port": 110, "octets": 900}
    yield Edge("ninety-nine of mail", "", sessions(99, gap=2, **polled))
    yield Edge("ten a minute", "high", sessions(100, gap=5.9, **polled))
    for port in POLLED:
        yield Edge(f"eight a minute on port {port}", "", sessions(110, gap=7.5, port=port, octets=900))
    yield Edge("eight a minute of something else", "high", sessions(110, gap=7.5, port=3389))
    for port in (465, 587):
        yield Edge(f"a refused password on {port}", "high", sessions(20, port=port, octets=3000))
        yield Edge(f"a mail handed over on {port}", "", sessions(25, port=port, octets=3001))
    for port, most in TOLD.items():
        yield Edge(f"a refused password on {port}", "high", sessions(100, gap=2, port=port, back_octets=most))
        yield Edge(f"somebody who was let in on {port}", "", sessions(110, gap=2, port=port, back_octets=most + 1))
    yield Edge("long sessions elsewhere", "high", sessions(20, port=3389, octets=9000, back_octets=9000))


def password_spray():
    five = {"to": hosts(5), "port": 3389}
    for port in (21, 22, 23, 110, 143, 445, 465, 587, 993, 995, 1433, 2222, 3306, 3389, 5432, 5900, 5985):
        yield Edge(f"port {port}", "high", sessions(60, to=hosts(5), port=port, packets=(8,), back_octets=600))
        if port in TOLD:
            yield Edge(f"let in on port {port}", "", sessions(80, to=hosts(5), port=port, packets=(8,), back_octets=TOLD[port] + 1))
            yield Edge(f"refused on port {port}", "high", sessions(60, to=hosts(5), port=port, packets=(8,), back_octets=TOLD[port]))
    for port, most in ((22, 5000), (2222, 5000), (465, 3000), (587, 3000)):
        yield Edge(f"as much as tools send on port {port}", "high", sessions(60, to=hosts(5), port=port, octets=most))
        yield Edge(f"a byte more on port {port}", "", sessions(80, to=hosts(5), port=port, octets=most + 1))
    yield Edge("long sessions elsewhere", "high", sessions(60, octets=9000, back_octets=9000, **five))
    yield Edge("fifty-nine", "", sessions(59, **five))
    yield Edge("four hosts", "", sessions(80, to=hosts(4), port=3389))
    yield Edge("four a host", "high", sessions(60, to=hosts(15), port=3389, gap=2))
    yield Edge("fewer than four a host", "", sessions(79, to=hosts(20), port=3389, gap=2))
    yield Edge("another port", "", sessions(80, to=hosts(5), port=8443))
    yield Edge("the other side starts", "", both(sessions(20, src=each, to=(OWN,), port=3389, begin=k, gap=5) for k, each in enumerate(hosts(5))))
    yield Edge("udp", "", sessions(80, protocol="udp", **five))
    yield Edge("no opening seen", "", sessions(80, flags="PAF", **five))
    yield Edge("refused", "", sessions(80, answer="refused", **five))
    yield Edge("unanswered", "", sessions(80, answer="unanswered", **five))
    yield Edge("too few packets for a login", "", sessions(80, packets=(7,), **five))
    yield Edge("sixty packets", "high", sessions(60, packets=(60,), **five))
    yield Edge("sixty-one packets", "", sessions(80, packets=(61,), **five))
    yield Edge("seven of ten alike", "high", sessions(60, packets=[14] * 42 + unlike(18), **five))
    yield Edge("less than seven of ten alike", "", sessions(60, packets=[14] * 41 + unlike(19), **five))
    yield Edge("eight apart is alike", "high", sessions(60, packets=[20] * 31 + [28] * 11 + unlike(18), **five))
    yield Edge("nine apart is not", "", sessions(60, packets=[20] * 31 + [29] * 11 + unlike(18), **five))
    yield Edge("fourteen minutes", "high", sessions(60, gap=14, **five))
    yield Edge("twenty-eight minutes", "", sessions(60, gap=28, **five))
    yield Edge("half on another port", "", sessions(59, **five) + sessions(59, begin=2, to=hosts(5), port=22, sport=30_000))


def login_storm():
    port, gap = 60_022, 0.3
    base = {"port": port, "gap": gap, "secs": 0.2, "octets": 2000}
    yield Edge("forty", "medium", sessions(40, **base))
    yield Edge("thirty-nine", "", sessions(39, **base))
    for known in (21, 22, 23, 25, 53, 80, 110, 143, 389, 443, 445, 465, 587, 636, 853, 873, 993, 995, 1433, 1883, 2222, 3000, 3128, 3306, 3389, 5000, 5222, 5432,
                  5672, 5900, 5985, 6379, 8000, 8080, 8081, 8443, 8883, 8888, 9042, 9200, 11211, 27017):  # fmt: skip
        yield Edge(f"the known port {known}", "", sessions(50, port=known, gap=gap, secs=0.2, octets=2000))
    yield Edge("the other side starts", "", sessions(50, src=OUT, to=(OWN,), **base))
    yield Edge("udp", "", sessions(50, protocol="udp", **base))
    yield Edge("no opening seen", "", sessions(50, flags="PAF", **base))
    yield Edge("refused", "", sessions(50, answer="refused", **base))
    yield Edge("unanswered", "", sessions(50, answer="unanswered", **base))
    yield Edge("eight packets", "medium", sessions(40, packets=(8,), **base))
    yield Edge("seven packets", "", sessions(50, packets=(7,), **base))
    yield Edge("thirty packets", "medium", sessions(40, packets=(30,), **base))
    yield Edge("thirty-one packets", "", sessions(50, packets=(31,), **base))
    for octets, severity in ((1000, "medium"), (999, ""), (5000, "medium"), (5001, "")):
        yield Edge(f"{octets} bytes", severity, sessions(40, port=port, gap=gap, secs=0.2, octets=octets))

    def sized(sizes):
        return both(talk(k * gap, OUT, port, sport=20_000 + k, octets=size, secs=0.2) for k, size in enumerate(sizes))

    far = [5200 + 600 * k for k in range(12)]
    yield Edge("four of five alike", "medium", sized([2000] * 32 + far[:8]))
    yield Edge("less than four of five alike", "", sized([2000] * 31 + far[:9]))
    yield Edge("210 bytes apart is alike", "medium", sized([2000] * 22 + [2210] * 10 + far[:8]))
    yield Edge("215 bytes apart is not", "", sized([2000] * 22 + [2215] * 10 + far[:8]))
    yield Edge("fourteen seconds", "medium", sessions(40, port=port, gap=0.33, secs=0.2, octets=2000))
    yield Edge("twenty-four seconds", "", sessions(40, port=port, gap=0.6, secs=0.2, octets=2000))
    yield Edge("half to another port", "", sessions(39, **base) + sessions(39, begin=0.1, port=60_023, gap=gap, secs=0.2, octets=2000, sport=30_000))
    yield Edge("half to another host", "", sessions(39, **base) + sessions(39, begin=0.1, to=(OUT2,), sport=30_000, **base))


# --- scans -------------------------------------------------------------------------------------------------------------------------------------------


def asked(n, *, begin=0.0, gap=1.0, first=0, port=8443, sport=25_000, packets=1, **more):
    """n hosts asked once, one after the other; unanswered unless said otherwise."""
    more = {"answer": "unanswered", "flags": "S", "secs": 0.0, "octets": 60} | more
    return both(talk(begin + k * gap, host(first + k), port, sport=sport + k, packets=packets, **more) for k in range(n))


REPLIED = {"answer": "answered", "flags": "SPAF", "packets": 4}


def spread_scan(count, well, severity, secs, port, *, protocol="tcp", other=None) -> Iterator[Edge]:
    """`count` hosts that do not answer; no more than `well` others that do."""
    base = {"port": port, "protocol": protocol}
    gap = secs * 0.9 / count
    quick = min(gap, 0.5)
    answered = asked(well, first=500, sport=40_000, gap=0.2, **REPLIED | base)
    yield Edge("as many as it takes", severity, asked(count, gap=gap, **base))
    yield Edge("one less", "", asked(count - 1, gap=quick, **base))
    yield Edge("twice as slow", "", asked(count, gap=2 * gap, **base))
    yield Edge("as many answer as may", severity, answered + asked(count, begin=10, gap=quick, **base))
    yield Edge("one more answers", "", answered + asked(1, first=900, sport=50_000, begin=9, **REPLIED | base) + asked(count, begin=10, gap=quick, **base))
    yield Edge("all answer", "", asked(count + 9, gap=quick, **REPLIED | base))
    yield Edge("the other side starts", "", both(talk(k * quick, OWN, port, src=host(k), sport=25_000 + k, packets=1, protocol=protocol, answer="unanswered", flags="S") for k in range(count + 9)))
    yield Edge("one host again and again", "", both(talk(k * quick, OUT, port, sport=25_000 + k, packets=1, protocol=protocol, answer="unanswered", flags="S") for k in range(count + 9)))
    if protocol == "tcp":
        yield Edge("refused", severity, asked(count, gap=quick, answer="refused", **base))
    if other:
        yield Edge("another protocol", "", asked(count + 9, gap=quick, port=port, protocol=other))


PEERS = (4001, 4662, 6346, *range(6881, 6890), 7680, 8333, 9735, 18080, 26656, 30303, 51413)


def unacknowledged(severity, count, **more):
    """A SYN scan of hosts that answer: the scanner's kernel refuses what it did not ask for."""
    told = REPLIED | more
    yield Edge("answered and never acknowledged", severity, asked(count, **told | {"flags": "SR", "packets": 2}))
    yield Edge("asked four times each", severity, asked(count, **more | {"packets": 4}))
    yield Edge("in three packets", severity, asked(count, **told | {"flags": "S", "packets": 3}))
    yield Edge("in four packets", "", asked(count + 9, **told | {"flags": "SR", "packets": 4}))
    yield Edge("without a word of flags", "", asked(count + 9, **told | {"flags": ".", "packets": 2}))
    yield Edge("answered and acknowledged in three packets", "", asked(count + 9, **told | {"flags": "SAF", "packets": 3}))


def address_scan():
    yield from spread_scan(20, 6, "medium", 300, 8443, other="udp")
    yield Edge("half on another port", "", asked(19) + asked(19, begin=0.5, first=100, port=9443, sport=40_000))
    quick = {"gap": 1.0}
    yield Edge("two hundred", "high", asked(200, **quick))
    yield Edge("one less than two hundred", "medium", asked(199, **quick))
    yield Edge("answered and acknowledged", "", asked(40, **REPLIED | {"flags": "SRA", "packets": 3}))
    yield from unacknowledged("medium", 20)
    yield Edge("refused and acknowledged", "medium", asked(20, answer="refused", flags="SRA"))
    for port in PEERS:
        yield Edge(f"peers on {port}", "", asked(99, gap=0.5, port=port))
    peers = {"port": 8333, "gap": 0.5}
    yield Edge("a hundred on a port of peers", "medium", asked(100, **peers))
    few = asked(11, first=500, sport=40_000, **REPLIED | {"port": 8333, "gap": 0.2})
    yield Edge("a hundred on a port of peers, as many answer as may", "medium", few + asked(100, begin=10, **peers))
    yield Edge("a hundred on a port of peers, one more answers", "", few + asked(1, first=900, begin=9, sport=50_000, **REPLIED | {"port": 8333}) + asked(100, begin=10, **peers))
    more = asked(22, first=500, sport=40_000, **REPLIED | {"port": 8333, "gap": 0.2})
    yield Edge("two hundred on a port of peers, as many answer as may", "high", more + asked(200, begin=10, **peers))
    yield Edge("two hundred on a port of peers, one more answers", "", more + asked(1, first=900, begin=9, sport=50_000, **REPLIED | {"port": 8333}) + asked(200, begin=10, **peers))
    answered = asked(66, first=500, gap=0.2, sport=40_000, **REPLIED)
    yield Edge("two hundred, as many answer as may", "high", answered + asked(200, begin=20, **quick))
    yield Edge("two hundred, one more answers", "", answered + asked(1, first=900, begin=15, sport=50_000, **REPLIED) + asked(200, begin=20, **quick))


def telnet_worm():
    for port in (23, 2323, 5555, 7547, 37215, 52869):
        yield Edge(f"port {port}", "high", asked(12, port=port))
    yield from spread_scan(12, 4, "high", 300, 2323, other="udp")
    yield from unacknowledged("high", 12, port=23)
    yield Edge("another port", "", asked(40, port=8443))


def sip_scan():
    for port in (5060, 5061):
        yield Edge(f"port {port}", "medium", asked(20, port=port, protocol="udp"))
    yield from spread_scan(20, 6, "medium", 300, 5060, protocol="udp", other="tcp")
    yield Edge("another port", "", asked(40, port=27015, protocol="udp"))


def udp_address_scan():
    yield from spread_scan(40, 4, "medium", 300, 27015, protocol="udp", other="tcp")
    yield Edge("short questions", "medium", asked(40, gap=0.5, port=27015, protocol="udp", octets=599))
    yield Edge("long datagrams", "", asked(80, gap=0.5, port=27015, protocol="udp", octets=600))
    yield Edge("two short ones each", "medium", asked(40, gap=0.5, port=27015, protocol="udp", packets=2, octets=1100))
    for port in (53, 123, 443, 5060):
        yield Edge(f"port {port}", "", asked(80, gap=0.5, port=port, protocol="udp"))
    yield Edge("half on another port", "", asked(39, gap=0.5, port=27015, protocol="udp") + asked(39, begin=0.2, gap=0.5, first=100, port=27016, protocol="udp", sport=40_000))


def icmp_scan():
    def pings(n, *, begin=0.0, gap=0.5, first=0, answered=False, v6=False, src=OWN, to=None, octets=84, packets=1):
        own = "[2001:db8:42::7]" if v6 else src
        kind, back = (128 << 8, 129 << 8) if v6 else (8 << 8, 0)
        protocol = "icmp6" if v6 else "icmp"
        for k in range(n):
            at, dst = begin + k * gap, to or (f"[2001:db8:9::{first + k + 1:x}]" if v6 else host(first + k))
            yield one(at, own, 0, dst, kind, protocol=protocol, octets=octets * packets, packets=packets)
            if answered:
                yield one(at + 0.01, dst, 0, own, back, protocol=protocol, octets=84)

    yield Edge("fifty", "medium", [*pings(50)])
    yield Edge("fifty of IPv6", "medium", [*pings(50, v6=True)])
    yield Edge("forty-nine", "", [*pings(49)])
    yield Edge("half of them answer", "medium", [*pings(50, gap=0.2, first=200, answered=True), *pings(50, begin=11)])
    yield Edge("one more answers", "", [*pings(51, gap=0.2, first=200, answered=True), *pings(50, begin=11)])
    yield Edge("just in time", "medium", [*pings(50, gap=5.5)])
    yield Edge("twice as slow", "", [*pings(50, gap=11)])
    yield Edge("all answer", "", [*pings(80, answered=True)])
    yield Edge("one host", "", [*pings(80, to=OUT)])
    yield Edge("pinged", "", [*both(pings(1, begin=k / 2, src=host(k), to=OWN) for k in range(80))])
    for name, octets, more in (("IPv4", 28, {}), ("IPv6", 48, {"v6": True})):

        def bare(n, silent, *, octets=octets, more=more, **other):
            return [*pings(n - silent, gap=0.2, answered=True, octets=octets, **more, **other), *pings(silent, begin=11, first=300, octets=octets, **more, **other)]

        yield Edge(f"fifteen without data, four silent, {name}", "low", bare(15, 4))
        yield Edge(f"fifteen without data, three silent, {name}", "", bare(15, 3))
        yield Edge(f"fourteen without data, {name}", "", bare(14, 14))
        yield Edge(f"a byte of data, {name}", "", bare(30, 15, octets=octets + 1))
        yield Edge(f"two packets without data, {name}", "low", bare(15, 4, packets=2))
        yield Edge(f"a byte of data in each of two, {name}", "", bare(30, 15, octets=octets + 1, packets=2))
    yield Edge("without data just in time", "low", [*pings(15, gap=18, octets=28)])
    yield Edge("without data twice as slow", "", [*pings(15, gap=36, octets=28)])
    yield Edge("tcp instead", "", asked(80, gap=0.5))


def port_scan():
    def ports(n, *, begin=0.0, gap=0.5, first=1000, to=OUT, **more):
        more = {"answer": "unanswered", "flags": "S", "secs": 0.0, "octets": 60, "packets": 1} | more
        return both(talk(begin + k * gap, to, first + k, sport=40_000, **more) for k in range(n))

    yield Edge("twenty", "medium", ports(20))
    yield Edge("twenty of UDP", "medium", ports(20, protocol="udp"))
    yield Edge("twenty short questions of UDP", "medium", ports(20, protocol="udp", octets=599))
    yield Edge("long datagrams", "", ports(40, protocol="udp", octets=600))
    yield Edge("two short ones each", "medium", ports(20, protocol="udp", packets=2, octets=1100))
    yield Edge("long segments of TCP", "medium", ports(20, octets=900))
    yield Edge("a trace of the way", "", ports(192, protocol="udp", gap=0.1, first=33_434))
    yield Edge("below and above its ports", "medium", ports(10, protocol="udp", first=33_424) + ports(10, protocol="udp", first=33_626, begin=0.2))
    yield Edge("its ports over TCP", "medium", ports(20, first=33_434))
    yield Edge("ten of each", "medium", ports(10) + ports(10, begin=0.2, protocol="udp"))
    yield Edge("refused", "medium", ports(20, answer="refused"))
    yield Edge("answered and never acknowledged", "medium", ports(20, **REPLIED | {"flags": "SR", "packets": 2}))
    yield Edge("in three packets", "medium", ports(20, **REPLIED | {"flags": "S", "packets": 3}))
    yield Edge("in four packets", "", ports(30, **REPLIED | {"flags": "SR", "packets": 4}))
    yield Edge("without a word of flags", "", ports(30, **REPLIED | {"flags": ".", "packets": 2}))
    yield Edge("answered and acknowledged in three packets", "", ports(30, **REPLIED | {"flags": "SAF", "packets": 3}))
    yield Edge("answers of UDP that claim flags", "", ports(30, **REPLIED | {"marks": "S", "packets": 2, "protocol": "udp"}))
    yield Edge("nineteen", "", ports(19))
    yield Edge("just in time", "medium", ports(20, gap=14))
    yield Edge("twice as slow", "", ports(20, gap=28))
    yield Edge("six answer", "medium", ports(6, first=5000, gap=0.2, **REPLIED) + ports(20, begin=10))
    yield Edge("seven answer", "", ports(7, first=5000, gap=0.2, **REPLIED) + ports(20, begin=10))
    yield Edge("six answer on the same number of the other protocol", "medium", ports(6, first=1000, gap=0.2, protocol="udp", **REPLIED | {"flags": "."}) + ports(20, begin=10))
    yield Edge("all answer", "", ports(40, **REPLIED))
    yield Edge("the other side", "", both(talk(k / 2, OWN, 1000 + k, src=OUT, sport=40_000, packets=1, answer="unanswered", flags="S") for k in range(40)))
    yield Edge("another protocol", "", ports(40, protocol="sctp"))
    yield Edge("half on another host", "", ports(19) + ports(19, begin=0.2, first=3000, to=OUT2))
    yield Edge("one port again and again", "", both(talk(k / 2, OUT, 1000, sport=40_000 + k, packets=1, answer="unanswered", flags="S") for k in range(40)))
    yield Edge("five hundred", "high", ports(500, gap=0.4))
    yield Edge("one less than five hundred", "medium", ports(499, gap=0.4))
    answered = ports(166, first=9000, gap=0.1, **REPLIED)
    yield Edge("five hundred, as many answer as may", "high", answered + ports(500, begin=20, gap=0.4))
    yield Edge("five hundred, one more answers", "", answered + ports(1, first=9500, begin=18, **REPLIED) + ports(500, begin=20, gap=0.4))
    yield Edge("seven answer on the same number of the other protocol", "", ports(7, first=1000, gap=0.2, protocol="udp", **REPLIED | {"flags": "."}) + ports(20, begin=10))


def at_random(n, *, begin=0.0, gap=0.5, first=0, port=2000, step=7, to=None, protocol="tcp", packets=1, octets=60, answer="unanswered", flags="S", **more):
    """Each to another host and another port."""
    more |= {"protocol": protocol, "packets": packets, "octets": octets, "answer": answer, "flags": flags, "secs": 0.0}
    return both(talk(begin + k * gap, to or host(first + k), port + step * k, sport=20_000 + first + k, **more) for k in range(n))


def random_scan():
    yield Edge("forty", "medium", at_random(40))
    yield Edge("thirty-nine", "", at_random(39))
    yield Edge("just in time", "medium", at_random(40, gap=7))
    yield Edge("twice as slow", "", at_random(40, gap=13))
    yield Edge("asked again after a second, as systems do", "", at_random(90, packets=2))
    yield Edge("most of them asked once", "medium", at_random(40) + at_random(30, first=100, begin=0.2, packets=2))
    yield Edge("refused", "", at_random(90, answer="refused"))
    yield Edge("answered and never acknowledged", "medium", at_random(40, answer="answered", back=1))
    yield Edge("four are answered", "medium", at_random(4, first=200, gap=0.2, answer="answered", flags="SPAF", packets=9) + at_random(40, begin=2))
    yield Edge("five are answered", "", at_random(5, first=200, gap=0.2, answer="answered", flags="SPAF", packets=9) + at_random(40, begin=2))
    yield Edge("answered, ended without an acknowledgement", "medium", at_random(40) + at_random(30, first=100, begin=0.2, answer="answered", flags="SR", packets=2))
    yield Edge("two hosts to a port", "medium", at_random(20) + at_random(20, first=20, begin=0.2))
    yield Edge("three hosts to a port", "", at_random(15) + at_random(15, first=15, begin=0.2) + at_random(15, first=30, begin=0.3))
    yield Edge("one host", "", at_random(90, to=OUT))
    yield Edge("what remains of connections", "", at_random(90, flags="F"))
    yield Edge("udp", "", at_random(90, protocol="udp"))
    yield Edge("the other side", "", both(talk(k / 2, OWN, 2000 + k, src=host(k), sport=20_000, packets=1, answer="unanswered", flags="S") for k in range(90)))
    yield Edge("four hundred", "high", at_random(400, gap=0.6))
    yield Edge("one less than four hundred", "medium", at_random(399, gap=0.6))
    few = {"first": 600, "gap": 0.1, "answer": "answered", "flags": "SPAF", "packets": 9}
    yield Edge("four hundred, as many are answered as may", "high", at_random(44, **few) + at_random(400, begin=10, gap=0.6))
    yield Edge("four hundred, one more is answered", "", at_random(45, **few) + at_random(400, begin=10, gap=0.6))
    yield Edge("four hundred, two hosts to a port", "high", at_random(200, gap=0.6) + at_random(200, first=200, begin=0.2, gap=0.6))
    yield Edge("four hundred, three hosts to a port", "", both(at_random(134, first=134 * k, begin=0.2 * k, gap=0.6) for k in range(3)))


def grid_scan():
    def grid(many, ports=6, *, begin=0.0, gap=0.5, first=0, port=2000, packets=1, octets=60, answer="unanswered", flags="S", protocol="tcp", src=OWN):
        """Each of some ports of each of some hosts."""
        more = {"protocol": protocol, "packets": packets, "octets": octets, "answer": answer, "flags": flags, "secs": 0.0, "src": src}
        pairs = [(host(first + h), port + p) for p in range(ports) for h in range(many)]
        return both(talk(begin + k * gap, dst, to, sport=20_000 + port % 997 + k, **more) for k, (dst, to) in enumerate(pairs))

    served = {"answer": "answered", "flags": "SPAF", "packets": 9}
    yield Edge("thirty", "medium", grid(5))
    yield Edge("twenty-nine", "", grid(5)[:-1])
    yield Edge("refused", "medium", grid(5, answer="refused"))
    yield Edge("answered and never acknowledged", "medium", grid(5, answer="answered"))
    yield Edge("asked again", "", grid(12, packets=2))
    yield Edge("just in time", "medium", grid(5, gap=9.5))
    yield Edge("twice as slow", "", grid(5, gap=19))
    yield Edge("a quarter is served", "medium", grid(2, 5, port=9000, **served) + grid(5, begin=7))
    yield Edge("more is served", "", grid(2, 6, port=9000, **served)[:22] + grid(5, begin=7))
    yield Edge("three hosts", "medium", grid(3, 10))
    yield Edge("two hosts", "", grid(2, 19))
    yield Edge("three ports", "medium", grid(10, 3))
    yield Edge("two ports", "", grid(19, 2))
    yield Edge("half of all pairs", "medium", grid(5, 4) + grid(5, 4, begin=0.2, first=5, port=2004))
    yield Edge("a third of all pairs", "", both(grid(5, 4, begin=0.1 * k, first=5 * k, port=2000 + 4 * k) for k in range(3)))
    yield Edge("half of them let it in", "medium", grid(2, 1, port=22, **served) + grid(4, 8, begin=7))
    yield Edge("more than half", "", grid(3, 1, port=22, **served) + grid(4, 8, begin=7))
    yield Edge("some refuse it, and some answer what is never acknowledged", "medium", grid(3, 1, port=22, answer="refused", packets=2) + grid(4, 8, begin=7) + grid(3, 1, port=23, begin=30, answer="answered"))
    yield Edge("what remains of connections", "", grid(12, flags="F"))
    yield Edge("udp", "", grid(12, protocol="udp"))
    yield Edge("the other side", "", both(talk(k / 2, OWN, 2000 + k % 6, src=host(k), sport=20_000, packets=1, answer="unanswered", flags="S") for k in range(60)))


def random_scan_udp():
    def known(n, **more):
        """To so many well-known ports."""
        return at_random(n, first=700, begin=0.2, port=300, protocol="udp", **more)

    base = {"protocol": "udp"}
    replied = {"answer": "answered", "gap": 0.2, "first": 500}
    yield Edge("two hundred", "medium", known(2) + at_random(198, **base))
    yield Edge("one less", "", known(4) + at_random(195, **base))
    yield Edge("refused by ICMP or not, nobody answers", "medium", known(4) + at_random(200, **base))
    yield Edge("just in time", "medium", known(4) + at_random(196, gap=1.4, **base))
    yield Edge("twice as slow", "", known(4) + at_random(196, gap=2.8, **base))
    yield Edge("ten answer", "medium", known(4) + at_random(10, **base | replied) + at_random(196, begin=3, **base))
    yield Edge("eleven answer", "", known(4) + at_random(11, **base | replied) + at_random(196, begin=3, **base))
    yield Edge("two hosts to a port", "medium", known(4) + at_random(98, **base) + at_random(98, first=98, begin=0.1, **base))
    yield Edge("three hosts to a port", "", known(4) + both(at_random(66, first=66 * k, begin=0.1 * k, **base) for k in range(3)))
    yield Edge("one well-known port in two hundred", "", known(1) + at_random(220, **base))
    yield Edge("two in two hundred and fifty", "", known(2) + at_random(248, **base))
    yield Edge("well-known ports that answer", "", known(1) + at_random(220, **base) + known(5, answer="answered"))
    yield Edge("ports from 1024", "", at_random(6, first=700, begin=0.2, port=1024, **base) + at_random(220, **base))
    yield Edge("ports up to 1023", "medium", at_random(4, first=700, begin=0.2, port=1020, step=1, **base) + at_random(200, **base))
    yield Edge("short questions", "medium", known(4, octets=599) + at_random(200, octets=599, **base))
    yield Edge("long datagrams", "", known(4, octets=600) + at_random(250, octets=600, **base))
    yield Edge("two short ones each", "medium", known(4, octets=1100, packets=2) + at_random(200, octets=1100, packets=2, **base))
    yield Edge("tcp", "", at_random(4, first=700, begin=0.2, port=300) + at_random(220))
    yield Edge("one host", "", known(4, to=OUT) + at_random(250, to=OUT, **base))
    yield Edge("the other side", "", both(talk(k / 2, OWN, 300 + 7 * k, src=host(k), sport=20_000, packets=1, protocol="udp", answer="unanswered") for k in range(250)))


def protocol_flood():
    def run(packets, *, protocol="gre", secs=20, **more):
        """So many packets, evenly over some seconds."""
        return both(volley(packets // secs + (packets % secs if k == 0 else 0), protocol=protocol, port=0, sport=0, halves=1, begin=0.1 + k, **more) for k in range(secs))

    back = {"port": 0, "sport": 0, "protocol": "gre"}
    for protocol in ("gre", "esp", "sctp"):
        yield Edge(f"nine thousand of {protocol}", "high", run(9000, protocol=protocol))
    yield Edge("one less", "", run(8999))
    for protocol in ("tcp", "udp", "icmp", "icmp6"):
        yield Edge(f"{protocol} is another rule's", "", run(30_000, protocol=protocol, flags="A"))
    yield Edge("in half a minute", "high", run(9000, secs=25))
    yield Edge("in a minute", "", run(9000, secs=50))
    yield Edge("a word from the other end", "", run(30_000) + answers(1, **back))
    yield Edge("of another protocol is none", "high", run(9000) + answers(50, protocol="udp"))
    yield Edge("half to another host", "", run(8000) + run(8000, dst=OUT2))
    yield Edge("the other side sends", "", run(30_000, src=OUT, dst=OWN))
    yield Edge("what comes back is not sent", "", run(6000) + answers(6000, **back))
    yield Edge("multicast", "", run(30_000, dst="224.0.0.5"))
    yield Edge("multicast of IPv6", "", run(30_000, dst="[ff3e::1]", src="[2001:db8:42::7]"))
    yield Edge("two hundred in a sample prove it", "high", run(320), sampling=1000)
    yield Edge("less does not", "", run(200), sampling=1000)


def slow_scan():
    base = {"gap": 60.0}
    yield Edge("sixty in an hour", "low", asked(60, **base))
    yield Edge("fifty-nine", "", asked(59, **base))
    yield Edge("three and a half hours", "low", asked(60, gap=210))
    yield Edge("seven hours", "", asked(60, gap=420))
    yield Edge("thirty minutes", "low", asked(60, gap=28))
    yield Edge("twenty-five minutes", "", asked(60, gap=23))
    yield Edge("ten answer", "low", asked(10, first=500, sport=40_000, gap=5, **REPLIED) + asked(60, begin=60, **base))
    yield Edge("eleven answer", "", asked(11, first=500, sport=40_000, gap=5, **REPLIED) + asked(60, begin=60, **base))
    yield Edge("each four times", "low", both(asked(60, begin=k, sport=21_000 + 100 * k, **base) for k in range(4)))
    yield Edge("each five times", "", both(asked(60, begin=k, sport=21_000 + 100 * k, **base) for k in range(5)))
    yield Edge("refused", "low", asked(60, answer="refused", **base))
    yield Edge("all answer", "", asked(80, **base | REPLIED))
    yield Edge("udp", "", asked(80, protocol="udp", **base))
    yield Edge("the other side starts", "", both(talk(k * 60, OWN, 8443, src=host(k), sport=25_000 + k, packets=1, answer="unanswered", flags="S") for k in range(80)))
    yield Edge("half on another port", "", asked(59, **base) + asked(59, begin=30, first=100, port=9443, **base))
    yield from unacknowledged("low", 60, **base)


# --- floods ------------------------------------------------------------------------------------------------------------------------------------------


def volley(packets, *, octets=60, dst=OUT, port=80, protocol="tcp", flags="S", sport=40_000, src=OWN, begin=0.1, halves=2):
    """So many packets within the two panes of a window."""
    return [
        one(begin + 5 * k, src, sport, dst, port, protocol=protocol, packets=n, octets=octets * n, flags=flags, secs=4.7)
        for k, n in enumerate([packets // halves + (packets % halves if k == 0 else 0) for k in range(halves)])
    ]


def answers(packets, *, dst=OUT, port=80, protocol="tcp", flags="A", sport=40_000, begin=0.3, octets=60):
    return [one(begin, dst, port, OWN, sport, protocol=protocol, packets=packets, octets=octets * packets, flags=flags, secs=4.0)]


def flood(count, part, severity, other, *, ports=(), **base) -> Iterator[Edge]:
    """`count` packets in ten seconds, with less than one answer in `part`."""
    back = {k: v for k, v in base.items() if k in {"port", "protocol", "sport"}}
    fewest = count // part if count % part else count // part - 1
    yield Edge("as many as it takes", severity, volley(count, **base))
    yield Edge("one less", "", volley(count - 1, **base))
    yield Edge("two thirds in five seconds and then silence", "", volley(count * 2 // 3, halves=1, **base))
    yield Edge("as many answers as may be", severity, volley(count, **base) + answers(fewest, **back))
    yield Edge("one answer more", "", volley(count, **base) + answers(fewest + 1, **back))
    yield Edge("half to another host", "", volley(count * 2 // 3, **base) + volley(count * 2 // 3, **base | {"dst": OUT2}))
    half = count // part * 3 // 4
    yield Edge("what comes back is not sent", "", volley(count - half + 1, **base) + answers(half, **back))
    yield Edge("the other side sends", "", volley(3 * count, **base | {"src": OUT, "dst": OWN}))
    yield Edge("another protocol", "", volley(3 * count, **base | other))
    for n, found in ports:
        each = count // n + 1
        yield Edge(f"{n} ports", found, both(volley(each, **base | {"port": 9000 + k}) for k in range(n)))


def syn_flood():
    yield from flood(3000, 8, "high", {"protocol": "udp"}, ports=((16, "high"), (17, "")))
    yield Edge("SYN of answers", "", volley(9000, flags="SA"))
    yield Edge("no SYN", "", volley(9000, flags="A"))
    yield Edge("answers of any kind count", "", volley(3000) + answers(400, flags="SA"))
    yield Edge("acknowledged data is no SYN", "", volley(2000) + volley(3000, flags="A"))
    yield Edge("answers from many ports", "high", volley(3000) + both(answers(1, port=20_000 + k) for k in range(20)))
    yield Edge("answers of another protocol are none", "high", volley(3000) + answers(2000, protocol="udp"))
    yield Edge("resets that acknowledge nothing", "", volley(9000, flags="R"))
    many = [{"port": 9000 + k} for k in range(17)]
    yield Edge("so many that ports do not matter", "high", both(volley(200_000 // 17 + 1, **each) for each in many))
    yield Edge("nearly so many", "", both(volley(199_000 // 17, **each) for each in many))
    yield Edge("SYN with data, to many ports", "high", both(volley(177, octets=100, **each) for each in many))
    yield Edge("with less", "", both(volley(177, octets=99, **each) for each in many))
    yield Edge("what comes back is not what is sent", "", both(volley(177, **each) for each in many) + answers(1, octets=900_000, port=9000))


def tcp_flood():
    yield from flood(10_000, 50, "high", {"protocol": "udp"}, flags="A")
    yield Edge("SYN are another rule's", "", volley(30_000, flags="S"))
    yield Edge("SYN of answers", "high", volley(10_000, flags="SA"))
    yield Edge("resets", "high", volley(10_000, flags="R"))
    yield Edge("resets that acknowledge nothing are no answers", "high", volley(10_000, flags="A") + answers(10_000, flags="R"))
    yield Edge("resets that acknowledge are answers", "", volley(10_000, flags="A") + answers(10_000, flags="RA"))
    yield Edge("a SYN that comes in is an answer", "", volley(10_000, flags="A") + answers(300, flags="S"))


TELEMETRY = (162, 514, 1514, 2055, 2152, 4739, 4789, 5001, 5201, 6081, 6343, 6514, 8125, 9995, 9996, 12201)
SERVED = (17, 19, 53, 123, 161, 389, 1900, 3702, 5353, 11211)


def udp_flood():
    base = {"protocol": "udp", "port": 9999}
    few = ("one less", "two thirds in five seconds and then silence", "half to another host")
    yield from (edge for edge in flood(20_000, 100, "high", {"protocol": "tcp", "flags": "A"}, **base) if edge.name not in few)
    yield from (edge for edge in flood(3000, 100, "high", {"protocol": "tcp", "flags": "A"}, **base) if edge.name in few)
    for n, found in ((16, "high"), (17, "")):
        yield Edge(f"{n} ports", found, both(volley(188, **base | {"port": 9000 + k}) for k in range(n)))
    yield Edge("three hundred a second", "high", volley(3000, **base))
    yield Edge("nearly", "", volley(2999, **base))
    yield Edge("the receiver reports", "", volley(19_900, **base) + answers(1, protocol="udp", port=9998))
    yield Edge("reports on a flood of forty megabit", "high", volley(400, octets=125_000, **base) + answers(3, protocol="udp", port=9999))
    yield Edge("reports on thirty megabit", "", volley(3000, octets=12_500, **base) + answers(3, protocol="udp", port=9999))
    yield Edge("multicast", "", volley(9000, **base | {"dst": "232.1.2.3"}))
    yield Edge("multicast of IPv6", "", volley(9000, **base | {"dst": "[ff3e::1]", "src": "[2001:db8:42::7]"}))
    many = [base | {"port": 9000 + k} for k in range(17)]
    yield Edge("long datagrams to many ports", "high", both(volley(177, octets=600, **each) for each in many))
    yield Edge("shorter ones", "", both(volley(177, octets=590, **each) for each in many))
    yield Edge("what comes back is not what is sent", "", both(volley(177, octets=400, **each) for each in many) + answers(1, octets=900_000, protocol="udp", port=9000))
    for port in TELEMETRY:
        yield Edge(f"telemetry on {port}", "", volley(9000, protocol="udp", port=port))
    told = {"protocol": "udp", "port": 514}
    yield Edge("too much for telemetry", "high", volley(200_000, **told))
    yield Edge("nearly", "", volley(199_000, **told))
    yield Edge("too much of it", "high", volley(4000, octets=125_000, **told))
    yield Edge("nearly so much of it", "", volley(4000, octets=124_900, **told))
    yield Edge("half telemetry", "", volley(3000, **told) + volley(3000, **base))
    yield Edge("more than half is none", "high", volley(3000, **told) + volley(3000, **base) + volley(3000, **base | {"port": 9998}))
    yield Edge("what comes in from there tells nothing", "high", volley(20_000, **base) + both(answers(1, protocol="udp", port=514, sport=41_000 + k) for k in range(40)))
    yield Edge("forty megabit", "high", volley(400, octets=125_000, **base))
    yield Edge("a little less", "", volley(400, octets=124_900, **base))
    yield Edge("forty megabit and half of it comes back", "", volley(400, octets=125_000, **base) + answers(200, protocol="udp", port=9999))
    yield Edge("forty megabit come in", "", volley(400, octets=125_000, protocol="udp", src=OUT, dst=OWN) + volley(20, **base))
    yield Edge("so many that ports do not matter", "high", both(volley(20_000 // 17 + 1, **base | {"port": 9000 + k}) for k in range(17)))
    yield Edge("nearly so many", "", both(volley(19_900 // 17, **base | {"port": 9000 + k}) for k in range(17)))
    yield Edge("answers from many ports", "high", volley(20_000, **base) + both(answers(1, protocol="udp", port=20_000 + k) for k in range(20)))
    for port in SERVED:
        yield Edge(f"answers of a service on {port}", "", volley(9000, protocol="udp", port=50_000, sport=port))
        yield Edge(f"answers to a client on {port} speak for it", "", volley(3000, **base | {"sport": port}) + answers(2000, **base | {"sport": port}))
        yield Edge(f"what comes in on {port} is an answer", "", volley(3000, **base) + answers(500, protocol="udp", port=9999, sport=port))
    yield Edge("forty megabit with what comes back", "", volley(400, octets=120_000, **base) + answers(3, octets=2_000_000, protocol="udp", port=9999))


def icmp_flood():
    base = {"protocol": "icmp", "port": 2048, "sport": 0}
    yield from flood(3000, 8, "high", {"protocol": "udp", "port": 9999, "sport": 40_000}, **base)
    pongs = {"protocol": "icmp", "port": 0, "sport": 0}
    yield Edge("a thousand a second, answered", "high", volley(10_000, **base) + answers(10_000, **pongs))
    yield Edge("one less, answered", "", volley(9_999, **base) + answers(9_999, **pongs))
    yield Edge("forty megabit", "high", volley(400, octets=125_000, **base))
    yield Edge("a little less", "", volley(400, octets=124_900, **base))
    yield Edge("forty megabit and half of it comes back", "", volley(400, octets=125_000, **base) + answers(200, protocol="icmp", port=0, sport=0))
    yield Edge("forty megabit come in", "", volley(400, octets=125_000, src=OUT, dst=OWN, **base) + volley(20, **base))
    yield Edge("of IPv6", "high", [one(0.1 + 5 * k, "[2001:db8:42::7]", 0, "[2001:db8:9::1]", 128 << 8, protocol="icmp6", packets=1500, octets=90_000, secs=4.7) for k in range(2)])
    yield Edge("forty megabit with what comes back", "", volley(400, octets=120_000, **base) + answers(40, octets=125_000, protocol="icmp", port=0, sport=0))


UNREACHABLE = 3 << 8 | 3  # ICMP type and code, where a port would be


def carpet_flood():
    def carpet(packets, n=16, *, octets=60, net=0, src=OWN, **more):
        each = [packets // n + (packets % n if k == 0 else 0) for k in range(n)]
        return both(volley(size, octets=octets, **{"dst": f"203.0.{113 + net}.{k + 1}", "src": src, "protocol": "udp", "port": 9999} | more) for k, size in enumerate(each))

    yield Edge("a thousand a second", "high", carpet(10_000))
    yield Edge("one less", "", carpet(9_999))
    yield Edge("fifteen hosts", "", carpet(20_000, 15))
    yield Edge("in five seconds and then silence", "", both(volley(420, halves=1, protocol="udp", port=9999, dst=f"203.0.113.{k + 1}") for k in range(16)))
    yield Edge("as many answers as may be", "high", carpet(10_000) + answers(199, protocol="udp", port=9999, dst="203.0.113.1"))
    yield Edge("one answer more", "", carpet(10_000) + answers(200, protocol="udp", port=9999, dst="203.0.113.1"))
    yield Edge("that nobody listens is no answer", "high", carpet(10_000) + answers(5000, protocol="icmp", port=0, sport=UNREACHABLE, dst="203.0.113.1"))
    yield Edge("nor is that of IPv6", "high", carpet(10_000) + answers(5000, protocol="icmp6", port=0, sport=1 << 8, dst="203.0.113.1"))
    yield Edge("an echo is an answer", "", carpet(10_000) + answers(5000, protocol="icmp", port=0, sport=0, dst="203.0.113.1"))
    yield Edge("a port of such a number is none", "", carpet(10_000) + answers(5000, port=443, sport=UNREACHABLE, dst="203.0.113.1"))
    yield Edge("a flood of that", "high", carpet(10_000, protocol="icmp", port=UNREACHABLE, sport=0))
    yield Edge("eighty megabit", "high", carpet(1600, octets=62_500))
    yield Edge("a little less", "", carpet(1600, octets=62_400))
    yield Edge("eighty megabit come in", "", both(volley(100, octets=63_000, protocol="udp", port=9999, src=f"203.0.113.{k + 1}", dst=OWN) for k in range(16)) + carpet(160))
    yield Edge("sixteen hosts of which one only sends to us", "", carpet(20_000, 15) + answers(5, dst="203.0.113.77", protocol="udp"))
    yield Edge("half to another network", "", carpet(7_000) + carpet(7_000, net=1))
    yield Edge("tcp", "high", carpet(10_000, protocol="tcp", flags="A"))
    yield Edge("from port 53 over TCP", "high", carpet(10_000, protocol="tcp", flags="A", sport=53))
    for port in (53, 123):
        yield Edge(f"answers of a service on {port}", "", carpet(30_000, sport=port))
    yield Edge("what comes back is not sent", "", carpet(9_900) + answers(150, protocol="udp", port=9999, dst="203.0.113.1"))
    yield Edge("eighty megabit with what comes back", "", carpet(1600, octets=60_000) + answers(20, octets=250_000, protocol="udp", port=9999, dst="203.0.113.1"))


# --- names, web, half-open ---------------------------------------------------------------------------------------------------------------------------


def queries(n, *, servers=10, every=0, secs=50.0, src=OWN, port=53, protocol="udp", sport=1024):
    """n questions; of `every` so many one is left without an answer (0: all are)."""
    lines = []
    for k in range(n):
        at, dst = k * secs / n, host(k % servers)
        lines.append(one(at, src, sport + k, dst, port, protocol=protocol, octets=70, flags="S"))
        if every and k % every:
            lines.append(one(at + 0.005, dst, port, src, sport + k, protocol=protocol, octets=140, flags="SA"))
    return lines


def name_flood(most) -> Iterator[Edge]:
    """Questions to few servers, of which a fifth gets no answer."""
    yield Edge("enough", "high", queries(most))
    yield Edge("too few", "", queries(2990))
    yield Edge("sixty servers", "high", queries(most, servers=60))
    yield Edge("sixty-one servers", "", queries(3600, servers=61))
    yield Edge("a quarter is lost", "high", queries(most, every=4))
    yield Edge("a sixth is lost", "", queries(3600, every=6))
    yield Edge("in forty seconds", "high", queries(most, secs=40))
    yield Edge("in a hundred seconds", "", queries(most, secs=100))
    yield Edge("another port", "", queries(3600, port=5353))
    yield Edge("tcp", "", queries(3600, protocol="tcp"))


def dns_flood():
    yield from name_flood(3300)
    yield Edge("a server is asked", "", [one(k * 0.014, host(k % 10), 1024 + k, OWN, 53, protocol="udp") for k in range(3600)])


def dns_flood_packets():
    yield from name_flood(3000)
    others = [one(k * 0.4, host(100 + k), 53, OWN, 1024 + k, protocol="udp", octets=140, flags="SA") for k in range(61)]
    yield Edge("others answer who were not asked", "high", queries(3000) + others)
    yield Edge("from its own port 53", "", [one(k * 0.014, OWN, 53, host(k % 10), 53, protocol="udp") for k in range(3600)])
    yield Edge("what comes in is no question", "", [one(k * 0.014, host(k % 10), 53, OWN, 1024 + k, protocol="udp") for k in range(3600)])
    yield Edge("servers that only answer do not count", "high", queries(3000, servers=40) + [one(k, host(300 + k), 53, OWN, 999, protocol="udp") for k in range(40)])


def dns_tunnel():
    def told(n, octets, *, sport=40_000, port=53, dst=OUT, gap=2.0, begin=0.0, protocol="udp", spread=0):
        return [one(begin + k * gap, dst, port, OWN, sport + (k + 1 if spread else 0), protocol=protocol, octets=octets, flags="A") for k in range(n)]

    def asks(n, octets, *, sport=40_000, port=53, dst=OUT, gap=2.0, others=0, begin=0.0, protocol="udp"):
        return [one(begin + k * gap, OWN, sport + (k + 1 if k < others else 0), dst, port, protocol=protocol, octets=octets, flags="A") for k in range(n)]

    def tunnel(n=200, octets=100, answers=None, size=None, *, others=0, **more):
        return asks(n, octets, others=others, **more) + told(n if answers is None else answers, size or octets, begin=0.5, **more)

    yield Edge("two hundred", "low", tunnel())
    yield Edge("one less", "", tunnel(199, 110))
    yield Edge("99 bytes", "", tunnel(octets=99, size=200))
    yield Edge("a little less than 40 kB", "", tunnel(answers=199))
    yield Edge("answers that do not repeat the question", "", tunnel(octets=110, size=109))
    yield Edge("one answer in ten comes twice", "low", asks(200, 100) + told(220, 100, gap=1.8))
    yield Edge("more than one in ten", "", asks(200, 100) + told(221, 100, gap=1.8))
    yield Edge("one in ten from another port", "low", tunnel(others=20))
    yield Edge("more of them", "", tunnel(others=21))
    yield Edge("answers to many ports say nothing", "low", asks(200, 100, others=20) + told(200, 200, begin=0.5, spread=1))
    yield Edge("answers are no queries", "", tunnel(190, 150, 60, 200))
    yield Edge("answers do not make queries long", "", tunnel(octets=60, size=200))
    yield Edge("queries are told once", "", asks(200, 110))
    yield Edge("as long as a name can be", "low", tunnel(octets=350, size=350))
    yield Edge("longer than that", "", tunnel(octets=351, size=351))
    yield Edge("half of them answered", "low", tunnel(answers=100, size=250))
    yield Edge("less than half", "", tunnel(answers=99, size=250))
    yield Edge("just in time", "low", tunnel(gap=2.85))
    yield Edge("twice as slow", "", tunnel(gap=5.7))
    yield Edge("another port", "", tunnel(300, 200, port=5353))
    yield Edge("from port 1024", "low", tunnel(sport=1024))
    yield Edge("from port 1023", "", tunnel(300, 200, sport=1023))
    yield Edge("tcp", "", tunnel(300, 200, protocol="tcp"))
    yield Edge("our own resolver", "", tunnel(300, 200, dst="198.51.100.20"))
    yield Edge("half to another server", "", tunnel(150, 150) + tunnel(150, 150, dst=OUT2))


WEB_NOT = (21, 22, 23, 53, 110, 143, 445, 465, 587, 993, 995, 1433, 2222, 3306, 3389, 5432, 5900, 5985)


def http_flood():
    base = {"gap": 0.15, "secs": 0.1, "packets": (6,), "port": 80}
    yield Edge("three hundred", "high", sessions(300, **base))
    yield Edge("one less", "", sessions(299, **base))
    yield Edge("three packets", "high", sessions(300, **base | {"packets": (3,)}))
    yield Edge("two packets", "", sessions(400, **base | {"packets": (2,)}))
    yield Edge("nearly a minute", "high", sessions(300, **base | {"gap": 0.18}))
    yield Edge("nearly two minutes", "", sessions(300, **base | {"gap": 0.36}))
    yield Edge("refused", "", sessions(400, answer="refused", **base))
    yield Edge("unanswered", "", sessions(400, answer="unanswered", **base))
    yield Edge("never acknowledged", "", sessions(400, flags="S", **base))
    yield Edge("udp", "", sessions(400, protocol="udp", **base))
    yield Edge("the other side starts", "", sessions(400, src=OUT, to=(OWN,), **base))
    yield Edge("half to another port", "", sessions(299, **base) + sessions(299, begin=0.07, sport=30_000, **base | {"port": 8080}))
    yield Edge("half to another host", "", sessions(299, **base) + sessions(299, begin=0.07, to=(OUT2,), sport=30_000, **base))
    for port in WEB_NOT:
        yield Edge(f"port {port}", "", sessions(400, **base | {"port": port}))
    yield Edge("udp with marks", "", sessions(400, protocol="udp", marks="PA", **base))


def slow_http():
    def held(n, *, gap=0.5, secs=200.0, size=80, packets=8, port=80, begin=0.0, **more):
        return sessions(n, begin=begin, gap=gap, secs=secs, packets=(packets,), octets=size * packets, port=port, **more)

    for port in (80, 81, 443, 8000, 8008, 8080, 8081, 8088, 8443, 8888):
        yield Edge(f"a hundred on port {port}", "high", held(100, port=port))
    yield Edge("ninety-nine", "", held(99))
    yield Edge("one after the other", "", held(150, gap=2, secs=150))
    yield Edge("four of five tiny", "high", held(80) + held(20, begin=0.2, size=900, sport=30_000))
    yield Edge("less than four of five", "", held(79) + held(21, begin=0.2, size=900, sport=30_000))
    yield Edge("399 bytes a packet", "high", held(100, size=399))
    yield Edge("400 bytes a packet", "", held(120, size=400))
    yield Edge("twenty seconds", "high", held(100, gap=0.01, secs=20))
    yield Edge("nineteen seconds", "", held(120, gap=0.01, secs=19))
    yield Edge("another port", "", held(120, port=22))
    yield Edge("refused", "", held(120, answer="refused"))
    yield Edge("unanswered", "", held(120, answer="unanswered"))
    yield Edge("udp", "", held(120, protocol="udp"))
    yield Edge("the other side starts", "", held(120, src=OUT, to=(OWN,)))
    yield Edge("half to another port", "", held(99) + held(99, begin=0.2, port=443, sport=30_000))
    yield Edge("half to another host", "", held(99) + held(99, begin=0.2, to=(OUT2,), sport=30_000))
    yield Edge("among many ordinary ones of ten minutes ago", "high", sessions(60, port=80, packets=(900,), octets=900_000, gap=0.1) + held(100, begin=420, sport=30_000))
    yield Edge("told over nearly five minutes", "high", held(140, gap=2, secs=290))
    yield Edge("told over more than seven minutes", "", held(110, gap=4, secs=450))


def syn_flood_half_open():
    def half(n, *, begin=0.0, gap=0.09, port=443, to=OUT, reply=True, packets=1, replies=1, flags="S", protocol="tcp", sport=1024):
        for k in range(n):
            at = begin + k * gap
            yield one(at, OWN, sport + k, to, port, packets=packets, flags=flags, protocol=protocol)
            if reply:
                yield one(at + 0.005, to, port, OWN, sport + k, packets=replies, flags="SA", protocol=protocol)

    def used(n, *, begin=0.0, gap=0.09):
        return sessions(n, begin=begin, gap=gap, port=443, packets=(6,), secs=0.05, sport=20_000)

    yield Edge("enough", "high", [*half(660)])
    yield Edge("too few", "", [*half(590)])
    def retried(n, *, begin=0.0, gap=0.05, sport=1024):
        return both(talk(begin + k * gap, OUT, 443, sport=sport + k, packets=1, flags="S", answer="refused", secs=0.0) for k in range(n))

    yield Edge("a client that retries", "", retried(1000))
    yield Edge("a hundred refused a second", "high", retried(6200, gap=0.009))
    yield Edge("not quite so many", "", retried(5900, gap=0.009))
    yield Edge("as many answered as refused", "", [*half(350, gap=0.1), *retried(350, gap=0.1, begin=0.05, sport=30_000)])
    yield Edge("more answered than refused", "high", [*half(400, gap=0.09), *retried(300, gap=0.09, begin=0.05, sport=30_000)])
    yield Edge("in a hundred seconds", "", [*half(660, gap=0.16)])
    yield Edge("in under a minute", "high", [*half(660, gap=0.08)])
    yield Edge("one in ten is used", "high", [*half(660, gap=0.07), *used(70, begin=40, gap=0.05)])
    yield Edge("one in eight is used", "", [*half(660, gap=0.07), *used(95, begin=36, gap=0.05)])
    yield Edge("one in eight meets somebody", "high", [*half(90, gap=0.05), *half(630, begin=5, reply=False, gap=0.06, sport=5000)])
    yield Edge("one in nine meets somebody", "", [*half(70, gap=0.05), *half(630, begin=5, reply=False, gap=0.06, sport=5000)])
    yield Edge("two packets and three answers", "high", [*half(660, packets=2, replies=3, flags="S")])
    yield Edge("acknowledged, two packets and three answers", "high", sessions(660, gap=0.08, port=443, packets=(2,), back=3, secs=0.01))
    yield Edge("acknowledged, three packets", "", sessions(700, gap=0.08, port=443, packets=(3,), back=3, secs=0.01))
    yield Edge("acknowledged, four answers", "", sessions(700, gap=0.08, port=443, packets=(2,), back=4, secs=0.01))
    yield Edge("three packets and never acknowledged", "high", [*half(660, packets=3, replies=4)])
    yield Edge("udp", "", [*half(700, protocol="udp")])
    yield Edge("no opening seen", "", sessions(700, gap=0.08, port=443, packets=(1,), back=1, flags="A", secs=0.01))
    yield Edge("the other side starts", "", sessions(700, gap=0.08, port=443, packets=(1,), back=1, flags="S", src=OUT, to=(OWN,), secs=0.01))
    yield Edge("half to another port", "", [*half(560), *half(560, begin=0.04, port=80, sport=5000)])
    yield Edge("half to another host", "", [*half(560), *half(560, begin=0.04, to=OUT2, sport=5000)])


# --- mail, reflectors, forged sources ----------------------------------------------------------------------------------------------------------------


def smtp_spam():
    def delivered(n, *, first=0, begin=0.0, gap=10.0, port=25, packets=14, sport=20_000, **more):
        return sessions(n, to=hosts(n, first), begin=begin, gap=gap, port=port, packets=(packets,), sport=sport, **more)

    def mails(n, *, first=0, begin=0.0, gap=10.0, port=25, **more):
        """One in ten, the first, is gone."""
        gone = -(-n // 10) if not more.get("answer") else 0
        lost = delivered(gone, first=first, begin=begin, gap=gap, port=port, packets=2, answer="unanswered", flags="S", sport=59_000)
        return lost + delivered(n - gone, first=first + gone, begin=begin + gone * gap, gap=gap, port=port, **more)

    for port in (25, 465, 587):
        yield Edge(f"ten on port {port}", "medium", mails(10, port=port))
    yield Edge("nine", "", mails(9))
    yield Edge("just in time", "medium", mails(10, gap=55))
    yield Edge("twice as slow", "", mails(10, gap=115))
    yield Edge("three reached", "medium", mails(8, first=100, answer="refused", gap=2) + delivered(3, begin=30))
    yield Edge("two reached", "", mails(8, first=100, answer="refused", gap=2) + delivered(2, begin=30, sport=30_000))
    yield Edge("nearly three quarters fail", "medium", delivered(4, gap=2) + mails(11, first=100, answer="unanswered", begin=10, gap=2, sport=30_000))
    yield Edge("three quarters fail", "", delivered(4, gap=2, begin=40) + mails(12, first=100, answer="unanswered", gap=2, sport=30_000))
    received = [line for k in range(2) for line in talk(k, OWN, 25, src=host(300 + k), sport=50_000, packets=8)]
    yield Edge("one in ten sends to it", "medium", received[:2] + mails(10, begin=60, gap=5))
    yield Edge("one in eight sends to it", "", received + mails(16, begin=60, gap=5))
    more = [line for k in range(5) for line in talk(k, OWN, 25, src=host(300 + k), sport=50_000, packets=8)]
    yield Edge("four send to it", "medium", more[:8] + mails(50, begin=60, gap=5))
    yield Edge("five send to it", "", more + mails(50, begin=60, gap=5))
    yield Edge("one in ten is gone", "medium", mails(20))
    yield Edge("fewer are gone", "", delivered(10) + delivered(1, first=200, begin=120, packets=2, answer="unanswered", flags="S", sport=40_000))
    yield Edge("all are there", "", delivered(30))
    yield Edge("one in five is submitted", "medium", delivered(8) + delivered(1, port=465, first=8, begin=90, sport=40_000) + delivered(1, port=587, first=9, begin=95, sport=41_000))
    again = both(talk(20 * k, OWN, 25, src=host(300), sport=50_000 + k, packets=8) for k in range(3))
    yield Edge("what comes in is not sent", "medium", again + delivered(8, begin=60, gap=5) + delivered(2, port=587, first=8, begin=105, sport=41_000))
    yield Edge("fewer are submitted", "", delivered(9) + delivered(2, port=587, first=9, begin=95, sport=41_000))
    little = [line for k in range(9) for line in talk(k, OWN, 25, src=host(300 + k), sport=50_000, packets=7)]
    refused = [line for k in range(9) for line in talk(k, OWN, 25, src=host(300 + k), sport=50_000, packets=9, answer="refused")]
    elsewhere = [line for k in range(9) for line in talk(k, OWN, 587, src=host(300 + k), sport=50_000, packets=9)]
    for name, lines in (("too short", little), ("refused", refused), ("on another port", elsewhere)):
        yield Edge(f"what comes in {name} makes no mail server", "medium", lines + mails(10, begin=60, gap=5))
    yield Edge("short and all alike: looks at banners", "", mails(20, packets=7))
    yield Edge("eight packets and all alike", "medium", mails(10, packets=8))

    def sized(sizes):
        gone = delivered(3, first=400, begin=0.5, packets=2, answer="unanswered", flags="S", sport=58_000)
        return gone + both(talk(10.0 * k, host(k), 25, sport=20_000 + k, packets=size) for k, size in enumerate(sizes))

    yield Edge("short and nearly all alike", "medium", sized([5] * 17 + [9, 9, 9]))
    yield Edge("short, one apart is alike", "", sized([5, 6] * 9))
    yield Edge("short, two apart is not", "medium", sized([5, 5, 7] * 6))
    yield Edge("short, of twenty-five one differs", "", sized([5] * 24 + [9]))

    def turned_away(n, others=9, *, answer="answered"):
        """Short sessions, all alike, n of them with one server; the first two of the others are gone."""
        gone = delivered(2, first=500, begin=0.5, packets=2, answer="unanswered", flags="S", sport=58_000)
        rest = delivered(others, first=1, begin=2.0, gap=1.0, packets=5, sport=57_000)
        return gone + rest + sessions(n, to=hosts(1), gap=4.0, begin=20.0, port=25, packets=(5,), answer=answer)

    yield Edge("turned away a hundred times", "medium", turned_away(100))
    yield Edge("ninety-nine times", "", turned_away(99))
    by_many = turned_away(1) + both(delivered(11, begin=30 + 40 * k, gap=3.0, packets=5, sport=30_000 + 100 * k) for k in range(14))
    came = both(talk(1.2 * k, OWN, 25, src=host(300), sport=50_000 + k, packets=8) for k in range(450))
    yield Edge("a hundred and fifty times by many", "", by_many)
    yield Edge("who comes to it is not turned away by one", "", by_many + came)
    yield Edge("who comes to it is not turned away", "", turned_away(60) + came[:240])

    yield Edge("udp", "", mails(20, protocol="udp"))
    yield Edge("another port", "", mails(20, port=2525))
    yield Edge("one server", "", sessions(20, port=25, packets=(14,)))
    yield Edge("the other side starts", "", both(talk(k, OWN, 25, src=host(k), sport=50_000, packets=14) for k in range(20)))
    yield Edge("long ones that failed do not count as typical", "", mails(12, packets=7, gap=5) + mails(11, first=100, packets=20, answer="refused", begin=61, gap=5, sport=30_000))
    yield Edge("long ones that came in do not count as typical", "", talk(0, OWN, 25, src=host(300), sport=50_000, packets=80) + mails(12, begin=60, packets=7, gap=5))
    yield Edge("many long ones that failed do not count as typical", "", mails(12, packets=7, gap=5) + both(mails(11, first=100, packets=20, answer="refused", begin=61 + 60 * k, gap=5, sport=30_000 + 100 * k) for k in range(2)))
    yield Edge("many long ones that came in do not count as typical", "", both(talk(61 + 2 * k, OWN, 25, src=host(300), sport=50_000 + k, packets=80) for k in range(30)) + mails(12, begin=60, packets=7, gap=5))


REFLECTORS = (17, 19, 53, 111, 123, 137, 161, 177, 389, 427, 500, 520, 1434, 1900, 3283, 3702, 5093, 5353, 5683, 10001, 10074, 11211, 17185, 30718,
              32410, 32411, 32412, 32413, 32414, 33848, 37020, 37810, 41794, 47808)  # fmt: skip


def amplification_reflector():
    def reflected(asked_bytes, sent_bytes, *, port=11211, peer=OUT, at=10.0, protocol="udp"):
        lines = [one(at, OWN, port, peer, 4444, protocol=protocol, packets=3000, octets=sent_bytes, secs=9)]
        if asked_bytes:
            lines.append(one(at, peer, 4444, OWN, port, protocol=protocol, packets=900, octets=asked_bytes, secs=9))
        return lines

    for port in REFLECTORS:
        yield Edge(f"port {port}", "high", reflected(60_000, 3_000_000, port=port))
    yield Edge("a byte less", "", reflected(60_000, 2_999_999))
    yield Edge("three times what was asked", "high", reflected(1_000_000, 3_000_000))
    yield Edge("a little less than three times", "", reflected(1_000_400, 3_000_000))
    yield Edge("nobody asked", "high", reflected(0, 3_000_000))

    def slowly(asked_bytes, sent_bytes, port=53):
        # Most of it last: of what has come before, three megabytes are not yet there to be measured by the minute.
        return both(reflected(asked_bytes * part // 10, sent_bytes * part // 10, port=port, at=at) for at, part in ((10.0, 2), (65.0, 2), (120.0, 6)))

    yield Edge("twenty times what was asked of names", "high", slowly(150_000, 3_000_000))
    yield Edge("less than twenty times", "", slowly(151_000, 3_000_000))
    yield Edge("three megabytes of names a minute", "high", slowly(900_000, 6_100_000))
    yield Edge("less of names", "", slowly(900_000, 5_700_000))
    yield Edge("as much of time", "high", slowly(900_000, 5_700_000, port=123))
    yield Edge("another port", "", reflected(60_000, 9_000_000, port=9999))
    yield Edge("tcp", "", reflected(60_000, 9_000_000, protocol="tcp"))
    yield Edge("what comes in", "", [one(10, OUT, 4444, OWN, 11211, protocol="udp", packets=3000, octets=9_000_000, secs=9)])
    yield Edge("in fourteen minutes", "high", reflected(30_000, 1_500_000) + reflected(30_000, 1_500_000, at=800))
    yield Edge("in twenty-five minutes", "", reflected(30_000, 1_500_000) + reflected(30_000, 1_500_000, at=1500))
    yield Edge("half to another", "", reflected(30_000, 2_000_000) + reflected(30_000, 2_000_000, peer=OUT2))
    yield Edge("half from another port", "", reflected(30_000, 2_000_000) + reflected(30_000, 2_000_000, port=53))


def amplification_trigger():
    def trigger(n, *, gap=0.2, victims=1, packets=2, port=389, protocol="udp", to=None, sources=None):
        return [one(k * gap, f"192.0.2.{60 + k % victims}" if sources is None else sources, 4444, to or host(k), port, protocol=protocol, packets=packets) for k in range(n)]

    for port in (*REFLECTORS, 69, 3478, 27015):
        yield Edge(f"port {port}", "critical", trigger(50, port=port))
    yield Edge("forty-nine reflectors", "", trigger(49, packets=3))
    yield Edge("ninety-nine packets", "", [*trigger(49, packets=2), one(12, FORGED, 4444, host(400), 389, protocol="udp")])
    yield Edge("one victim in eight", "critical", trigger(56, victims=7))
    yield Edge("more than one victim in eight", "", trigger(55, victims=7))
    yield Edge("nearly a minute", "critical", trigger(50, gap=1.1))
    yield Edge("nearly two minutes", "", trigger(50, gap=2.2))
    yield Edge("another port", "", trigger(90, port=9999))
    yield Edge("tcp", "", trigger(90, protocol="tcp"))
    yield Edge("our own customer asks", "", trigger(90, sources=OWN))


def spoofed_source():
    def forged(n, *, sources=1, targets=1, gap=0.1, packets=2, src=None):
        return [one(k * gap, src or f"192.0.2.{1 + k % sources}", 999, host(k % targets), 80, packets=packets) for k in range(n)]

    yield Edge("fifty sources", "high", forged(50, sources=50), port=True)
    yield Edge("forty-nine sources", "", forged(60, sources=49), port=True)
    yield Edge("fifty targets", "high", forged(50, targets=50), port=True)
    yield Edge("forty-nine targets", "", forged(60, targets=49), port=True)
    yield Edge("ninety-nine packets", "", [*forged(49, sources=49), one(5, "192.0.2.200", 999, OUT, 80)], port=True)
    yield Edge("five thousand packets", "high", forged(50, packets=100), port=True)
    yield Edge("a packet less", "", [*forged(49, packets=100), one(5, "192.0.2.1", 999, OUT, 80, packets=99)], port=True)
    yield Edge("nearly a minute", "high", forged(50, sources=50, gap=1.1), port=True)
    yield Edge("nearly two minutes", "", forged(50, sources=50, gap=2.2), port=True)
    yield Edge("by no customer's port", "", forged(90, sources=60))
    yield Edge("its own source", "", forged(90, targets=60, src=OWN), port=True)


# --- the same in samples of one packet in ten --------------------------------------------------------------------------------------------------------


def seen(name, severity, lines):
    """An edge of sampled packets."""
    return Edge(name, severity, lines, sampling=10)


def not_seen(name, lines):
    """The same table unsampled, of which a rule for samples says nothing."""
    return Edge(name, "", lines)


def probes(n, *, begin=0.0, gap=1.0, first=0, port=8443, protocol="tcp", flags="S", sport=25_000, src=OWN, octets=60, to=None, step=0):
    """n sampled packets, each to another host (or to ports that go up by `step` of one host)."""
    return [one(begin + k * gap, src, sport, to or host(first + k), port + k * step, protocol=protocol, flags=flags, octets=octets) for k in range(n)]


def back(n, *, begin=0.0, gap=1.0, first=0, port=8443, protocol="tcp", flags="SA", dport=25_000, to=None):
    return [one(begin + k * gap, to or host(first + k), port, OWN, dport, protocol=protocol, flags=flags) for k in range(n)]


def sampled_bare(count, step, severity) -> Iterator[Edge]:
    """Bare SYN to `count` hosts (or ports, with a step), and of five packets no more than one is another."""
    where = {"to": OUT, "step": 1} if step else {}
    more = {**where, "flags": "A", "begin": 0.5}
    yield seen("enough", severity, probes(count, **where))
    yield not_seen("enough, but unsampled", probes(count, **where))
    yield seen("one less", "", probes(count - 1, **where))
    yield seen("just in time", severity, probes(count, gap=280 / count, **where))
    yield seen("twice as slow", "", probes(count, gap=560 / count, **where))
    quarter = count * 2
    yield seen("four of five are bare", severity, probes(quarter // 4, gap=0.2, **more) + probes(quarter, begin=30, **where))
    yield seen("less than four of five", "", probes(quarter // 4 + 1, gap=0.2, **more) + probes(quarter, gap=0.5, begin=30, **where))
    yield seen("resets do not speak for it", severity, probes(count, gap=0.2, **more | {"flags": "R"}) + probes(count, begin=30, **where))
    yield seen("resets that acknowledge do", "", probes(count, gap=0.2, **more | {"flags": "RA"}) + probes(count, gap=0.5, begin=30, **where))
    yield seen("SYN of answers are not bare", "", probes(count + 9, flags="SA", **where))
    yield seen("what comes in", "", back(count + 9, flags="S", **({"to": OUT} if step else {})))
    yield seen("udp", "", probes(count + 9, protocol="udp", **where))


def address_scan_sampled():
    yield from sampled_bare(10, 0, "medium")
    yield seen("one host", "", probes(30, to=OUT))
    yield seen("a hundred", "high", probes(100))
    yield seen("one less than a hundred", "medium", probes(99))
    yield seen("a hundred, four of five bare", "high", probes(25, flags="A", gap=0.2) + probes(100, begin=10))
    yield seen("a hundred, less than four of five", "", probes(26, flags="A", gap=0.2) + probes(100, begin=10))
    yield seen("acknowledgements to many hosts", "", probes(8, gap=1) + probes(2, first=100, flags="A", begin=20))
    yield seen("other packets beside do not speak for it", "medium", probes(10) + probes(20, gap=0.5, protocol="udp"))


def port_scan_sampled():
    yield from sampled_bare(10, 1, "medium")
    yield seen("two to a port", "medium", probes(10, to=OUT, step=1) + probes(10, to=OUT, step=1, begin=0.5))
    yield seen("more than two to a port", "", probes(10, to=OUT, step=1, gap=0.2) + probes(11, to=OUT, gap=0.2) + probes(10, to=OUT, step=1, begin=9))
    yield seen("half to another host", "", probes(9, to=OUT, step=1) + probes(9, to=OUT2, port=9443, step=1))
    yield seen("acknowledgements to many ports", "", probes(8, to=OUT, step=1) + probes(2, to=OUT, port=9000, step=1, flags="A", begin=20))
    yield seen("other packets beside do not speak for it", "medium", probes(10, to=OUT, step=1) + probes(20, to=OUT, gap=0.5, protocol="udp"))


def sip_scan_sampled():
    base = {"protocol": "udp", "port": 5060}
    for port in (5060, 5061):
        yield seen(f"ten on port {port}", "medium", probes(10, **base | {"port": port}))
    yield not_seen("ten, but unsampled", probes(10, **base))
    yield seen("nine", "", probes(9, **base))
    yield seen("one in four answers", "medium", back(3, first=100, gap=0.2, **base) + probes(12, begin=5, **base))
    yield seen("more than one in four", "", back(4, first=100, gap=0.2, **base) + probes(15, begin=5, **base))
    yield seen("just in time", "medium", probes(10, gap=28, **base))
    yield seen("twice as slow", "", probes(10, gap=56, **base))
    yield seen("another port", "", probes(30, port=27015, protocol="udp"))
    yield seen("tcp", "", probes(30, port=5060))
    yield seen("what comes in", "", back(30, **base))
    yield seen("who only answers is not asked", "", back(2, first=100, gap=0.2, **base) + probes(9, begin=5, **base))


def icmp_scan_sampled():
    def pings(n, *, kind=8, protocol="icmp", own=OWN, **more):
        return probes(n, port=kind << 8, protocol=protocol, src=own, sport=0, **more)

    def pongs(n, *, kind=0, protocol="icmp", own=OWN, gap=0.2, first=300, begin=0.0):
        return [one(begin + k * gap, host(first + k), 0, own, kind << 8, protocol=protocol) for k in range(n)]

    v6 = {"protocol": "icmp6"}
    for name, ask, answer, more in (("IPv4", 8, 0, {}), ("IPv6", 128, 129, v6)):
        yield seen(f"twenty of {name}", "medium", pings(20, kind=ask, **more))
        yield not_seen(f"twenty of {name}, but unsampled", pings(20, kind=ask, **more))
        yield seen(f"nineteen of {name}", "", pings(19, kind=ask, **more))
        yield seen(f"half answer, {name}", "medium", pongs(10, kind=answer, **more) + pings(20, kind=ask, begin=5, **more))
        yield seen(f"more than half answer, {name}", "", pongs(13, kind=answer, **more) + pings(24, kind=ask, begin=5, **more))
        yield seen(f"other kinds, {name}", "", pings(40, kind=ask + 3, **more))
        yield seen(f"other kinds that come in, {name}", "medium", pongs(40, kind=answer + 3, **more) + pings(20, kind=ask, begin=20, **more))
        yield seen(f"questions that come in, {name}", "medium", pongs(40, kind=ask, **more) + pings(20, kind=ask, begin=20, **more))
        yield seen(f"answers that go out, {name}", "", pings(40, kind=answer, **more))
        yield seen(f"answers to us, {name}", "", pongs(40, kind=answer, **more))
    yield seen("kinds of the other family", "", pings(40, kind=128) + pings(40, kind=8, begin=0.5, **v6))
    yield seen("answers of the other family", "medium", pongs(40, kind=129) + pongs(40, kind=0, begin=0.1, **v6) + pings(20, begin=20))
    yield seen("two to a host", "medium", pings(20) + pings(20, begin=0.5))
    yield seen("more than two to a host", "", pings(20, gap=0.2) + pings(21, to=OUT, gap=0.2) + pings(20, begin=20, gap=0.2))
    yield seen("just in time", "medium", pings(20, gap=14))
    yield seen("twice as slow", "", pings(20, gap=28))
    yield seen("udp", "", probes(40, port=8 << 8, protocol="udp"))
    yield seen("who only answers is not asked", "", pongs(2) + pings(19, begin=5))


def udp_address_scan_sampled():
    base = {"protocol": "udp", "port": 27015}
    yield seen("twenty", "medium", probes(20, **base))
    yield not_seen("twenty, but unsampled", probes(20, **base))
    yield seen("nineteen", "", probes(19, **base))
    yield seen("one in eight answers", "medium", back(3, first=100, gap=0.2, **base) + probes(24, begin=5, **base))
    yield seen("more than one in eight", "", back(4, first=100, gap=0.2, **base) + probes(31, begin=5, **base))
    yield seen("who only answers is not asked", "", back(2, first=100, gap=0.2, **base) + probes(19, begin=5, **base))
    yield seen("two to a host", "medium", probes(20, **base) + probes(20, begin=0.5, **base))
    yield seen("more than two to a host", "", probes(20, gap=0.2, **base) + probes(21, to=OUT, gap=0.2, **base) + probes(20, begin=20, gap=0.2, **base))
    yield seen("just in time", "medium", probes(20, gap=14, **base))
    yield seen("twice as slow", "", probes(20, gap=28, **base))
    yield seen("half on another port", "", probes(19, **base) + probes(19, first=100, **base | {"port": 27016}))
    yield seen("from port 1024", "medium", probes(20, sport=1024, **base))
    yield seen("from port 1023", "", probes(40, sport=1023, **base))
    yield seen("tcp", "", probes(40, port=27015))
    yield seen("what comes in", "", back(40, **base))
    for port in (53, 123, 443, 5060, 5061):
        yield seen(f"port {port}", "", probes(40, protocol="udp", port=port))


def stealth_scan_sampled():
    def ports(n, *, gap=1.0, first=100, to=OUT, octets=60, packets=1, sport=40_000, begin=0.0, flags="F", protocol="tcp", step=1):
        return [one(begin + k * gap, OWN, sport, to, first + k * step, packets=packets, octets=octets * packets, flags=flags, protocol=protocol) for k in range(n)]

    for name, more in (("FIN", {}), ("nothing", {"flags": "."}), ("ACK", {"flags": "A"}), ("UDP", {"protocol": "udp"}), ("SYN", {"flags": "S"})):
        yield seen(f"twelve of {name}", "medium", ports(12, **more))
    yield not_seen("twelve, but unsampled", ports(12))
    yield seen("eleven", "", ports(11))
    yield seen("six of each protocol", "medium", ports(6) + ports(6, protocol="udp"))
    yield seen("answers and data", "", ports(24, flags="SA") + ports(24, flags="PA", first=300))
    yield seen("two to a port", "medium", ports(12) + ports(12, begin=0.5))
    yield seen("more than two to a port", "", ports(12, gap=0.2) + ports(13, gap=0.2, step=0) + ports(12, begin=9, gap=0.2))
    yield seen("120 bytes", "medium", ports(12, octets=120))
    yield seen("121 bytes", "", ports(24, octets=121))
    yield seen("120 bytes a packet", "medium", ports(12, octets=120, packets=2))
    yield seen("from port 1024", "medium", ports(12, sport=1024))
    yield seen("from port 1023", "", ports(24, sport=1023))
    yield seen("up to port 1023", "medium", ports(12, first=1012))
    yield seen("ports above", "", ports(24, first=1024))
    yield seen("just in time", "medium", ports(12, gap=24))
    yield seen("twice as slow", "", ports(12, gap=48))
    yield seen("half to another host", "", ports(11) + ports(11, to=OUT2, first=300))
    yield seen("another protocol", "", ports(24, protocol="icmp"))
    yield seen("what comes in", "", [one(k, OUT, 100 + k, OWN, 40_000, flags="F") for k in range(24)] + [one(k, OUT, 40_000, OWN, 100 + k, flags="F") for k in range(24)])


def smtp_spam_sampled():
    def mails(n, *, port=25, flags="A", octets=100, first=0, gap=10.0, packets=1, begin=0.0, sport=20_000, protocol="tcp", opened=8):
        sent = [one(begin + k * gap, OWN, sport + k, host(first + k), port, packets=packets, octets=octets * packets, flags=flags, protocol=protocol) for k in range(n)]
        return sent + [one(begin + (n - 1) * gap + k / 100, OWN, 58_000 + k, host(first + k), port, protocol=protocol) for k in range(opened)]

    def received(n, *, port=25, flags="A", first=300):
        return [one(k, host(first + k), 50_000, OWN, port, flags=flags) for k in range(n)]

    for port in (25, 465, 587):
        yield seen(f"ten on port {port}", "medium", mails(10, port=port))
    yield not_seen("ten, but unsampled", mails(10))
    yield seen("nine", "", mails(9))
    yield seen("seven opened", "", mails(10, opened=7))
    yield seen("one packet in ten opens", "medium", mails(72, gap=2))
    yield seen("fewer open", "", mails(73, gap=2))
    yield seen("four send to it", "medium", received(4) + mails(40, gap=5, begin=30))
    yield seen("five send to it", "", received(5) + mails(50, gap=5, begin=30))
    yield seen("who opens sessions with it does not open them", "", mails(10, opened=4) + [one(90 + k / 100, host(k), 50_000, OWN, 25) for k in range(8)])
    yield seen("resets are not counted", "medium", mails(10) + [one(k / 2, OWN, 30_000 + k, OUT, 25, flags="R") for k in range(90)])
    yield seen("what a mail server answers is not counted", "medium", mails(10) + [one(k / 2, OWN, 25, host(300), 50_000 + k, flags="A") for k in range(90)])
    yield seen("what comes in is not counted", "medium", mails(10) + [one(k / 2, host(300), 50_000 + k, OWN, 25, flags="A") for k in range(90)])
    yield seen("just in time", "medium", mails(10, gap=55))
    yield seen("twice as slow", "", mails(10, gap=115))
    yield seen("99 bytes", "", mails(20, octets=99))
    yield seen("100 bytes a packet", "medium", mails(10, packets=2))
    yield seen("99 bytes a packet", "", mails(20, octets=99, packets=2))
    yield seen("never acknowledged", "", mails(20, flags="S"))
    yield seen("refusals", "", mails(20, flags="RA"))
    yield seen("another port", "", mails(20, port=2525))
    yield seen("udp", "", mails(20, protocol="udp"))
    yield seen("who sends to it", "", received(2) + mails(16, gap=5, begin=30))
    yield seen("one in nine sends to it", "medium", received(1) + mails(10, gap=5, begin=30))
    yield seen("on another port", "medium", received(9, port=80) + mails(10, gap=5, begin=30))
    yield seen("refused", "medium", received(9, flags="RA") + mails(10, gap=5, begin=30))
    yield seen("tries only", "medium", received(9, flags="S") + mails(10, gap=5, begin=30))
    yield seen("answers come in, no mail goes out", "", [one(k, host(k), 25, OWN, 20_000 + k, flags="A", octets=200) for k in range(20)] + mails(2))
    yield seen("what is received over submission", "", [one(k, host(k), 50_000, OWN, 25, flags="A", octets=200) for k in range(30)])
    yield seen("mail servers that answer do not send", "medium", [one(k, host(k), 25, OWN, 20_000 + k, flags="A") for k in range(10)] + mails(10, begin=20, gap=5))
    yield seen("udp with marks", "", [line.replace("udp 1 100 .", "udp 1 100 A").replace("udp 1 60 .", "udp 1 60 S") for line in mails(20, protocol="udp")])
    yield seen("a mail server's answers", "", [one(k, OWN, 25, host(k), 50_000, flags="A", octets=200) for k in range(20)])
    yield seen("who sends to it is no server it sends to", "", [one(0, host(300), 50000, OWN, 25, flags="A", octets=200), *mails(9, gap=5, begin=30)])


def syn_flood_half_open_sampled():
    def opened(n, *, packets=1, ports=1, to=OUT, begin=0.0, gap=0.2, flags="S", protocol="tcp", src=OWN):
        return [one(begin + k * gap, src, 20_000 + k, to, 80 + k % ports, packets=packets, flags=flags, protocol=protocol) for k in range(n)]

    yield seen("as many as prove it", "high", opened(105))
    yield not_seen("as many, but unsampled", opened(105) + opened(700, gap=0.05))
    yield seen("too few to prove it", "", opened(80))
    yield seen("twenty records", "high", opened(20, packets=6, gap=2))
    yield seen("nineteen records", "", opened(19, packets=8, gap=2))
    yield seen("four of five are bare", "high", opened(30, flags="A", gap=0.7) + opened(120))
    yield seen("less than four of five", "", opened(31, flags="A", gap=0.7) + opened(120))
    yield seen("resets do not speak for it", "high", opened(60, flags="R", gap=0.1) + opened(105, begin=10))
    yield seen("sixteen ports", "high", opened(112, ports=16))
    yield seen("seventeen ports", "", opened(150, ports=17))
    yield seen("nearly a minute", "high", opened(105, gap=0.55))
    yield seen("nearly two minutes", "", opened(105, gap=1.1))
    yield seen("half to another host", "", opened(75) + opened(75, to=OUT2))
    yield seen("answers", "", opened(200, flags="SA"))
    yield seen("acknowledgements", "", opened(200, flags="A"))
    yield seen("answers weigh nothing", "", opened(80, gap=0.2) + opened(15, packets=30, flags="SA", begin=0.1))
    yield seen("udp", "", opened(200, protocol="udp"))
    yield seen("what comes in", "", opened(200, src=OUT, to=OWN))
    yield seen("other packets beside do not speak for it", "high", opened(105) + opened(60, protocol="udp", gap=0.3))
    yield seen("odd packets are no openings", "", opened(80) + opened(18, flags="F", gap=0.8))
    yield seen("odd packets speak for it", "", opened(105) + opened(40, flags="F", gap=0.5))
    yield seen("answers speak for it", "", opened(105) + opened(40, flags="SA", gap=0.5))


def http_flood_sampled():
    def asks(n, *, twice=0, again=0, port=80, to=OUT, gap=0.15, flags="A", first=20_000, begin=0.0, protocol="tcp", answers=None):
        lines = [one(begin + k * gap, OWN, first + k % 40_000, to, port, packets=2 if k < twice else 1, flags=flags, protocol=protocol) for k in range(n)]
        lines += [one(begin + (k + 0.5) * gap, OWN, first + k, to, port, packets=1, flags=flags, protocol=protocol) for k in range(again)]
        share = len(lines) // 2 if answers is None else answers
        return lines + [one(begin + k * gap, to, port, OWN, first + k % n, flags="A", protocol=protocol) for k in range(share)]

    yield seen("forty, one each", "high", asks(40))
    yield not_seen("forty, but unsampled", asks(40) + asks(299, gap=0.1))
    yield seen("thirty-nine", "", asks(39))
    yield seen("a quarter as many answers", "high", asks(40, answers=10))
    yield seen("less than a quarter", "", asks(44, answers=10))
    yield seen("forty, one of twenty twice", "high", asks(40, twice=2))
    yield seen("forty, more of them twice", "", asks(45, twice=3))
    yield seen("forty, two more records", "high", asks(40, again=2))
    yield seen("forty, three more records", "", asks(44, again=3))
    yield seen("sixty, six more records", "high", asks(60, again=6))
    yield seen("sixty, seven more records", "", asks(62, again=7))
    yield seen("fifty-nine, five more", "", asks(59, again=5))
    yield seen("sixty, one in ten twice", "high", asks(60, twice=6))
    yield seen("sixty, seven twice", "", asks(62, twice=7))
    yield seen("a hundred and seventy, two in five twice", "high", asks(170, twice=68))
    yield seen("a hundred and seventy, more twice", "", asks(170, twice=69))
    yield seen("a hundred and sixty-nine", "", asks(169, twice=60))
    yield seen("a hundred and seventy, two in five more records", "high", asks(170, again=68))
    yield seen("a hundred and seventy, more records", "", asks(170, again=70))
    yield seen("three hundred of any kind", "high", asks(300, twice=300, answers=80, gap=0.18))
    yield seen("two hundred and ninety-nine", "", asks(299, twice=299, answers=80, gap=0.18))
    yield seen("nearly a minute", "high", asks(40, gap=1.35))
    yield seen("nearly two minutes", "", asks(40, gap=2.7))
    yield seen("half to another port", "", asks(39) + asks(39, port=8080, first=30_000))
    yield seen("half to another host", "", asks(39) + asks(39, to=OUT2, first=30_000))
    yield seen("from low ports", "", asks(200, first=800))
    yield seen("from port 1024 on", "high", asks(40, first=1024))
    yield seen("answers that refuse are answers", "high", asks(40, answers=0) + [one(k / 4, OUT, 80, OWN, 20_000 + k, flags="R") for k in range(20)])
    yield seen("udp with marks", "", [line.replace("60 .", "60 A") for line in asks(90, protocol="udp")])
    yield seen("openings only", "", asks(90, flags="S"))
    yield seen("refusals", "", asks(90, flags="RA"))
    yield seen("udp", "", asks(90, protocol="udp"))
    for port in WEB_NOT:
        yield seen(f"port {port}", "", asks(90, port=port))


def login_attack_sampled():
    def tries(n, *, port=22, to=OUT, gap=10.0, flags="A", first=20_000, begin=0.0, protocol="tcp", answers=None, same=0, octets=60, told=60):
        lines = [one(begin + k * gap, OWN, first + k, to, port, flags=flags, protocol=protocol, octets=octets) for k in range(n)]
        lines += [one(begin + k * gap / 2 + 0.3, OWN, first, to, port, flags=flags, protocol=protocol) for k in range(same)]
        return lines + [one(begin + k * gap / 3 + 0.5, to, port, OWN, first + k % n, flags="A", protocol=protocol, octets=told) for k in range(n // 2 if answers is None else answers)]

    for port in (21, 22, 23, 445, 2222, 3389, 5900, 5985):
        yield seen(f"twenty on port {port}", "high", tries(20, port=port, told=9000))
    for port in (1433, 3306, 5432):
        yield seen(f"twenty on port {port}", "high", tries(20, port=port, told=130, octets=900))
        yield seen(f"more told on port {port}", "", tries(20, port=port, told=131))
    for port in (110, 143, 465, 587, 993, 995):
        mail = {"port": port, "octets": 170, "told": 380, "gap": 5.5}
        yield seen(f"a hundred on port {port}", "high", tries(100, **mail))
        yield seen(f"more told on port {port}", "", tries(110, **mail | {"told": 401}))
    yield seen("ninety-nine of mail", "", tries(99, **mail))
    yield seen("more asked", "", tries(110, **mail | {"octets": 181}))
    yield seen("eight a minute", "", tries(110, **mail | {"gap": 7.5}))
    yield not_seen("twenty, but unsampled", tries(20))
    yield seen("nineteen", "", tries(19))
    yield seen("a quarter as many answers", "high", tries(20, answers=5))
    yield seen("less than a quarter", "", tries(20, answers=4))
    yield seen("the busiest has a fifth", "high", tries(24, same=6, answers=10, gap=5))
    yield seen("the busiest has more", "", tries(24, same=11, answers=10, gap=5))
    yield seen("the pace of a tool", "high", tries(20, gap=39))
    yield seen("the pace of a script", "", tries(20, gap=44))
    yield seen("two bouts in a quarter of an hour", "high", tries(19, gap=4) + tries(19, gap=4, begin=720, first=30_000))
    yield seen("others long before do not slow it", "high", tries(6, gap=4, first=50_000) + tries(20, gap=5, begin=1100))
    yield seen("half to another port", "", tries(19) + tries(19, port=2222, first=30_000))
    yield seen("half to another host", "", tries(19) + tries(19, to=OUT2, first=30_000))
    yield seen("another port", "", tries(40, port=8443))
    yield seen("openings only", "", tries(40, flags="S"))
    yield seen("refusals", "", tries(40, flags="RA"))
    yield seen("udp", "", tries(40, protocol="udp"))
    yield seen("what comes in is no session", "", tries(19, answers=0) + [one(k * 8, OUT, 22, OWN, 40_000 + k, flags="A") for k in range(24)])
    yield seen("answers that refuse are answers", "high", tries(20, answers=0) + [one(k * 9 + 1, OUT, 22, OWN, 20_000 + k, flags="R") for k in range(20)])
    yield seen("udp with marks", "", [line.replace("udp 1 60 .", "udp 1 60 A") for line in tries(40, protocol="udp")])


EDGES = {
    name.replace("_", "-"): make
    for name, make in list(globals().items())
    if callable(make) and name in {
        "ssh_login_attack", "login_attack", "password_spray", "login_storm", "address_scan", "telnet_worm", "sip_scan", "udp_address_scan", "icmp_scan",
        "port_scan", "grid_scan", "random_scan", "random_scan_udp", "protocol_flood", "slow_scan", "syn_flood", "tcp_flood", "udp_flood", "icmp_flood", "carpet_flood", "dns_flood", "dns_flood_packets", "dns_tunnel", "http_flood",
        "slow_http", "syn_flood_half_open", "smtp_spam", "amplification_reflector", "amplification_trigger", "spoofed_source", "address_scan_sampled",
        "port_scan_sampled", "sip_scan_sampled", "icmp_scan_sampled", "udp_address_scan_sampled", "stealth_scan_sampled", "smtp_spam_sampled",
        "syn_flood_half_open_sampled", "http_flood_sampled", "login_attack_sampled",
    }
}  # fmt: skip
"""What makes the tables of each shipped rule."""
