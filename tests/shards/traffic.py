"""Traffic of many customers at once for the tests of shards: the captures of the repository laid over each other, each attacker at an address of its own."""

from functools import cache
from pathlib import Path

import numpy as np

from abusewatch.cli.captures import expectation
from abusewatch.cli.inputs import Inputs
from abusewatch.inventory import Inventory
from abusewatch.model.customer import Customer
from abusewatch.model.flow import concat

CAPTURES = Path(__file__).resolve().parents[2] / "captures"
T0_US = 1_767_571_200_000_000


SIXES = {"address-scan-v6", "amplification-trigger-v6", "benign-monitor-v6", "port-scan-v6", "ssh-login-attack-v6", "syn-flood-v6", "udp-flood-v6"}


def told_apart(folder):
    """Whether a capture is no mere twin over IPv6: shares and explanations ask no address for its family, so a few of those stand for all."""
    return not folder.name.endswith("-v6") or folder.name in SIXES


@cache
def of_captures():
    """All of them (of IPv6 a few) as flow records that begin within a minute of each other, in order of their ends, and the inventory of everybody."""
    parts, customers, ports = [], [], {}
    for n, folder in enumerate(sorted(path.parent for path in CAPTURES.glob("*/expect.toml") if told_apart(path.parent))):
        batch = concat(list(Inputs([str(folder / "capture.pcap")]).flows()))
        shift_us = T0_US + n * 1_234_567 - int(batch.start_us.min())
        known = expectation(folder).inventory
        moved = {
            "start_us": batch.start_us + shift_us,
            "end_us": batch.end_us + shift_us,
            "frame": batch.frame + 100_000 * n,
        }
        ports |= {f"{n + 1}#{port.rpartition('#')[2]}": f"C-{n}" for port in known.ports}
        for end in ("src", "dst"):
            hi, lo = getattr(batch, f"{end}_hi"), getattr(batch, f"{end}_lo")
            ours4, ours6 = (
                (hi == 0) & (lo >> np.uint64(8) == np.uint64(0xFFFF_C633_64)),
                hi >> np.uint64(16) == np.uint64(0x2001_0DB8_0042),
            )
            lo = np.where(ours4, lo - np.uint64(0xC633_6400) + np.uint64(0x0A00_0000 + (n << 8)), lo)
            hi = np.where(ours6, hi + np.uint64(n << 8), hi)
            moved |= {f"{end}_hi": hi, f"{end}_lo": lo}
        parts.append(batch.with_columns(**moved, exporter=np.full(len(batch), n + 1, np.uint32)))
        customers.append(Customer(f"C-{n}", (f"10.{n >> 8}.{n & 255}.0/24", f"2001:db8:42:{n << 8:x}::/56")))
    records = concat(parts)
    return records.take(np.argsort(records.end_us, kind="stable")), Inventory(customers, ports=ports)


def fresh(known):
    """The same inventory with numbers of addresses not yet given out."""
    return Inventory(known.customers, ports=known.ports)
