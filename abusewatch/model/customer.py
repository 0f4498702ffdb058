"""A customer of the provider, and which way a record went as seen from the provider."""

from datetime import date
from enum import IntEnum
from typing import Literal, get_args

import msgspec

Role = Literal[
    "mail_server", "mass_mailer", "resolver", "dns_authoritative", "ntp_server", "crawler", "monitor", "nat_gateway",
    "vpn_exit", "tor_exit", "proxy", "cdn", "backup", "approved_scanner",
]  # fmt: skip
ROLES: tuple[str, ...] = get_args(Role)


class Customer(msgspec.Struct, frozen=True):
    """One owner of prefixes for a time; `prefixes` are canonical texts, `valid_from` and `valid_to` are inclusive UTC dates or open."""

    id: str
    prefixes: tuple[str, ...]
    contacts: tuple[str, ...] = ()
    language: str = "en"
    roles: tuple[str, ...] = ()
    valid_from: date | None = None
    valid_to: date | None = None


class Direction(IntEnum):
    """Where a record went: decided by whose addresses its two ends are."""

    TRANSIT = 0  # neither end is ours
    OUTBOUND = 1  # our source, foreign destination
    INBOUND = 2  # foreign source, our destination
    INTERNAL = 3  # both ours
    SPOOFED = 4  # foreign source that entered through a customer's port (BCP 38)
