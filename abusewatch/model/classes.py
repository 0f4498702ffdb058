"""The closed list of benign classes: what honest traffic may be taken for abuse, and what a person calls it.

Most are roles of the inventory (`model.customer`); the others are programs that come and go.
"""

from collections.abc import Iterable

from abusewatch.model.customer import ROLES

CLASSES = {
    "mail_server": "a mail server",
    "mass_mailer": "a newsletter",
    "resolver": "a resolving name server",
    "dns_authoritative": "an authoritative name server",
    "ntp_server": "a public time server",
    "crawler": "a crawler",
    "monitor": "monitoring",
    "nat_gateway": "many machines behind one address (NAT)",
    "vpn_exit": "a VPN exit",
    "tor_exit": "a Tor exit",
    "proxy": "a proxy",
    "cdn": "a content network",
    "backup": "a backup",
    "approved_scanner": "a scanner that we know of",
    "p2p": "a peer-to-peer program",
    "git_poll": "a program that polls a git server",
    "speed_test": "a speed test",
    "quic_upload": "an upload over QUIC",
    "rtp": "voice or video in one direction (RTP)",
}
if not set(ROLES) <= CLASSES.keys():
    raise AssertionError("every role is a benign class")


def named(classes: Iterable[str]) -> str:
    """Name some classes as alternatives: `a backup or a proxy`."""
    return " or ".join(CLASSES.get(name, name) for name in classes)
