"""What several processes gain: flow records a second from flow batches to the decision, by one process on one core and by workers on several.

`python -m benchmarks.cores [--workers 2] [--cores 0,1] [--seconds 20]`. The same stream as everywhere, round after round with times moved on and other
ephemeral ports, made before the clock runs. Sockets and decoding are left out: `python -m benchmarks --only abusewatch "abusewatch, two cores"` has them.
Prints records a second by the wall clock, processor time of all processes a record, and the ratio. Beside it stands what the machine gives to processes that
share nothing but its caches and memory, one on each core at the same time: more than that, nobody can gain.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np

from abusewatch.detect.load import load
from abusewatch.inventory import of_prefixes
from abusewatch.model.flow import FlowBatch
from abusewatch.pipeline import Pipeline
from abusewatch.shards.crew import Crew
from benchmarks import proc, stream, udp

EPHEMERAL, BATCH = 16_384, 40_000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cores", description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cores", default="0,1", help="for the workers; one process gets the first")
    parser.add_argument("--rate", type=int, default=1_000_000, help="records a second of event time")
    parser.add_argument("--seconds", type=int, default=20, help="of event time")
    parser.add_argument("--rounds", type=int, default=3, help="the best counts: others may use the machine too")
    parser.add_argument("--here", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(run(arguments.here, arguments.rate, arguments.seconds)))
        return
    cores = arguments.cores.split(",")
    best: dict[str, int] = {}
    for _ in range(arguments.rounds):
        _note(best, "one process", _ended([_start(1, cores[:1], arguments)]))
        _note(best, f"{arguments.workers} workers", _ended([_start(arguments.workers, cores, arguments)]))
        _note(best, f"{len(cores)} processes that share nothing", _ended([_start(1, [core], arguments) for core in cores]))
    for name, rate in best.items():
        print(f"{name}: {rate / best['one process']:.2f} times one")


def _start(workers: int, cores: list[str], arguments: argparse.Namespace) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.cores", "--here", str(workers), "--rate", str(arguments.rate), "--seconds", str(arguments.seconds)]
    return subprocess.Popen(["taskset", "-c", ",".join(cores), *command], stdout=subprocess.PIPE, text=True, cwd=udp.ROOT)


def _ended(started: list[subprocess.Popen[str]]) -> list[dict]:
    told = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise RuntimeError("a run has failed, see above")
    return [json.loads(each) for each in told]


def _note(best: dict[str, int], name: str, rows: list[dict]) -> None:
    rate = sum(row["records_per_sec"] for row in rows)
    found = ", ".join(str(row["found"]) for row in rows)
    print(f"{name}: {rate:,} records/s, {sum(row['cpu_ns'] for row in rows) / len(rows):.0f} ns of processor time a record, {found} found", flush=True)
    best[name] = max(best.get(name, 0), rate)


def run(workers: int, rate: int, seconds: int) -> dict:
    """Feed everything as fast as it goes, until all of it is decided."""
    rules, inventory, found = load([udp.ROOT / "rules"]).rules, of_prefixes(stream.OWN), set()
    crew = Crew(rules, inventory, workers) if workers > 1 else None
    spine = Pipeline(
        rules,
        inventory,
        lambda told: found.update((each.finding.rule, each.finding.offender) for each in told),
        decider=crew,
    )
    feed = list(batches(rate, seconds))
    pids = [hand.pid for hand in crew.hands] if crew else []
    before, began = _cpu_secs(pids), time.monotonic()
    for batch in feed:
        spine.feed(batch)
    spine.settle()
    took, cpu = time.monotonic() - began, _cpu_secs(pids) - before
    spine.flush()
    spine.decider.stop()
    records = sum(map(len, feed))
    return {"records_per_sec": round(records / took), "cpu_ns": round(cpu / records * 1e9), "found": len(found)}


def batches(rate: int, seconds: int) -> Iterator[FlowBatch]:
    """Make so many seconds of the stream, in batches as a busy source gives them."""
    base = list(stream.records(rate, per_second=rate))
    for lap in range(seconds):
        for whole in base:
            ports = {name: _moved(getattr(whole, name), lap) for name in ("src_port", "dst_port")}
            times = {name: getattr(whole, name) + np.int64(lap * 1_000_000) for name in ("start_us", "end_us")}
            moved = whole.with_columns(**ports, **times, exporter=np.ones(len(whole), np.uint32))
            yield from (moved.take(slice(at, at + BATCH)) for at in range(0, len(whole), BATCH))


def _moved(port, lap):
    wide = port.astype(np.int64)
    return np.where(wide >= EPHEMERAL, EPHEMERAL + (wide - EPHEMERAL + lap * 977) % (65_536 - EPHEMERAL), wide).astype(
        np.uint16
    )


def _cpu_secs(pids: list[int]) -> float:
    return time.process_time() + sum(map(proc.cpu_secs, pids))


if __name__ == "__main__":
    main()
