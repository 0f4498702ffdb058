"""`make bench`: flow records a second from a UDP socket to the decision, packets a second from a capture, peak memory; beside the programs of others;
and what decoding alone costs.

Prints a table and writes build/bench.json. All numbers come from this run on this machine; nothing is quoted.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

from benchmarks import decode, peers, proc, udp

BUILD = udp.BUILD
BAR = 2_500_000
"""NetFlow v9 records a second to the decision on one quiet core: what the project asks of itself."""
ALONE = {
    "live": "Packets a second from an interface",
    "growth": "Cost of a record as things grow, in one process",
    "cores": "What several processes gain, without sockets and decoding",
    "spray": "Forty scanners beside one who sprays ten million conversations",
}
"""Measurements that are programs of their own, and what is said above their lines."""
READER = re.compile(r"^(.+?) +[\d,]+ packets .* ([\d.]+) M packets/s$", re.MULTILINE)
MEMORY = re.compile(r"^peak memory of abusewatch: (\d+) MB$", re.MULTILINE)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--formats", nargs="*", default=["netflow5", "netflow9", "ipfix"])
    parser.add_argument("--only", nargs="*", default=list(peers.CONTESTANTS), help="collectors to measure", metavar="NAME")
    parser.add_argument("--records", type=int, default=1_000_000, help="flow records in the stream that is sent round and round")
    parser.add_argument("--seconds", type=float, default=2.5, help="of a run of the search")
    parser.add_argument("--confirm", type=float, default=20, help="seconds of the run that confirms a result")
    parser.add_argument("--no-capture", action="store_true")
    parser.add_argument("--no-decode", action="store_true")
    for name in ALONE:
        parser.add_argument(f"--no-{name}", action="store_true")
    arguments = parser.parse_args()
    machine = proc.machine()
    print(machine, flush=True)
    rows = udp.measure(arguments.formats, arguments.only, arguments.records, arguments.seconds, arguments.confirm, _say)
    captures = [] if arguments.no_capture else _captures()
    alone = {name: _alone(name) for name in ALONE if not getattr(arguments, f"no_{name}")}
    decoding = [] if arguments.no_decode else _decoding()
    BUILD.mkdir(exist_ok=True)
    Path(BUILD, "bench.json").write_text(json.dumps({"machine": machine, "udp": rows, "captures": captures, **alone, "decoding": decoding}, indent=1) + "\n")
    _print(rows, captures)
    for name, lines in alone.items():
        print(f"\n{ALONE[name]}", *lines, sep="\n")
    if decoding:
        print("", decode.HEADING, *map(decode.line, decoding), sep="\n")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _captures() -> list[dict]:
    """Run benchmarks/capture.py and read its lines."""
    done = subprocess.run([sys.executable, "-m", "benchmarks.capture"], stdout=subprocess.PIPE, text=True, cwd=udp.ROOT, check=False)
    if done.returncode:
        _say("    captures: could not be measured, see above")
    rows = [{"reader": m[1].strip(), "packets_per_sec": round(float(m[2]) * 1e6)} for m in READER.finditer(done.stdout)]
    memory = MEMORY.search(done.stdout)
    return rows + ([{"reader": "abusewatch, peak RSS", "rss_mb": int(memory[1])}] if memory else [])


def _alone(name: str) -> list[str]:
    """Run a measurement in a process of its own and keep its lines."""
    done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], stdout=subprocess.PIPE, text=True, cwd=udp.ROOT, check=False)
    if done.returncode:
        _say(f"    {name}: could not be measured, see above")
    return done.stdout.splitlines()


def _decoding() -> list[dict]:
    """Run benchmarks/decode.py in a process of its own."""
    done = subprocess.run([sys.executable, "-m", "benchmarks.decode", "--json"], stdout=subprocess.PIPE, text=True, cwd=udp.ROOT, check=True)
    return json.loads(done.stdout)


def _print(rows: list[dict], captures: list[dict]) -> None:
    print("\nFlow records a second from a UDP socket on one core, none lost")
    print(f"{'format':10} {'collector':28} {'records/s':>12} {'of ours':>8} {'core':>6} {'peak RSS':>9} {'loop p99':>9}   lowest rate that failed")
    ours = {r["format"]: r["records_per_sec"] for r in rows if r["collector"] == "abusewatch"}
    for row in rows:
        base, run, lost = ours.get(row["format"]), row["run"], row["first_loss"]
        share = f"{row['records_per_sec'] / base:.2f}" if base else "-"
        core, memory = (f"{run['cpu_secs'] / run['seconds']:.0%}", f"{run['rss_mb']} MB") if run else ("-", "-")
        delay = f"{run['delay_p99_ms']:.0f} ms" if run and run["delay_p99_ms"] else "-"
        failure = f"{lost['records_per_sec']:,}/s: lost {lost['loss']:.2%}, core {lost['cpu']:.0%}" if lost else "none up to the sender's limit"
        print(f"{row['format']:10} {row['collector']:28} {row['records_per_sec']:>12,} {share:>8} {core:>6} {memory:>9} {delay:>9}   {failure}")
    for row in rows:
        if row["collector"] == "abusewatch, two cores" and (one := ours.get(row["format"])):
            print(f"two cores, {row['format']}: {row['records_per_sec'] / one:.2f} times one")
    if ours:
        print(f"bar: {BAR:,} records/s of NetFlow v9 to the decision with all rules on; {', '.join(f'{f} {n / BAR:.2f} of it' for f, n in ours.items())}")
    if captures:
        print("\nPackets a second from a capture file")
        for row in captures:
            print(f"{row['reader']:39} {row['packets_per_sec']:>12,}" if "packets_per_sec" in row else f"{row['reader']:39} {row['rss_mb']:>9,} MB")


if __name__ == "__main__":
    main()
