"""Packets a second from a capture file: this project with and without its compiled kernels, beside the programs of others, in one run.

    python -m benchmarks.capture [PACKETS]

The capture is a provider's edge (`packets.py`), five million frames cut at 128 octets; a second one, of conversations ten times as long, shows how a replay
depends on them: reading costs by packet, the rules cost by flow record. All times are processor time of one core, user and system, the best of some runs. tcpdump only copies, capinfos only counts; dpkt reads headers; nfstream (`pip install nfstream`) and argus (Debian argus-server) make flows.
Programs that are not installed are left out.
"""

import importlib.util
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile

from benchmarks import packets

PACKETS = 5_000_000
FEW = 50_000
"""Packets for those that take more than five microseconds for one."""
LONG = 10 * packets.FLOWS_EACH

OURS = """
import resource, sys, time
from abusewatch import inventory
from abusewatch.cli.inputs import Inputs
from abusewatch.cli.judge import judge, taken
from abusewatch.config.assemble import rule_set
from abusewatch.sources.files import open_flows
from abusewatch.wire.datagrams import FlowDecoder
path, what, own = sys.argv[1], sys.argv[2], sys.argv[3:]
rules, _ = rule_set(None, (), [])
def batches():
    return sum(len(batch) for batch in open_flows(path, FlowDecoder).batches())
def flows():
    return sum(len(batch) for batch in open_flows(path, FlowDecoder).flows())
def replay():
    return judge(taken(Inputs([path])), rules, inventory.of_prefixes(own)).records
best = 1e9
for _ in range(4):
    begun = time.process_time()
    done = {"batches": batches, "flows": flows, "replay": replay}[what]()
    best = min(best, time.process_time() - begun)
print(best, done, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""

DPKT = """
import sys, time, dpkt
begun, done = time.process_time(), 0
with open(sys.argv[1], "rb") as file:
    for _, data in dpkt.pcap.Reader(file):
        packet = dpkt.ethernet.Ethernet(data)
        inner = packet.data
        _ = inner.src, inner.dst, getattr(inner.data, "sport", 0), getattr(inner.data, "dport", 0)
print(time.process_time() - begun)
"""

NFSTREAM = """
import sys
from nfstream import NFStreamer
sum(1 for _ in NFStreamer(source=sys.argv[1], statistical_analysis=False, n_dissections=0, n_meters=1))
"""


def child(command, **environment):
    """Run a program; its output, and the processor time of it and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ | environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def ours(path, what, compiled):
    out, _ = child([sys.executable, "-c", OURS, path, what, packets.OWN4, packets.OWN6], ABUSEWATCH_COMPILED="yes" if compiled else "no")
    secs, done, memory = out.split()
    return float(secs), int(done), int(memory)


def peers(path, few):
    """Name, command, and the file it reads; what the command prints is its time, or else its own."""
    if shutil.which("tcpdump"):
        yield "tcpdump -w /dev/null (copies)", ["tcpdump", "-r", path, "-w", "/dev/null"], path
    if shutil.which("capinfos"):
        yield "capinfos -c (counts)", ["capinfos", "-c", path], path
    if importlib.util.find_spec("dpkt"):
        yield "dpkt, Ethernet() of each", [sys.executable, "-c", DPKT, few], few
    argus = shutil.which("argus", path=os.environ["PATH"] + ":/usr/sbin")
    if argus:
        yield "argus (flows)", [argus, "-X", "-F", "/dev/null", "-r", path, "-w", "/dev/null"], path
    nfstream = os.environ.get("NFSTREAM_PYTHON", sys.executable)
    if subprocess.run([nfstream, "-c", "import nfstream"], capture_output=True, check=False).returncode == 0:
        yield "nfstream (flows)", [nfstream, "-c", NFSTREAM, few], few


def say(name, count, secs):
    print(f"{name:42s} {count:>9,d} packets  {secs / count * 1e9:8.0f} ns a packet  {count / secs / 1e6:7.3f} M packets/s", flush=True)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else PACKETS
    measured, memory = {}, 0
    with tempfile.TemporaryDirectory() as folder:
        path, few, long = (pathlib.Path(folder, f"{name}.pcap") for name in ("snap128", "few", "long"))
        packets.write(path, count)
        packets.write(few, min(count, FEW))
        packets.write(long, count, each=LONG)
        print(f"capture: {path.stat().st_size / 1e6:.0f} MB")
        for what, name in (("batches", "headers to columns"), ("flows", "to flow records"), ("replay", "replay with all rules")):
            for compiled in (True, False):
                secs, done, peak = ours(path, what, compiled)
                memory = max(memory, peak)
                measured[what, compiled] = secs / count
                say(f"abusewatch, {name}, {'compiled' if compiled else 'numpy'}", count, secs)
                if what == "flows" and compiled:
                    print(f"flow records: {done:,}, one of {count / done:.1f} packets")
        secs, done, _ = ours(long, "replay", compiled=True)
        say("abusewatch, replay, long conversations", count, secs)
        print(f"flow records: {done:,}, one of {count / done:.1f} packets")
        for name, command, file in peers(path, few):
            out, secs = min((child(command) for _ in range(2 if file is few else 3)), key=lambda found: found[1])
            if name.startswith("dpkt"):
                secs = float(out)
            number = count if file is path else min(count, FEW)
            say(name, number, secs)
            measured[name] = secs / number
        print("times as fast as           " + "".join(f"{n:>18s}" for n in ("headers", "flows", "replay")))
        for name in [n for n in measured if isinstance(n, str)]:
            print(f"  {name:34s}" + "".join(f"{measured[name] / measured[what, True]:17.1f}x" for what in ("batches", "flows", "replay")))
    print(f"peak memory of abusewatch: {memory} MB")


if __name__ == "__main__":
    main()
