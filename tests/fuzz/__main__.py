"""Fuzz the decoders: each target in a process of its own, for a while. Exit 1 when any crashed, with the input kept in the folder.

`python -m tests.fuzz --seconds 60 --jobs 4 --out fuzz-out [TARGET...]`. A crash becomes a test by copying its input to tests/fuzz/crashes/TARGET-NAME.
"""

import argparse
import hashlib
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

MOST_OCTETS, MOST_SECS, MOST_MB = 8_192, 5, 1_024
TURN_SECS = 60
"""A child's life. Under atheris numpy-heavy code grows by some 10 KB an input that it does not grow by alone; the corpus goes on in the next."""


def fuzz(name, seconds, out):
    """Be the process that fuzzes one target; does not return."""
    import atheris

    with atheris.instrument_imports(include=["abusewatch.wire", "abusewatch.sources"]):
        from tests.fuzz.targets import TARGETS
    target, seeds = TARGETS[name]
    corpus, crashes = out / name / "corpus", out / name / "crashes"
    for folder in (corpus, crashes):
        folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    limits = [f"-max_total_time={seconds}", f"-max_len={MOST_OCTETS}", f"-timeout={MOST_SECS}", f"-rss_limit_mb={MOST_MB}"]
    atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={crashes}/", "-print_final_stats=1", str(corpus)], target)
    atheris.Fuzz()


def run(name, seconds, out):
    """Fuzz one target in children and say in one line what came of it."""
    (out / name).mkdir(parents=True, exist_ok=True)
    log = out / name / "log"
    begun, status, tried, covered = time.monotonic(), 0, 0, 0
    left = seconds
    while left > 0 and not status:
        turn = min(left, TURN_SECS)
        left -= turn
        with log.open("wb") as file:
            command = [sys.executable, "-m", "tests.fuzz", "--child", "--seconds", str(turn), "--out", str(out), name]
            status = subprocess.run(command, stdout=file, stderr=file, timeout=turn * 2 + 120, check=False).returncode
        text = log.read_text(errors="replace")
        tried += max((int(n) for n in re.findall(r"number_of_executed_units: (\d+)", text)), default=0)
        covered = max([covered, *(int(n) for n in re.findall(r"cov: (\d+)", text))])
    outcome = f"crashed: {log}" if status else "no crash"
    sys.stdout.write(f"{name:12} {tried:>10} inputs {time.monotonic() - begun:6.0f} s  coverage {covered:>5}  {outcome}\n")
    sys.stdout.flush()
    return status


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("fuzz-out"))
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("target", nargs="*")
    given = parser.parse_args()
    if given.child:
        fuzz(given.target[0], given.seconds, given.out)
    from tests.fuzz.targets import TARGETS

    with ThreadPoolExecutor(given.jobs) as pool:
        failed = list(pool.map(lambda name: run(name, given.seconds, given.out), given.target or TARGETS))
    return int(any(failed))


if __name__ == "__main__":
    sys.exit(main())
