"""The programs that are measured: ours, and Debian's flow collectors, each on one processor core with the same socket buffer where it can be asked for.

They do not do the same work. nfcapd stores records. nfacctd adds them up by five-tuple in memory. fastnetmon adds them up by host and bans by volume.
Ours pairs the directions of a conversation and judges all shipped rules.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.proc import wait_for_port
from benchmarks.stream import OWN

ROOT = Path(__file__).resolve().parent.parent
RCVBUF = 4 << 20
"""Debian's net.core.rmem_max is the most that a program gets by asking. Ours forces its default of 64 MiB, as systemd does for it; fastnetmon does not ask."""
DEFAULT = Path("/proc/sys/net/core/rmem_default")
ASKS_NOT = frozenset({"fastnetmon"})
"""Who operates one of these raises the default, or loses every burst; so that is done here while it runs, where we may."""

NFACCTD = """\
daemonize: false
pidfile: {folder}/nfacctd.pid
logfile: {folder}/nfacctd.log
nfacctd_ip: 127.0.0.1
nfacctd_port: {port}
nfacctd_pipe_size: {rcvbuf}
plugins: memory
aggregate: src_host, dst_host, src_port, dst_port, proto
imt_path: {folder}/imt.pipe
imt_buckets: 262147
imt_mem_pools_number: 0
plugin_pipe_size: 67108864
plugin_buffer_size: 65536
"""
FASTNETMON = """\
logging_level = info
logging_local_syslog_logging = off
disable_usage_report = on
enable_ban = on
ban_for_pps = on
ban_for_bandwidth = on
ban_for_flows = on
threshold_pps = 20000
threshold_mbps = 1000
threshold_flows = 3500
networks_list_path = {folder}/networks
white_list_path = {folder}/whitelist
process_incoming_traffic = on
process_outgoing_traffic = on
enable_connection_tracking = on
check_period = 1
average_calculation_time = 5
netflow = on
netflow_port = {port}
netflow_host = 127.0.0.1
notify_script_path = {folder}/none
monitor_local_ip_addresses = off
enable_api = off
prometheus = off
cli_stats_file_path = {folder}/stats
cli_stats_ipv6_file_path = {folder}/stats6
pid_path = {folder}/pid
"""


@dataclass(slots=True)
class Running:
    """A collector that listens."""

    process: subprocess.Popen[str]
    port: int

    def stop(self, secs: float) -> str:
        """Ask it to end; give its last line of output, empty if it had to be killed."""
        self.process.send_signal(signal.SIGTERM)
        try:
            out, _ = self.process.communicate(timeout=secs)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            return ""
        return (out or "").strip().rpartition("\n")[2]


def abusewatch(_: Path, *arguments: str) -> tuple[list[str], int]:
    return [sys.executable, "-m", "benchmarks.collector", *arguments], 0


def two_cores(folder: Path) -> tuple[list[str], int]:
    return abusewatch(folder, "--workers", "2")


def decode_only(folder: Path) -> tuple[list[str], int]:
    return abusewatch(folder, "--decode-only")


def nfcapd(folder: Path) -> tuple[list[str], int]:
    port = _free_port()
    return ["nfcapd", "-p", str(port), "-b", "127.0.0.1", "-w", str(folder), "-B", str(RCVBUF), "-t", "3600"], port


def nfacctd(folder: Path) -> tuple[list[str], int]:
    port = _free_port()
    config = folder / "nfacctd.conf"
    config.write_text(NFACCTD.format(folder=folder, port=port, rcvbuf=RCVBUF))
    return ["nfacctd", "-f", str(config)], port


def fastnetmon(folder: Path) -> tuple[list[str], int]:
    port = _free_port()
    config = folder / "fastnetmon.conf"
    config.write_text(FASTNETMON.format(folder=folder, port=port))
    (folder / "networks").write_text("\n".join(OWN) + "\n")
    (folder / "whitelist").write_text("")
    run = f"fastnetmon --configuration_file {config} --log_file {folder}/log --disable_pid_logic"
    # It writes to /var/log whatever it is told; it gets one of its own, in a mount namespace that ends with it.
    return ["unshare", "--map-root-user", "--mount", "sh", "-c", f"mount -t tmpfs tmpfs /var/log && exec {run}"], port


CONTESTANTS = {
    "abusewatch": abusewatch, "abusewatch, two cores": two_cores, "abusewatch, decoding only": decode_only,
    "nfcapd": nfcapd, "nfacctd": nfacctd, "fastnetmon": fastnetmon,
}  # fmt: skip
CORES = {"abusewatch, two cores": 2}
"""How many cores a program gets, where it is more than one."""
DEBIAN = {"nfcapd": "nfdump", "nfacctd": "pmacct", "fastnetmon": "fastnetmon"}


def missing(name: str) -> bool:
    return name in DEBIAN and not shutil.which(name, path=_path())


@contextlib.contextmanager
def running(name: str, folder: Path, cores: str) -> Iterator[Running]:
    """Start a collector on its cores and wait until it listens; whatever happens, it does not outlive the block."""
    command, port = CONTESTANTS[name](folder)
    with (folder / "stderr").open("w") as errors, _enough_by_default(name):
        process = subprocess.Popen(
            ["taskset", "-c", cores, *command], stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT, env={**os.environ, "PATH": _path()}
        )
        try:
            if not port:
                port = int((process.stdout.readline().split() or ["", "0"])[1])
            if not wait_for_port(port):
                raise RuntimeError(f"{name} does not listen: {(folder / 'stderr').read_text()[-500:]}")
            yield Running(process, port)
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()


@contextlib.contextmanager
def _enough_by_default(name: str) -> Iterator[None]:
    """Give sockets of the meantime the buffer that others ask for."""
    if name not in ASKS_NOT or not os.access(DEFAULT, os.W_OK):
        yield
        return
    before = DEFAULT.read_text()
    try:
        DEFAULT.write_text(str(RCVBUF))
        yield
    finally:
        DEFAULT.write_text(before)


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def _path() -> str:
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
