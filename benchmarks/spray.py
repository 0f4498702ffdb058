"""One customer sprays bare SYN at random while forty others scan: how many of the scans are found, what is shed, and what it costs.

`python -m benchmarks.spray [--flows 10000000] [--seconds 60]`
"""

import argparse
import resource
import time

import numpy as np

from abusewatch.config.assemble import rule_set
from abusewatch.inventory import of_prefixes
from abusewatch.model.flow import FlowBatch, batch_of, concat
from abusewatch.pipeline import Pipeline

T0 = 1_767_571_200_000_000
V4 = np.uint64(0xFFFF_0000_0000)
OWN = V4 | np.uint64(198 << 24 | 51 << 16 | 100 << 8)
SPRAYER, FIRST_SCANNER, SCANNERS, HOSTS = 66, 100, 40, 30
BATCH = 20_000


def second(number: int, seconds: int, rate: int) -> FlowBatch:
    """What leaves within one second, in order of time."""
    random = np.random.default_rng(number)
    at = T0 + number * 1_000_000 + np.sort(random.integers(0, 1_000_000, rate))
    sprayed = batch_of(
        rate, 4, start_us=at, end_us=at, src_lo=np.full(rate, OWN | np.uint64(SPRAYER)), dst_lo=V4 | random.integers(2**24, 2**31, rate).astype(np.uint64),
        src_port=random.integers(1024, 65_535, rate), dst_port=random.integers(1, 65_535, rate), protocol=np.full(rate, 6), bytes=np.full(rate, 60),
        flags=np.full(rate, 2),
    )  # fmt: skip
    due = [(n, k) for n in range(SCANNERS) for k in range(HOSTS) if k * seconds // HOSTS == number]
    who, which = (np.array(column, np.uint64) for column in zip(*due, strict=True)) if due else (np.zeros(0, np.uint64),) * 2
    now = np.full(len(who), T0 + number * 1_000_000 + 500_000)
    scanned = batch_of(
        len(who), 4, start_us=now, end_us=now, src_lo=OWN | (who + np.uint64(FIRST_SCANNER)), dst_lo=V4 | np.uint64(203 << 24 | 113 << 8) | (which + np.uint64(1)),
        src_port=np.full(len(who), 40_000), dst_port=np.full(len(who), 8443), protocol=np.full(len(who), 6), bytes=np.full(len(who), 60), flags=np.full(len(who), 2),
    )  # fmt: skip
    both = concat([sprayed, scanned])
    return both.take(np.argsort(both.end_us, kind="stable"))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--flows", type=int, default=10_000_000)
    arguments.add_argument("--seconds", type=int, default=60)
    asked = arguments.parse_args()
    told = {}
    spine = Pipeline(rule_set(None, (), [])[0], of_prefixes(["198.51.100.0/24"]), lambda found: told.update({each.episode: each.finding for each in found}))
    spent = 0.0
    for number in range(asked.seconds):
        batch = second(number, asked.seconds, asked.flows // asked.seconds)
        begun = time.process_time()
        for begin in range(0, len(batch), BATCH):
            spine.feed(batch.take(slice(begin, begin + BATCH)))
        spent += time.process_time() - begun
    begun = time.process_time()
    spine.flush()
    spent += time.process_time() - begun
    scanners = {f"198.51.100.{FIRST_SCANNER + n}" for n in range(SCANNERS)}
    found = {finding.offender for finding in told.values() if finding.kind == "address_scan"} & scanners
    accused = {finding.offender for finding in told.values()} - scanners - {f"198.51.100.{SPRAYER}"}
    print(f"{spine.records:,} records, {spent / spine.records * 1e9:.0f} ns of CPU each, peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")
    print(f"scans found {len(found)}/{SCANNERS}; sprayer found: {any(f.offender.endswith(f'.{SPRAYER}') for f in told.values())}; others accused: {len(accused)}")
    levels = spine.decider.conversations.levels.thinned
    print(f"not followed {levels:,}, shed by windows {spine.decider.engine.shed_rows:,}, panes in parts {spine.panes.split_panes}, late {spine.panes.late_rows}")


if __name__ == "__main__":
    main()
