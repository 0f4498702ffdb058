"""Two findings are one act when a machine did the same to the same services at the same time."""

import pytest

from abusewatch.incidents.acts import PAUSE_US, one_act
from tests.cases import SECOND, T0, detection, target

HOSTS = [f"203.0.113.{n}" for n in range(1, 21)]
SCAN = detection(HOSTS, kind="address_scan")
FLOOD = detection(HOSTS[:1], kind="syn_flood")


@pytest.mark.parametrize(
    "other",
    [
        detection(HOSTS, kind="worm"),
        detection(HOSTS[:2], kind="login_attack"),  # the doors that the scan found open
        detection([target(HOSTS[3], ports=(22, 2222))], kind="login_attack"),
        detection([*HOSTS[10:], *(f"192.0.2.{n}" for n in range(10))], kind="worm"),
        detection(HOSTS, kind="worm", first_us=T0 + 300 * SECOND + PAUSE_US - 1, last_us=T0 + 2 * PAUSE_US),
        detection(HOSTS, kind="worm", first_us=T0 - 9, last_us=T0 + SECOND),
    ],
)
def test_one(other):
    assert one_act(SCAN, other)
    assert one_act(other, SCAN)


@pytest.mark.parametrize(
    "other",
    [
        detection(HOSTS, kind="worm", offender="198.51.100.8"),
        detection(HOSTS, kind="udp_flood", protocol="udp"),
        detection([target(address, ports=(80,)) for address in HOSTS], kind="http_flood"),
        detection(["192.0.2.1", "192.0.2.2"], kind="login_attack"),
        detection([HOSTS[0], *(f"192.0.2.{n}" for n in range(9))], kind="worm"),  # one host in common is chance
        detection(HOSTS, kind="worm", first_us=T0 + 300 * SECOND + PAUSE_US, last_us=T0 + 2 * PAUSE_US),
    ],
)
def test_two(other):
    assert not one_act(SCAN, other)
    assert not one_act(other, SCAN)


def test_a_search_is_one_whatever_it_knocks_with_and_so_is_a_flood():
    pinged = detection([target(a, ports=(2048,)) for a in HOSTS], kind="icmp_scan", protocol="icmp")
    others = [
        detection([target(HOSTS[0], ports=(port,))], kind=kind, protocol=protocol)
        for kind, protocol, port in (("udp_flood", "udp", 9), ("http_flood", "tcp", 80))
    ]
    assert one_act(SCAN, pinged)
    assert all(one_act(FLOOD, one) for one in others)
    assert not any(one_act(SCAN, one) for one in others)  # a flood is no search: there it is the service that counts
    assert not one_act(pinged, detection(HOSTS, kind="login_attack"))


def test_icmp_has_hosts_for_services():
    some = {"protocol": "icmp", "offender": "198.51.100.7"}
    pinged, flooded = (
        detection([target(a, ports=ports) for a in HOSTS], kind=kind, **some)
        for ports, kind in (((), "icmp_scan"), ((2048,), "icmp_flood"))
    )
    assert one_act(pinged, flooded)


def test_behind_a_port_the_forged_sources_are_one_machine():
    forged = {"direction": "spoofed", "basis": "anchored"}
    one, other = (
        detection(HOSTS, offender="192.0.2.1", kind="spoofed_source", **forged),
        detection(HOSTS, offender="192.0.2.2", kind="syn_flood", **forged),
    )
    assert one_act(one, other)
    nobody = [detection(HOSTS, offender=a, customer=None, direction="spoofed") for a in ("192.0.2.1", "192.0.2.2")]
    assert not one_act(*nobody)


def test_findings_without_a_target_are_nobodys_act():
    assert not one_act(detection([]), detection([], kind="worm"))
