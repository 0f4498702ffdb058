"""Our side of the measurement: the daemon's path from the socket to the decision, with nothing around it.

UdpSource, FlowDecoder and Pipeline with every shipped rule, as `abusewatch run` wires them; the case side (mail) is left out. Prints READY and the port,
runs until SIGTERM, decides all that is open and prints what it did as JSON.
"""

import argparse
import asyncio
import json
import resource
import signal
import threading
import time
from pathlib import Path

from abusewatch.detect.load import load as load_rules
from abusewatch.inventory import of_prefixes
from abusewatch.pipeline import Pipeline
from abusewatch.service.intake import DATAGRAMS, GATHER_SECS
from abusewatch.shards.crew import Crew
from abusewatch.sources.udp import UdpSettings, UdpSource
from abusewatch.wire.datagrams import FlowDecoder
from benchmarks.stream import OWN

ROOT = Path(__file__).resolve().parent.parent
DUE_SECS = 0.02


class Decide:
    """The whole path; with `decode_only`, up to the flow batches."""

    def __init__(self, *, decode_only: bool, workers: int = 1) -> None:
        self.decoder = FlowDecoder()
        self.found = set()
        self.records = 0
        self.rules = 0
        self.pipeline = None
        if not decode_only:
            loaded = load_rules([ROOT / "rules"])
            self.rules = len(loaded.rules)
            own = of_prefixes(OWN)
            crew = Crew(loaded.rules, own, workers) if workers > 1 else None
            self.pipeline = Pipeline(loaded.rules, own, self._sink, decider=crew)

    def _sink(self, detections) -> None:
        self.found.update((d.finding.rule, d.finding.offender) for d in detections)

    def feed(self, taken) -> None:
        decoded = self.decoder.decode(taken.ring, taken.lengths, taken.exporter, taken.received_us)
        for batch in decoded.batches:
            self.records += len(batch)
            if self.pipeline:
                self.pipeline.feed(batch)

    def finish(self) -> None:
        if self.pipeline:
            self.pipeline.flush()
            self.pipeline.decider.stop()


class Delay(threading.Thread):
    """An asyncio loop beside the work, as the daemon has one for metrics and mail: how late it is to do what is due, in seconds."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.late: list[float] = []

    def run(self) -> None:
        asyncio.run(self._watch())

    async def _watch(self) -> None:
        while True:
            due = time.monotonic() + DUE_SECS
            await asyncio.sleep(DUE_SECS)
            self.late.append(time.monotonic() - due)

    def p99_ms(self) -> float:
        late = sorted(self.late)
        return round(late[len(late) * 99 // 100] * 1e3, 1) if late else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--decode-only", action="store_true")
    parser.add_argument("--rcvbuf", type=int, default=UdpSettings().rcvbuf_bytes)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(time.monotonic()))
    source = UdpSource(UdpSettings(port=0, allow=("127.0.0.1/32",), rcvbuf_bytes=arguments.rcvbuf))
    decide = Decide(decode_only=arguments.decode_only, workers=arguments.workers)
    source.start()
    print("READY", source.addresses[0][1], flush=True)
    delay = Delay()
    first = None
    most_waiting = 0
    while True:
        taken = source.take(DATAGRAMS)
        if taken is None:
            if stopping:
                break
            source.wait(0.1)
            continue
        if first is None:
            first = time.monotonic()
            delay.start()
        most_waiting = max(most_waiting, source.counts().waiting)
        decide.feed(taken)
        source.release(len(taken))
        if len(taken) < DATAGRAMS and not stopping:
            time.sleep(GATHER_SECS)  # as the daemon does
    p99_ms = delay.p99_ms()
    source.stop()
    drained = time.monotonic()
    decide.finish()
    done = time.monotonic()
    counts = source.counts()
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    children = arguments.workers if arguments.workers > 1 else 0
    print(json.dumps({
        "datagrams": counts.received, "kernel_drops": counts.kernel_drops, "unlisted": counts.unlisted, "ring_full": counts.ring_full,
        "most_waiting": most_waiting, "records": decide.records, "rules": decide.rules, "findings": len(decide.found),
        "lag_secs": round(drained - stopping[0], 3), "flush_secs": round(done - drained, 3), "span_secs": round(done - (first or done), 3),
        "delay_p99_ms": p99_ms, "cpu_secs": round(sum(each.ru_utime + each.ru_stime for each in usages), 3),
        "rss_mb": round((usages[0].ru_maxrss + children * usages[1].ru_maxrss) / 1024),
        "late": decide.pipeline.panes.late_rows if decide.pipeline else 0,
    }), flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
