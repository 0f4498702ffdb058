"""Fuzz the decoders: each target in processes of its own, for a while. Exit 1 when any crashed or was slow, with the input kept in the folder.

`python -m tests.fuzz --seconds 60 --jobs 4 --out fuzz-out [TARGET...]`; with `--cpu` the seconds are those of the processor spent on inputs, start-up left
out, so that a busy machine does not shorten the work. A crash becomes a test by copying its input to tests/fuzz/crashes/TARGET-NAME.
"""

import argparse
import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

MOST_OCTETS, MOST_MB = 8_192, 1_024
MOST_SECS = 5.0
"""Of the processor, on one input, with instrumentation: what takes longer hangs. The fuzzer's own limit is one of the clock, which goes on while it is stopped."""
SLOW_MS = 50
"""Of the processor, on one input, without instrumentation (threats.md, reliability rows 1 to 3)."""
TURN_SECS = 60
"""A child's life. Under atheris numpy-heavy code grows by some 10 KB an input that it does not grow by alone; the corpus goes on in the next."""


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


def run(name, seconds, out, cpu):
    """Fuzz one target in children and say in one line what came of it."""
    (out / name).mkdir(parents=True, exist_ok=True)
    log = out / name / "log"
    began, status, tried, covered, spent = time.monotonic(), 0, 0, 0, 0.0
    while not status:
        left = seconds - (spent if cpu else time.monotonic() - began)
        if left < 1:
            break
        status, used = turn(name, max(int(min(left, TURN_SECS)), 1), out, log)
        spent += used
        text = log.read_text(errors="replace")
        tried += max((int(n) for n in re.findall(r"number_of_executed_units: (\d+)", text)), default=0)
        covered = max([covered, *(int(n) for n in re.findall(r"cov: (\d+)", text))])
        (out / name / "spent").write_text(f"{spent:.0f} s of the processor, {tried} inputs, coverage {covered}\n")
    return name, status, tried, covered, spent, log


def told(outcome, out):
    """Say what came of one target; True when all is well."""
    name, status, tried, covered, spent, log = outcome
    slow = [] if status else too_slow(name, out)
    fault = f"crashed: {log}" if status else "slow: " + ", ".join(slow) if slow else "no crash"
    sys.stdout.write(f"{name:12} {tried:>10} inputs {spent / 60:6.1f} CPU minutes  coverage {covered:>5}  {fault}\n")
    sys.stdout.flush()
    return not status and not slow


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--cpu", action="store_true", help="count seconds of the processor")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("fuzz-out"))
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("target", nargs="*")
    given = parser.parse_args()
    if given.child:
        fuzz(given.target[0], given.seconds, given.out)
    from tests.fuzz.targets import TARGETS

    with ThreadPoolExecutor(given.jobs) as pool:
        outcomes = pool.map(lambda name: run(name, given.seconds, given.out, given.cpu), given.target or TARGETS)
        well = [told(outcome, given.out) for outcome in outcomes]
    return int(not all(well))


if __name__ == "__main__":
    sys.exit(main())
