"""What each compiled pass over rows costs beside its twin in numpy, in nanoseconds of processor time a row: `python -m benchmarks.passes`.

The rows are a pane of the stream of `stream.py`. How much that is of the whole, `python -m benchmarks` says with and without ABUSEWATCH_COMPILED=no.
"""

import ipaddress
import time

import numpy as np

from abusewatch.detect import sieve
from abusewatch.detect.views import records
from abusewatch.inventory import of_prefixes, prefixes, slots
from abusewatch.model import rows as r
from abusewatch.usage import meter
from abusewatch.windows import levels, marks, order, pairs
from benchmarks import stream

ROWS, REPEATS = 400_000, 7
SECOND = 1_000_000
MODULES = (prefixes, slots, order, pairs, levels, marks, sieve, meter)


def passes(batch, rows):
    """Each pass by name: what makes it ready, and itself."""
    inventory = of_prefixes(stream.OWN)
    inventory.label(batch)
    whole = rows | {"key": pairs.key_of(rows), "level": np.zeros(r.length(rows), np.uint8)}
    key, last = np.sort(whole["key"]), rows["end_us"]
    slow, now_us = np.zeros(len(key), np.bool_), int(last.max())
    table = prefixes.Table([(ipaddress.ip_network(network), 0) for network in stream.OWN])
    which = levels.Levels(budget=16)
    used = meter.Meter(inventory)
    which.admit(rows["slot"], whole["key"])
    return {
        "whose an IPv4 address is": lambda: table.owners(batch.dst_hi, batch.dst_lo, 4),
        "slot of an own address": lambda: inventory.slots.of(rows["own_hi"], rows["own_lo"]),
        "usage by customer": lambda: used.add(rows, now_us, len(inventory.slots)),
        "key of a conversation": lambda: pairs.key_of(rows),
        "level of a conversation": lambda: which.follows(rows["slot"], whole["key"]),
        "rows to conversations": lambda: pairs.reduced(whole),
        "marks asked": lambda: marks.Marks(20, 60).known(key, last),
        "marks set": lambda: marks.Marks(20, 60).add(key, slow, last, now_us),
        "hash of eight columns": lambda: order.mix(*(rows[name] for name in ("peer_hi", "peer_lo", "own_port", "peer_port", "start_us", "end_us", "bytes", "frame"))),
        "sieve": lambda: sieve.poured(records(rows)),
    }


def least(act, count):
    """Nanoseconds a row, of the quickest run."""
    spent = []
    for _ in range(REPEATS):
        begin = time.process_time()
        act()
        spent.append(time.process_time() - begin)
    return min(spent) / count * 1e9


def main() -> None:
    if order.KERNEL is None:
        raise SystemExit("passes: nothing is compiled here; install with a C compiler at hand")
    batch = next(iter(stream.records(ROWS, per_second=ROWS)))
    rows, _ = of_prefixes(stream.OWN).label(batch)
    compiled = {name: least(act, len(batch)) for name, act in passes(batch, rows).items()}
    for module in MODULES:
        module.KERNEL = None
    plain = {name: least(act, len(batch)) for name, act in passes(batch, rows).items()}
    print(f"{'ns a record':32} {'compiled':>9} {'numpy':>7} {'ratio':>6}")
    for name, ours in compiled.items():
        print(f"{name:32} {ours:9.1f} {plain[name]:7.1f} {plain[name] / ours:6.1f}")


if __name__ == "__main__":
    main()
