"""A harmless thing that looks like abuse is named in the finding and costs confidence; the abuse beside it is not, and nothing falls silent."""

from collections import Counter

import numpy as np
import pytest

from abusewatch.detect.resemblance import BEHAVIOURS, BY_ROLE, Signs, document, lowered, resembles
from abusewatch.detect.tally import Tally
from abusewatch.model.classes import CLASSES
from abusewatch.model.customer import ROLES
from abusewatch.model.kinds import KINDS
from tests.cases import SECOND, target

MANY_PORTS = Counter(range(1024, 65_000, 211))
LINUX_PORTS = Counter(range(33_000, 60_000, 100))


def signs(kind, targets=1, *, seconds=60, visits=1, to=None, out_of=None, flows=100, packets=10_000, size=100, answered=False, peak=None, **measures):
    tally = Tally(flows=flows, packets=packets, bytes=packets * size, first_us=0, last_us=seconds * SECOND, answered=answered, scaled_packets=packets)
    tally.target_ports, tally.source_ports = Counter(to or {80: 1}), Counter(out_of or {40_000: 1})
    tally.peak_packets = peak or packets / seconds
    tally._distinct = np.arange(targets, dtype=np.uint64)
    each = tuple(target(f"192.0.{n // 250}.{n % 250}", flows=visits if isinstance(visits, int) else visits[n]) for n in range(targets))
    return Signs(kind, tally, each, measures)


@pytest.mark.parametrize(
    ("seen", "classes"),
    [
        (signs("address_scan", 30, to={51_413: 1}), ("p2p",)),
        (signs("address_scan", 30, to=Counter(range(6000, 7000, 30))), ("p2p",)),
        (signs("address_scan", 30, to={3389: 1}), ()),
        (signs("port_scan", 30, to=Counter(range(6000, 7000, 30))), ()),  # many high ports are what a scan of ports has
        (signs("slow_scan", 80, to={443: 9, 80: 1}, answered=True), ("crawler",)),
        (signs("slow_scan", 80, to={443: 9, 80: 1}), ()),
        (signs("slow_scan", 80, to={22: 1}, answered=True), ()),
        (signs("icmp_scan", 60, visits=12), ("monitor",)),
        (signs("icmp_scan", 60, visits=[1, 9, 40] * 20), ()),
        (signs("address_scan", 60, visits=1), ()),
        (signs("dns_flood", 40, to={53: 1}, answered=True), ("resolver",)),
        (signs("dns_flood", 4, to={53: 1}, answered=True), ()),
        (signs("spam", 40, to={25: 1}, servers=40, failed=2, answered=True), ("mass_mailer",)),
        (signs("spam", 40, to={25: 1}, servers=40, failed=20, answered=True), ()),
        (signs("login_attack", to={22: 1}, seconds=3600, flows=120), ("git_poll",)),
        (signs("login_attack", to={22: 1}, seconds=3600, flows=2400), ()),
        (signs("login_attack", 40, to={22: 1}, seconds=3600, flows=120), ()),
        (signs("password_spray", 8, to={22: 1}, flows=80, packets=800_000, size=1400), ("backup",)),
        (signs("password_spray", 8, to={22: 1}, flows=80, packets=1600), ()),
        (signs("amplification", out_of={123: 1}, size=76), ("ntp_server",)),
        (signs("amplification", out_of={123: 1}, size=468), ()),  # monlist
        (signs("amplification", out_of={53: 1}, size=200), ("dns_authoritative",)),
        (signs("amplification", out_of={53: 1}, size=1400), ()),
        (signs("udp_flood", out_of={443: 1}, to={50_001: 1}), ("cdn",)),
        (signs("udp_flood", to={443: 1}, size=1250), ("quic_upload",)),
        (signs("udp_flood", to={443: 1}, size=60), ()),
        (signs("udp_flood", to={5201: 1}, size=1400, seconds=10), ("speed_test",)),
        (signs("udp_flood", to={5201: 1}, size=1400, seconds=600), ()),
        (signs("udp_flood", to={5201: 1}, size=100, seconds=10), ()),
        (signs("udp_flood", to={30_000: 1}, size=172), ("rtp",)),
        (signs("udp_flood", to={30_001: 1}, size=172), ()),
        (signs("udp_flood", to={30_000: 1}, size=172, peak=2000), ()),
        (signs("udp_flood", to={30_000: 1, 30_002: 1}, size=172), ()),
        (signs("http_flood", to={80: 1}, out_of=MANY_PORTS, answered=True), ("nat_gateway",)),
        (signs("http_flood", to={80: 1}, out_of=LINUX_PORTS, answered=True), ()),
        (signs("http_flood", to={80: 1}, out_of=MANY_PORTS), ()),  # nobody completed anything: ports may be made up
        (signs("syn_flood", to={80: 1}, out_of=MANY_PORTS), ()),
        (signs("worm", 30, to={23: 9, 2323: 1}), ()),
        (signs("udp_flood", 0, to=Counter()), ()),
    ],
)  # fmt: skip
def test_by_what_it_did(seen, classes):
    assert resembles(seen, ()) == classes


def test_by_who_the_customer_is():
    scan = signs("address_scan", 30, to={3389: 1})
    assert resembles(scan, ("tor_exit", "backup", "mail_server")) == ("tor_exit", "mail_server")
    assert resembles(signs("spoofed_source"), ROLES) == ()
    assert resembles(signs("icmp_scan", 60, visits=12), ("monitor",)) == ("monitor",)


def test_every_name_is_known():
    assert set(BY_ROLE) == set(ROLES)
    assert {one.name for one in BEHAVIOURS} | set(BY_ROLE) == CLASSES.keys()
    assert {kind for one in BEHAVIOURS for kind in one.kinds} | {kind for kinds in BY_ROLE.values() for kind in kinds} <= KINDS.keys()


def test_the_page_is_the_tables(root):
    assert (root / "docs/look-alikes.md").read_text() == document()


def test_confidence_is_lower_but_never_gone():
    assert lowered(0.95, ()) == 0.95
    assert lowered(0.95, ("rtp",)) == 0.76
    assert lowered(0.95, ("rtp", "cdn")) == lowered(0.95, ("rtp", "cdn", "backup")) == 0.61
