"""The highest rate of flow records that a collector takes from a UDP socket without loss, on one core, or on as many as `peers.CORES` says.

A run passes when the kernel dropped nothing, the socket is empty half a second after the last datagram, and the processor time spent, decisions of
all open panes included, is no more than the time it lasted on each core. Rates are doubled, then halved in; the result counts only after a longer run has
confirmed it, long enough that panes close while datagrams arrive.
"""

import json
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import peers, proc, stream

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
COLLECTOR_CORES, SENDER_CORE = (0, 1), 2
LEAST, MOST = 500, 200_000
"""Datagrams a second. The sender itself reaches little more over loopback."""
REFINEMENTS = 3
LONG_REFINEMENTS = 3
SETTLE_SECS = 0.5
STOP_SECS = 10


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one collector at one rate."""

    rate: int
    seconds: float
    datagrams: int
    records: int
    dropped: int
    cpu_secs: float
    rss_mb: int
    settled: bool
    findings: int = 0
    flush_secs: float = 0.0
    delay_p99_ms: float = 0.0
    """How late an asyncio loop in the same process was to do what was due, as the daemon's is (metrics, mail)."""
    cores: int = 1

    @property
    def passed(self) -> bool:
        return not self.dropped and self.settled and self.cpu_secs <= self.cores * self.seconds

    @property
    def per_second(self) -> int:
        return round(self.records / self.seconds)

    @property
    def loss(self) -> float:
        return self.dropped / self.datagrams


def build_sender() -> None:
    BUILD.mkdir(exist_ok=True)
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-o", BUILD / "sender", ROOT / "benchmarks" / "sender.c"], check=True)


def stream_file(form: str, count: int) -> Path:
    path = BUILD / f"{form}-{count}.stream"
    written = [ROOT / "benchmarks" / "stream.py", *ROOT.glob("abusewatch/sources/encode/*.py")]
    if not path.exists() or path.stat().st_mtime < max(each.stat().st_mtime for each in written):
        stream.write(path, form, count)
    return path


def run(name: str, path: Path, rate: int, seconds: float) -> Run:
    """Start the collector, send, see what became of it."""
    cores = peers.CORES.get(name, 1)
    mine = ",".join(map(str, COLLECTOR_CORES[:cores]))
    with tempfile.TemporaryDirectory() as folder, peers.running(name, Path(folder), mine) as collector:
        pid, port = collector.process.pid, collector.port
        before = proc.cpu_secs(pid)
        command = ["taskset", "-c", str(SENDER_CORE), BUILD / "sender", str(port), path, str(rate), str(seconds)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{name}: {done.stderr.strip()}: {Path(folder, 'stderr').read_text()[-500:]}")
        sent = json.loads(done.stdout)
        time.sleep(SETTLE_SECS)
        state = proc.port(port) or proc.Port(1, sent["sent"])  # gone: it died of the load
        cpu, rss = (proc.cpu_secs(pid) - before, proc.peak_rss_mb(pid)) if collector.process.poll() is None else (0.0, 0)
        last = collector.stop(STOP_SECS + seconds)
        ours = json.loads(last) if last.startswith("{") else {}
        settled = not state.waiting and (bool(ours) or not name.startswith("abusewatch"))
        return Run(
            rate, sent["seconds"], sent["sent"], sent["records"], state.drops, ours.get("cpu_secs", cpu + before) - before,
            ours.get("rss_mb", rss), settled and ours.get("lag_secs", 0) < 2 * SETTLE_SECS, ours.get("findings", 0), ours.get("flush_secs", 0.0),
            ours.get("delay_p99_ms", 0.0), cores,
        )  # fmt: skip


def highest(name: str, path: Path, seconds: float, confirm: float, say=print) -> tuple[Run | None, Run | None]:
    """Find the highest rate that passes; give the run that confirmed it and, of those that failed at a higher rate, the lowest."""
    runs: list[Run] = []

    def passes(rate: int, secs: float) -> bool:
        made = run(name, path, rate, secs)
        runs.append(made)
        verdict = "passed" if made.passed else f"lost {made.loss:.2%}" if made.dropped else "fell behind"
        say(f"    {name}: {made.per_second:>9,} records/s for {secs:g} s, {verdict}, cpu {made.cpu_secs / made.seconds:.0%}")
        return made.passed

    rate = _search(passes, seconds)
    while rate >= LEAST and not passes(rate, confirm):
        rate = rate * 9 // 10
    # A short run that lost nothing but was still deciding at its end says little: deciding has fixed costs. Climb by long runs.
    while LEAST <= rate < MOST and not any(r.dropped for r in runs) and passes(rate * 6 // 5, confirm):
        rate = rate * 6 // 5
    # Steps of a tenth and a fifth are coarse beside the difference between two programs.
    for _ in range(LONG_REFINEMENTS if rate >= LEAST else 0):
        failed = (r.rate for r in runs if not r.passed and r.rate > rate and (r.dropped or r.seconds > confirm / 2))
        middle = (rate + min(failed, default=rate)) // 2
        rate = middle if middle > rate and passes(middle, confirm) else rate
    best = next((r for r in reversed(runs) if r.passed and r.rate == rate), None)
    beyond = [r for r in runs if not r.passed and (best is None or r.rate > best.rate)]
    return best, min(beyond, key=lambda r: r.rate, default=None)


def _search(passes, seconds: float) -> int:
    """Find the highest rate that a short run passes, 0 if none."""
    good, bad, rate = 0, 0, 8 * LEAST
    while rate >= LEAST and not (good and bad) and good < MOST:
        if passes(rate, seconds):
            good, rate = rate, min(rate * 2, MOST)
        else:
            bad, rate = rate, rate // 2
    for _ in range(REFINEMENTS if good and bad else 0):
        middle = (good + bad) // 2
        good, bad = (middle, bad) if passes(middle, seconds) else (good, middle)
    return good


def measure(forms: list[str], names: list[str], records: int, seconds: float, confirm: float, say=print) -> list[dict]:
    """Measure every collector with every format; each row is one of both."""
    build_sender()
    rows = []
    for form in forms:
        path = stream_file(form, records)
        for name in names:
            if peers.missing(name):
                say(f"    {name}: not installed (Debian package {peers.DEBIAN[name]})")
                continue
            best, failed = highest(name, path, seconds, confirm, say)
            rows.append({
                "format": form, "collector": name, "records_per_sec": best.per_second if best else 0, "run": asdict(best) if best else None,
                "first_loss": {"records_per_sec": failed.per_second, "loss": failed.loss, "cpu": failed.cpu_secs / failed.seconds} if failed else None,
            })  # fmt: skip
    return rows
