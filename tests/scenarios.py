"""Small synthetic attacks and look-alikes as lines of text (`tests.flows`), and what the pipeline makes of them.

Each attack takes the number that its rule counts, so that a test can stand on both sides of the threshold.
"""

from functools import cache
from pathlib import Path

import msgspec

from abusewatch.detect.load import load
from abusewatch.inventory import Inventory
from abusewatch.model.customer import Customer
from abusewatch.pipeline import Pipeline
from tests.flows import flows

OWN = "198.51.100.7"
OUT = "203.0.113.9"
PORT = "3#9"  # an exporter's interface behind which customer C-2 sits


@cache
def shipped():
    return load([Path(__file__).resolve().parent.parent / "rules"]).rules


def inventory(*, roles=()):
    return Inventory(
        [
            Customer("C-1", ("198.51.100.0/28", "2001:db8:42::/48"), roles=tuple(roles)),
            Customer("C-2", ("198.51.100.16/28",)),
        ],
        ports={PORT: "C-2"},
    )


def pipeline(sink, *, roles=(), rules=None, **settings):
    return Pipeline(shipped() if rules is None else rules, inventory(roles=roles), sink, **settings)


def detections(*lines, batch=None, size=None, order=None, roles=(), **settings):
    """The last word on each episode, after all lines (or a batch) went through, `size` records at a time."""
    told = {}
    spine = pipeline(lambda found: told.update({each.episode: each for each in found}), roles=roles, **settings)
    records = flows(*lines) if batch is None else batch
    if order is not None:
        records = records.take(order)
    size = size or len(records)
    for begin in range(0, len(records), size):
        spine.feed(records.take(slice(begin, begin + size)))
    spine.flush()
    return list(told.values())


def rules_of(found):
    return sorted({each.finding.rule for each in found})


def as_bytes(found):
    """Findings with their evidence, byte for byte, in the order of their text."""
    return sorted(msgspec.json.encode(each) for each in found)


def host(n):
    return f"203.0.{113 + n // 250}.{1 + n % 250}"


def ask(at, dst, port, *, src=OWN, sport=None, protocol="tcp"):
    return f"{at} {at} {src}:{sport or 30000 + int(at * 7) % 20000} {dst}:{port} {protocol} 1 60 {'S' if protocol == 'tcp' else '.'}"


def refuse(at, dst, port, *, src=OWN, sport=None):
    sport = sport or 30000 + int(at * 7) % 20000
    return [ask(at, dst, port, src=src, sport=sport), f"{at} {at} {dst}:{port} {src}:{sport} tcp 1 40 RA"]


def session(at, dst, port, *, src=OWN, sport=None, packets=12, seconds=2.0, octets=None):
    sport = sport or 30000 + int(at * 10) % 20000
    octets = octets or packets * 90
    return [
        f"{at} {at + seconds} {src}:{sport} {dst}:{port} tcp {packets} {octets} SPAF",
        f"{at} {at + seconds} {dst}:{port} {src}:{sport} tcp {packets} {packets * 200} SPAF",
    ]


def both(parts):
    return [line for part in parts for line in part]


def address_scan(n, port=8443, src=OWN):
    return [ask(k, host(k), port, src=src) for k in range(n)]


def port_scan(n):
    return [ask(k / 4, OUT, 1000 + k, sport=40000) for k in range(n)]


def icmp_scan(n):
    return [f"{k} {k} {OWN}:0 {host(k)}:2048 icmp 1 84 ." for k in range(n)]


def slow_scan(n):
    return [ask(k * 180, host(k), 8443) for k in range(n)]


def sip_scan(n):
    return [ask(k, host(k), 5060, protocol="udp") for k in range(n)]


def udp_address_scan(n):
    return [ask(k, host(k), 27015, protocol="udp") for k in range(n)]


def telnet_worm(n):
    return [ask(k, host(k), 2323) for k in range(n)]


def login_attack(n, port=3389):
    return both(session(k * 5, OUT, port) for k in range(n))


def ssh_login_attack(n):
    return login_attack(n, 22)


def password_spray(n):
    return both(session(k * 5, host(k % 5), 3389) for k in range(n))


def spread(n, dst, port, protocol, flags, octets=60, src=OWN, sport=40000):
    """n packets to one host within one window of ten seconds, as two records."""
    half = n // 2
    return [f"{at} {at + 4.8} {src}:{sport} {dst}:{port} {protocol} {k} {k * octets} {flags}" for at, k in ((0.1, half), (5.1, n - half))]


def syn_flood(n):
    return spread(n, OUT, 80, "tcp", "S")


def tcp_flood(n):
    return spread(n, OUT, 80, "tcp", "A")


def udp_flood(n):
    return spread(n, OUT, 9999, "udp", ".")


def icmp_flood(n):
    return spread(n, OUT, 2048, "icmp", ".", sport=0)


def carpet_flood(n):
    return both(spread(n // 16 + (n % 16 if k == 0 else 0), host(k), 9999, "udp", ".") for k in range(16))


def dns_flood(n):
    lines = []
    for k in range(n):
        at, dst, sport = round(k * 0.018, 3), host(k % 10), 1024 + k
        lines.append(f"{at} {at} {OWN}:{sport} {dst}:53 udp 1 70 .")
        if k % 4:
            lines.append(f"{at} {at} {dst}:53 {OWN}:{sport} udp 1 140 .")
    return lines


def http_flood(n):
    return both(session(round(k * 0.15, 2), OUT, 80, sport=20000 + k, packets=6, seconds=0.1) for k in range(n))


def slow_http(n):
    return both(session(k / 10, OUT, 80, sport=20000 + k, packets=8, seconds=100, octets=800) for k in range(n))


def smtp_spam(n):
    return [ask(0, host(0), 25), *both(session(k * 10, host(k), 25, packets=14) for k in range(1, n))]


def half_open(n):
    return both([ask(round(k * 0.09, 2), OUT, 443, sport=1024 + k), f"{k * 0.09:.2f} {k * 0.09:.2f} {OUT}:443 {OWN}:{1024 + k} tcp 1 44 SA"] for k in range(n))


def reflector(n):
    return [f"10 20 {OUT}:4444 {OWN}:11211 udp 1000 60000 .", f"10 20 {OWN}:11211 {OUT}:4444 udp 4000 {n} ."]


def trigger(n):
    return [f"{k / 5} {k / 5} 192.0.2.66:4444 {host(k)}:389 udp 2 120 ." for k in range(n)]


RAISES = {
    "address-scan": (address_scan, 20), "port-scan": (port_scan, 20), "icmp-scan": (icmp_scan, 50), "slow-scan": (slow_scan, 60),
    "sip-scan": (sip_scan, 20), "udp-address-scan": (udp_address_scan, 40), "telnet-worm": (telnet_worm, 12),
    "login-attack": (login_attack, 20), "ssh-login-attack": (ssh_login_attack, 20), "password-spray": (password_spray, 60),
    "syn-flood": (syn_flood, 3000), "tcp-flood": (tcp_flood, 10_000), "udp-flood": (udp_flood, 3000), "icmp-flood": (icmp_flood, 3000),
    "carpet-flood": (carpet_flood, 10_000), "dns-flood": (dns_flood, 3000), "http-flood": (http_flood, 300), "slow-http": (slow_http, 100),
    "smtp-spam": (smtp_spam, 10), "syn-flood-half-open": (half_open, 600), "amplification-reflector": (reflector, 3_000_000),
    "amplification-trigger": (trigger, 50),
}  # fmt: skip
