"""What harmless thing a finding may be: seen in what it measured, or known of the customer. Named in it, and it counts for less.

It never silences: a role that silences a rule stands in the rule's `except`, where a person reads it. Each line speaks of
findings only, so it asks what sets a harmless thing apart from the abuse that the rule is about, not from all else.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from statistics import median
from typing import NamedTuple

from abusewatch.detect.tally import Tally
from abusewatch.model.classes import CLASSES
from abusewatch.model.finding import Target
from abusewatch.model.kinds import KINDS

LOWERED = 0.8
"""What is left of the confidence for a resemblance, and again for a second; a third says nothing more."""
COUNTED = 2
PEERS = frozenset({4001, 4662, 6346, *range(6881, 6890), 7680, 8333, 9735, 18080, 26656, 30303, 51413})
"""IPFS, eMule, Gnutella, BitTorrent, Windows updates, Bitcoin, Lightning, Monero, Cosmos, Ethereum: as in the rules on scans."""
SPEED_TESTS = frozenset({5001, *range(5201, 5210), 8080})
"""iperf, iperf3, Ookla."""
WEB = frozenset({80, 443})
EPHEMERAL = 32_768, 60_999
"""Where one Linux machine takes its source ports from (ip_local_port_range); Windows begins at 49,152."""

SCANS = frozenset({"address_scan", "slow_scan", "sip_scan", "icmp_scan", "port_scan", "worm"})
LOGINS = frozenset({"login_attack", "password_spray"})
STREAMS = frozenset({"udp_flood", "tcp_flood", "carpet_flood"})
REFLECTED = frozenset({"amplification", "udp_flood", "carpet_flood"})
SESSIONS = frozenset({"http_flood", "slow_http", "spam", *LOGINS})
OTHERS_TRAFFIC = SCANS | SESSIONS | STREAMS | {"syn_flood", "dns_flood", "icmp_flood", "beacon", "mining", "dns_tunnel"}

BY_ROLE: Mapping[str, Collection[str]] = {
    "mail_server": {"spam", "dns_flood", "address_scan"},
    "mass_mailer": {"spam", "address_scan"},
    "resolver": {"dns_flood", "dns_tunnel", "amplification"},
    "dns_authoritative": REFLECTED | {"dns_flood"},
    "ntp_server": REFLECTED,
    "crawler": {"address_scan", "slow_scan", "http_flood", "dns_flood"},
    "monitor": SCANS | LOGINS | {"beacon", "http_flood"},
    "nat_gateway": OTHERS_TRAFFIC,
    "vpn_exit": OTHERS_TRAFFIC,
    "tor_exit": OTHERS_TRAFFIC,
    "proxy": OTHERS_TRAFFIC,
    "cdn": STREAMS | {"http_flood"},
    "backup": STREAMS | LOGINS,
    "approved_scanner": SCANS | LOGINS,
}
"""The kinds that a customer with a role may well be taken for."""


class Signs(NamedTuple):
    """What a finding measured, as the lines below read it."""

    kind: str
    tally: Tally
    targets: tuple[Target, ...]
    measures: Mapping[str, float]

    @property
    def seconds(self) -> float:
        """How long it went on."""
        return max((self.tally.last_us - self.tally.first_us) / 1e6, 1.0)

    @property
    def packet_bytes(self) -> float:
        """How large a packet was."""
        return self.tally.bytes / max(self.tally.packets, 1)

    def towards(self, ports: Collection[int]) -> float:
        """Tell the part that went to some ports."""
        return _part(self.tally.target_ports, ports)

    def out_of(self, ports: Collection[int]) -> float:
        """Tell the part that came from some ports of ours."""
        return _part(self.tally.source_ports, ports)


def _part(counted: Mapping[int, int], ports: Collection[int]) -> float:
    return sum(n for port, n in counted.items() if port in ports) / max(sum(counted.values()), 1)


def _meets_peers(s: Signs) -> bool:
    """Peers use ports of their own, or each another high one."""
    high = {port for port in s.tally.target_ports if port >= 1024}
    of_each = s.tally.distinct_targets >= 20 and 2 * len(high) >= s.tally.distinct_targets
    return s.towards(PEERS) >= 0.5 or (s.kind != "port_scan" and of_each and s.towards(high) >= 0.9)


def _comes_back(s: Signs) -> bool:
    """Whoever watches comes back to each as often as to the others; whoever searches goes on."""
    visits = [target.flows for target in s.targets]
    middle = median(visits) if visits else 0
    alike = sum(abs(n - middle) <= 0.2 * middle for n in visits)
    return len(visits) >= 5 and middle >= 3 and alike >= 0.8 * len(visits)


def _many_stacks(s: Signs) -> bool:
    """Completed connections from ports below and above those that one machine uses."""
    ports, (low, high) = s.tally.source_ports, EPHEMERAL
    below = sum(n for port, n in ports.items() if port < low)
    above = sum(n for port, n in ports.items() if port > high)
    return s.tally.answered and len(ports) >= 200 and min(below, above) >= 0.05 * sum(ports.values())


def _polls(s: Signs) -> bool:
    """One or two servers, at a pace that a person could ask for in a configuration: every quarter of a minute at most."""
    return s.towards({22}) >= 0.95 and s.tally.distinct_targets <= 2 and s.seconds >= 600 and s.tally.flows * 15 <= s.seconds


def _measures_speed(s: Signs) -> bool:
    """Full packets to a server or a few, on the ports of the known tests, for as long as anybody watches a needle."""
    few = s.tally.distinct_targets <= 4 and s.seconds <= 60
    return few and s.packet_bytes >= 1000 and s.towards(SPEED_TESTS) >= 0.95


def _uploads(s: Signs) -> bool:
    """Full packets to one service (RFC 9000 is spoken on UDP port 443)."""
    return s.towards({443}) >= 0.95 and s.tally.distinct_targets <= 2 and s.packet_bytes >= 1000


def _is_steady(s: Signs) -> bool:
    """One stream to an even port (RFC 3550 11) at an even pace."""
    (port, *others), mean = s.tally.target_ports or (0,), s.tally.scaled_packets / s.seconds
    one = not others and len(s.tally.source_ports) == 1 and s.tally.distinct_targets == 1
    return one and port >= 1024 and port % 2 == 0 and s.seconds >= 30 and s.tally.peak_packets <= 1.5 * mean


class Behaviour(NamedTuple):
    """A class, the kinds it is taken for, how it shows, and the same in words."""

    name: str
    kinds: Collection[str]
    shows: Callable[[Signs], bool]
    words: str


BEHAVIOURS = (
    Behaviour("p2p", SCANS, _meets_peers, "half of it goes to ports of peer-to-peer networks, or to another high port at nearly every host"),
    Behaviour("crawler", {"address_scan", "slow_scan"}, lambda s: s.tally.answered and s.towards(WEB) >= 0.95, "web ports only, and some answer"),
    Behaviour("monitor", SCANS, _comes_back, "it came back to each host, to four of five equally often"),
    Behaviour("resolver", {"dns_flood"}, lambda s: s.tally.answered and s.tally.distinct_targets >= 20, "twenty name servers or more, and they answer"),
    Behaviour("mass_mailer", {"spam"}, lambda s: s.measures.get("failed", 1) * 10 <= s.measures.get("servers", 0), "nine of ten servers were reached"),
    Behaviour("git_poll", {"login_attack"}, _polls, "SSH to one or two servers, four times a minute at most, for ten minutes or more"),
    Behaviour("backup", LOGINS | {"tcp_flood"}, lambda s: s.tally.bytes >= 1e6 * s.tally.flows, "a megabyte or more in each session"),
    Behaviour("ntp_server", REFLECTED, lambda s: s.out_of({123}) >= 0.9 and s.packet_bytes <= 100, "answers of the size that the time has"),
    Behaviour("dns_authoritative", {"amplification"}, lambda s: s.out_of({53}) >= 0.9 and s.packet_bytes <= 512, "answers of 512 bytes or less"),
    Behaviour("cdn", STREAMS, lambda s: s.out_of(WEB) >= 0.9, "it comes out of a web port"),
    Behaviour("quic_upload", {"udp_flood"}, _uploads, "full packets to UDP port 443 of one or two servers"),
    Behaviour("speed_test", {"udp_flood", "tcp_flood"}, _measures_speed, "full packets to a port of iperf or Ookla, for a minute at most"),
    Behaviour("rtp", {"udp_flood"}, _is_steady, "one stream to one even port, at an even pace for half a minute or more"),
    Behaviour("nat_gateway", SESSIONS, _many_stacks, "completed connections from ports on both sides of those that one machine uses"),
)


def resembles(signs: Signs, roles: Iterable[str]) -> tuple[str, ...]:
    """Name the benign classes that a finding resembles: by what it did, then by the roles of its customer."""
    seen = [one.name for one in BEHAVIOURS if signs.kind in one.kinds and one.shows(signs)]
    known = [role for role in roles if signs.kind in BY_ROLE.get(role, ())]
    return tuple(dict.fromkeys((*seen, *known)))


def lowered(confidence: float, classes: Collection[str]) -> float:
    """Say how sure a rule still is of what may be something harmless."""
    return round(confidence * LOWERED ** min(len(classes), COUNTED), 2) if classes else confidence


def document() -> str:
    """Write docs/look-alikes.md."""
    shown = "".join(f"| {CLASSES[one.name]} | {_kinds(one.kinds)} | {one.words} |\n" for one in BEHAVIOURS)
    known = "".join(f"| `{role}` | {_kinds(kinds)} |\n" for role, kinds in BY_ROLE.items())
    return HEAD + shown + BETWEEN + known + BEYOND


def _kinds(kinds: Collection[str]) -> str:
    return ", ".join(kind for kind in KINDS if kind in kinds)


HEAD = f"""# What else it may be

Written from `abusewatch/detect/resemblance.py`; a test compares the two.

A finding that looks like something harmless says so: `resembles` in its JSON (left out when there is nothing), a line in `replay`, in
the report, and in the notice and the page of the customer, who is asked to tell us. An operator of an attacked network does not read of it: it is not his
to know what the customer runs. For each class, up to {COUNTED}, the rule's `confidence` is multiplied by {LOWERED}; a `[[policy.line]]` with
`least_confidence` can make such findings wait for the desk. Nothing else changes: severity, case and mails are those of any finding,
and no attack falls silent for what it resembles. What silences a rule is a role in its `except` ([rules.md](rules.md)).

## By what it did

| may be | where the kind is | because |
|---|---|---|
"""
BETWEEN = """
## By the roles of the customer

A role in the inventory that does not silence the rule, but explains such traffic.

| role | where the kind is |
|---|---|
"""
BEYOND = """
## What flows cannot tell

These are accused unless their role is known (`abusewatch roles suggest` proposes some) or they are excepted (`abusewatch allow add PREFIX --rule ID`):

- What polls a git server twenty times a minute with an old version of SSH (`ssh-login-attack`): sessions of one size in which the client sends less
  than 5,000 bytes are what tools leave that try passwords. Newer versions of SSH greet each other with more.
- Who knocks at ports of twenty hosts in five minutes (`address-scan`): a knock is a SYN to which nobody answers. That the same hosts answer on another
  port a moment later is another group.
- A Tor exit, a VPN exit, a proxy (every rule): what its users do leaves from its address, so their scan is a scan.
- A VPN exit or a NAT in the first twenty seconds of its work (`address-scan`): who does not answer is known after five seconds, who does when the
  conversation ends, or after a minute. So at first more have failed than have not. A restart of the daemon is no such beginning, as routers go on to
  tell of what ends.
- A tunnel into which traffic is mirrored (ERSPAN), or whose other direction takes another way (`protocol-flood`): nothing comes back.
- A peer-to-peer program with a network stack of its own (`random-scan`): the others repeat after a second what nobody answered.
"""
