"""What a record costs as rules, own addresses and prefixes grow: processor time from label to decision, in one process, every conversation new.

`python -m benchmarks.growth` prints the table; it takes about two minutes. No clock is waited for, so other work on the machine disturbs it little.
"""

import argparse
import ipaddress
import itertools
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from abusewatch.detect.load import load as load_rules
from abusewatch.inventory import of_prefixes
from abusewatch.inventory.prefixes import Table
from abusewatch.model.address import MAPPED
from abusewatch.pipeline import Pipeline
from abusewatch.windows.order import mix
from benchmarks import stream

ROOT = Path(__file__).resolve().parent.parent
TEN = int(ipaddress.ip_address("10.0.0.0"))
RULES, ADDRESSES, PREFIXES = (1, 10, 30, 100), (1_000, 100_000, 1_000_000), (1_000, 100_000)
PER_SECOND, BATCH = 200_000, 40_000
EPHEMERAL = 16_384
OURS = Table([(ipaddress.ip_network(network), 0) for network in stream.OWN])


@dataclass(frozen=True, slots=True)
class Cost:
    """One line of the table."""

    what: str
    records: int
    secs: float

    @property
    def line(self) -> str:
        return f"{self.what:28} {self.records / self.secs:>12,.0f} {self.secs / self.records * 1e9:>12,.0f}"


def rules(count):
    """The shipped rules, as many as asked for; beyond those, copies under other names."""
    shipped = load_rules([ROOT / "rules"]).rules
    return [replace(rule, id=f"{rule.id}-{turn}" if turn else rule.id) for turn in range(count // len(shipped) + 1) for rule in shipped][:count]


def prefixes(count):
    """Equal parts of 10.0.0.0/8."""
    return [str(n) for n in itertools.islice(ipaddress.ip_network("10.0.0.0/8").subnets(prefixlen_diff=(count - 1).bit_length()), count)]


def spread(batch, addresses):
    """Put our ends anywhere among so many addresses, both directions of a conversation alike; the stream itself has few busy ones."""
    own = OURS.owners(batch.src_hi, batch.src_lo, 4) >= 0
    mixed = mix(batch.src_lo ^ batch.dst_lo) % np.uint64(addresses) + np.uint64(TEN | MAPPED)
    return batch.with_columns(src_lo=np.where(own, mixed, batch.src_lo), dst_lo=np.where(own, batch.dst_lo, mixed))


def cost(what, batches, inventory, chosen, laps):
    """Feed the batches lap after lap, each later and from other ports, and count processor time of the last laps only."""
    pipeline = Pipeline(chosen, inventory, lambda _: None)
    count, secs, span_us = 0, 0.0, sum(map(len, batches)) * 1_000_000 // PER_SECOND
    for lap in range(laps):
        for batch in batches:
            moved = {name: getattr(batch, name) + np.int64(lap * span_us) for name in ("start_us", "end_us")}
            for name in ("src_port", "dst_port"):
                port = getattr(batch, name).astype(np.int64)
                moved[name] = np.where(port < EPHEMERAL, port, EPHEMERAL + (port - EPHEMERAL + lap * 977) % (65_536 - EPHEMERAL)).astype(np.uint16)
            fresh = batch.with_columns(**moved)
            began = time.process_time()
            pipeline.feed(fresh)
            if lap >= laps // 2:
                secs += time.process_time() - began
                count += len(batch)
    return Cost(what, count, secs)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=1_000_000, help="in a lap")
    parser.add_argument("--laps", type=int, default=8, help="of which the second half is counted")
    arguments = parser.parse_args()
    batches = [part.take(slice(k, k + BATCH)) for part in stream.records(arguments.records, per_second=PER_SECOND) for k in range(0, len(part), BATCH)]
    print(f"{'':28} {'records/s':>12} {'ns a record':>12}", flush=True)

    def tell(what, parts, inventory, chosen):
        print(cost(what, parts, inventory, chosen, arguments.laps).line, flush=True)

    for count in RULES:
        tell(f"{count} rules", batches, of_prefixes(stream.OWN), rules(count))
    shipped = load_rules([ROOT / "rules"]).rules
    for count in ADDRESSES:
        tell(f"{count:,} own addresses", [spread(batch, count) for batch in batches], of_prefixes(["10.0.0.0/8"]), shipped)
    spreaded = [spread(batch, 1 << 20) for batch in batches]
    for count in PREFIXES:
        tell(f"{count:,} prefixes", spreaded, of_prefixes(prefixes(count)), shipped)


if __name__ == "__main__":
    main()
