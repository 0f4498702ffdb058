"""Fuzz the decoders: each target in processes of its own, for a while. Exit 1 when any crashed or was slow, with the input kept in the folder.

`python -m tests.fuzz --seconds 60 --jobs 4 --out fuzz-out [TARGET...]`; with `--cpu` the seconds are those of the processor spent on inputs, start-up left
out, so that a busy machine does not shorten the work. The targets take turns, and `--resume` goes on where a run was stopped. A crash becomes a test by
copying its input to tests/fuzz/crashes/TARGET-NAME.
"""

import argparse
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

MOST_OCTETS, MOST_MB = 8_192, 1_024
MOST_SECS = 5.0
"""Of the processor, on one input, with instrumentation: what takes longer hangs. The fuzzer's own limit is one of the clock, which goes on while it is stopped."""
SLOW_MS = 50
"""Of the processor, on one input, without instrumentation (threats.md, reliability rows 1 to 3)."""
TURN_SECS = 60
"""A child's life. Under atheris code grows by up to 10 KB an input that it does not grow by alone; the corpus goes on in the next."""
SWOLLEN_MB = 256
"""Resident memory at most, of a process that decodes one input without instrumentation."""


class HangError(Exception):
    """An input took the processor for longer than any may."""


def hang(_signal, _frame):
    raise HangError(f"{MOST_SECS} s of the processor on one input")


def fuzz(name, seconds, out):
    """Be the process that fuzzes one target; does not return."""
    import atheris

    with atheris.instrument_imports(include=["abusewatch.wire", "abusewatch.sources"]):
        from tests.fuzz.found import found
        from tests.fuzz.targets import CONTROLS, TARGETS
    target, seeds = (TARGETS | CONTROLS)[name]
    corpus, crashes, slow = (out / name / kind for kind in ("corpus", "crashes", "slow"))
    for folder in (corpus, crashes, slow):
        folder.mkdir(parents=True, exist_ok=True)
    for seed in (*seeds, *found().get(name, [])):
        (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    signal.signal(signal.SIGVTALRM, hang)

    def timed(data):
        began = time.process_time()
        signal.setitimer(signal.ITIMER_VIRTUAL, MOST_SECS)
        target(data)
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        if (time.process_time() - began) * 1_000 > SLOW_MS:
            (slow / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)

    limits = [f"-max_total_time={seconds}", f"-max_len={MOST_OCTETS}", "-timeout=86400", f"-rss_limit_mb={MOST_MB}"]
    atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={crashes}/", "-print_final_stats=1", str(corpus)], timed)
    (out / name / "begun").write_text(str(time.process_time()))
    atheris.Fuzz()


def turn(name, seconds, out, log):
    """Let one child fuzz; its exit status and the seconds of the processor it spent on inputs."""
    begun = out / name / "begun"
    begun.unlink(missing_ok=True)
    with log.open("wb") as file:
        child = subprocess.Popen([sys.executable, "-m", "tests.fuzz", "--child", "--seconds", str(seconds), "--out", str(out), name], stdout=file, stderr=file)
        _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    spent = used.ru_utime + used.ru_stime - (float(begun.read_text()) if begun.exists() else 0)
    return child.returncode, max(spent, 0.0)


def too_slow(name, out):
    """Time the inputs that seemed slow once more, without instrumentation; the best of three counts."""
    from tests.fuzz.targets import CONTROLS, TARGETS

    target, _ = (TARGETS | CONTROLS)[name]
    found = []
    for path in sorted((out / name / "slow").glob("*")):
        data, best = path.read_bytes(), MOST_SECS
        for _ in range(3):
            began = time.process_time()
            target(data)
            best = min(best, time.process_time() - began)
        if best * 1_000 > SLOW_MS:
            found.append(f"{path} {best * 1_000:.0f} ms")
        else:
            path.unlink()
    return found


def swells(name, path):
    """Whether the input that a child ran out of memory at needs much of it by itself, without instrumentation."""
    code = f"from tests.fuzz.targets import TARGETS\nTARGETS[{name!r}][0](open({str(path)!r}, 'rb').read())"
    child = subprocess.Popen([sys.executable, "-c", code])
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode != 0 or used.ru_maxrss / 1_024 > SWOLLEN_MB


class Target:
    """How far one target has come: seconds of the processor spent on inputs, seconds of the clock, inputs tried, edges covered."""

    def __init__(self, name, out, *, resume):
        self.name, self.folder = name, out / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log, self.kept = self.folder / "log", self.folder / "progress.json"
        self.done = {"cpu": 0.0, "clock": 0.0, "inputs": 0, "coverage": 0}
        self.status = 0
        if resume and self.kept.exists():
            self.done |= json.loads(self.kept.read_text())

    def take_turn(self, seconds):
        """Let one child fuzz."""
        began = time.monotonic()
        self.status, used = turn(self.name, seconds, self.folder.parent, self.log)
        text = self.log.read_text(errors="replace")
        full = sorted((self.folder / "crashes").glob("oom-*"))
        if self.status and full and not any(swells(self.name, path) for path in full):
            self.status = 0
            for path in full:
                path.unlink()
        self.done["cpu"] += used
        self.done["clock"] += time.monotonic() - began
        self.done["inputs"] += max((int(n) for n in re.findall(r"number_of_executed_units: (\d+)", text)), default=0)
        self.done["coverage"] = max([self.done["coverage"], *(int(n) for n in re.findall(r"cov: (\d+)", text))])
        self.kept.write_text(json.dumps(self.done))

    def told(self):
        """Say in one line what came of it; True when all is well."""
        slow = [] if self.status else too_slow(self.name, self.folder.parent)
        fault = f"crashed: {self.log}" if self.status else "slow: " + ", ".join(slow) if slow else "no crash"
        done = self.done
        sys.stdout.write(f"{self.name:12} {done['inputs']:>10} inputs {done['cpu']:6.0f} s of the processor  coverage {done['coverage']:>5}  {fault}\n")
        sys.stdout.flush()
        return not self.status and not slow


class Rota:
    """Gives each free hand the target that has had least, until all have had their time or have crashed."""

    def __init__(self, targets, seconds, unit):
        self.waiting, self.finished = list(targets), []
        self.seconds, self.unit = seconds, unit
        self.lock = threading.Lock()

    def work(self):
        """Be a hand."""
        while (target := self._next()) is not None:
            left = self.seconds - target.done[self.unit]
            target.take_turn(max(int(min(left, TURN_SECS)), 1))
            with self.lock:
                over = target.status or self.seconds - target.done[self.unit] < 1
                (self.finished if over else self.waiting).append(target)
            if over and not target.told():
                self.failed = True

    failed = False

    def _next(self):
        with self.lock:
            self.waiting.sort(key=lambda target: target.done[self.unit])
            return self.waiting.pop(0) if self.waiting else None


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--cpu", action="store_true", help="count seconds of the processor")
    parser.add_argument("--resume", action="store_true", help="go on where a run that was stopped had come to")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("fuzz-out"))
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("target", nargs="*")
    given = parser.parse_args()
    if given.child:
        fuzz(given.target[0], given.seconds, given.out)
    from tests.fuzz.targets import TARGETS

    targets = [Target(name, given.out, resume=given.resume) for name in given.target or TARGETS]
    rota = Rota(targets, given.seconds, "cpu" if given.cpu else "clock")
    with ThreadPoolExecutor(given.jobs) as pool:
        for hand in [pool.submit(rota.work) for _ in range(given.jobs)]:
            hand.result()
    return int(rota.failed)


if __name__ == "__main__":
    sys.exit(main())
