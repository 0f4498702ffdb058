"""A provider in miniature, built of network namespaces: customers behind one edge router, and an "internet" behind its uplink.

Nothing here can reach a real network: the namespaces have no interface but the veth pairs between them, and no address outside the
documentation and benchmark ranges (RFC 5737, RFC 3849, RFC 2544). Leaving the `with` block ends every process started in them and
removes them, whatever happened inside.

    customer 198.51.100.N, 2001:db8:42:N::N --- edge --- internet 203.0.113.0/24, 192.0.2.0/24, 198.18.0.0/15, 2001:db8:ffff::/48
"""

import contextlib
import os
import shlex
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

PROVIDER = ("198.51.100.0/24", "2001:db8:42::/48")
INTERNET = ("203.0.113.0/24", "192.0.2.0/24", "198.18.0.0/15", "2001:db8:ffff::/48")
# Links have no addresses, only fixed neighbours: no ARP or ND in a capture, and no tool takes a link's address for its own.
LINK_MACS = ("02:00:5e:00:53:01", "02:00:5e:00:53:02")
QUIET_KERNEL = {
    "net.ipv4.ip_forward": 1,
    "net.ipv6.conf.all.forwarding": 1,
    "net.ipv4.conf.all.rp_filter": 0,  # forged sources must reach the edge's port: that is what is to be seen
    "net.ipv4.conf.default.rp_filter": 0,
    "net.ipv6.ip_nonlocal_bind": 1,  # a server may take any address of the prefixes, as it may of IPv4's
    "net.ipv6.conf.default.accept_dad": 0,
    "net.ipv6.conf.default.addr_gen_mode": 1,
    "net.ipv6.conf.default.router_solicitations": 0,
}


def sh(*argv: object) -> None:
    """Run one set-up command; its stderr is the error's text."""
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=False, timeout=30)
    if done.returncode:
        raise RuntimeError(f"{shlex.join(map(str, argv))}: {done.stderr.strip() or done.stdout.strip()}")


class Namespace:
    """One network namespace and the processes started in it."""

    def __init__(self, lab: "Lab", role: str) -> None:
        self.lab, self.role, self.name = lab, role, f"{lab.tag}-{role}"

    def create(self) -> None:
        """Make it, with a quiet kernel and loopback up."""
        sh("ip", "netns", "add", self.name)
        self.ip("link", "set", "lo", "up")
        for key, value in QUIET_KERNEL.items():
            sh("ip", "netns", "exec", self.name, "sysctl", "-qw", f"{key}={value}")

    def ip(self, *words: object) -> None:
        """`ip ...` inside."""
        sh("ip", "-n", self.name, *words)

    def names(self, resolver: str, hosts: str = "") -> None:
        """Give programs in here their own /etc/resolv.conf and /etc/hosts (ip-netns(8) mounts /etc/netns/NAME over /etc)."""
        self._files({"resolv.conf": f"nameserver {resolver}\n", "hosts": f"127.0.0.1 localhost\n{hosts}"})

    def account(self, user: str, password: str) -> None:
        """Give programs in here one more user, with a password; the machine's own accounts stay as they are."""
        secret = subprocess.run(["openssl", "passwd", "-6", password], capture_output=True, text=True, check=True, timeout=30).stdout.strip()
        passwd, shadow = Path("/etc/passwd").read_text(), f"root:*:19000::::::\nsshd:*:19000::::::\n{user}:{secret}:19000::::::\n"
        self._files({"passwd": f"{passwd}{user}:x:61010:65534::/tmp:/bin/sh\n", "shadow": shadow})

    def _files(self, texts: dict[str, str]) -> None:
        folder = Path("/etc/netns") / self.name
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).touch(0o600 if name == "shadow" else 0o644)
            (folder / name).write_text(text)

    def start(self, *argv: object, shown: bool = True, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        """Start a program in the namespace; it is killed when the lab closes."""
        words = [str(word) for word in argv]
        if shown:
            self.lab.told.append((self.role, self.lab.public(shlex.join(words))))
        log = (self.lab.scratch / "output.log").open("ab")
        log.write(f"--- {self.role}: {shlex.join(words)}\n".encode())
        log.flush()
        return subprocess.Popen(
            ["ip", "netns", "exec", self.name, *words], stdin=stdin, stdout=log, stderr=log, start_new_session=True
        )

    def run(self, *argv: object, seconds: float = 120, shown: bool = True) -> int:
        """Run a program to its end, or stop it after `seconds`; the exit status is data, many attack tools fail by design."""
        process = self.start(*argv, shown=shown)
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGINT)  # tools print their counters on ^C
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(3)
            os.killpg(process.pid, signal.SIGKILL)
            return process.wait()

    def speak_as(self, address: str) -> None:
        """In the internet's namespace: programs that choose no source address use this one."""
        provider = PROVIDER[":" in address]
        self.ip("addr", "add", f"{address}/{128 if ':' in address else 32}", "dev", "lo")
        self.ip("route", "replace", provider, "via", via(address, 1), "dev", "edge", "onlink", "src", address)

    def join(self, machine: "Namespace", port: str, here: str, there: str) -> None:
        """Connect a machine behind this namespace, which is its router: `here` and `there` are the ends' addresses."""
        sh("ip", "-n", self.name, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", machine.name)
        for namespace, device, address, other in ((self, port, here, there), (machine, "eth0", there, here)):
            namespace.ip("addr", "add", f"{address}/32", "peer", f"{other}/32", "dev", device)
            namespace.ip("link", "set", device, "up")
        machine.ip("route", "add", "default", "via", here, "dev", "eth0", "onlink")

    def destroy(self) -> None:
        """End what runs inside, then remove the namespace."""
        found = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True, check=False)
        for pid in found.stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True, check=False)
        folder = Path("/etc/netns") / self.name
        if folder.is_dir():
            for file in folder.iterdir():
                file.unlink()
            folder.rmdir()


class Lab:
    """The edge, the internet and as many customers as are asked for."""

    tools = Path(__file__).resolve().parent / "tools"

    def __init__(self) -> None:
        self.tag = f"aw{os.getpid()}"
        self.told: list[tuple[str, str]] = []
        self.edge, self.internet = Namespace(self, "edge"), Namespace(self, "internet")
        self.customers: dict[int, Namespace] = {}
        self.behind: dict[int, Namespace] = {}
        """Machines behind a customer's router, by number."""
        self._scratch = tempfile.TemporaryDirectory(prefix="abusewatch-lab-", ignore_cleanup_errors=True)
        self.scratch = Path(self._scratch.name)
        self.scratch.chmod(0o755)  # servers drop to users of their own and must still read their files

    def __enter__(self) -> "Lab":
        try:
            self.edge.create()
            self.internet.create()
            self._uplink()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for namespace in (*self.behind.values(), *self.customers.values(), self.edge, self.internet):
            namespace.destroy()
        self._scratch.cleanup()

    def public(self, text: str) -> str:
        """A command line as the README shows it: without the name of the temporary folder."""
        return text.replace(str(self.scratch), "$LAB").replace(str(self.tools.parent.parent), "captures")

    def file(self, name: str, text: str) -> Path:
        """A configuration or word list in the lab's temporary folder."""
        path = self.scratch / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def _uplink(self) -> None:
        self._veth(self.edge, "uplink", self.internet, "edge")
        self.edge.ip("addr", "add", f"{v4(1)}/32", "dev", "lo")  # the source of the edge's own ICMP errors
        self.edge.ip("addr", "add", f"{v6(1)}/128", "dev", "lo")
        for prefix in INTERNET:
            self.internet.ip("route", "add", "local", prefix, "dev", "lo")  # the kernel answers for every address of it
            self.edge.ip("route", "add", prefix, "via", via(prefix, 2), "dev", "uplink", "onlink")
        for prefix in PROVIDER:
            self.internet.ip("route", "add", prefix, "via", via(prefix, 1), "dev", "edge", "onlink")

    def _veth(self, near: Namespace, near_name: str, far: Namespace, far_name: str) -> None:
        sh("ip", "-n", near.name, "link", "add", near_name, "address", LINK_MACS[0], "type", "veth",
           "peer", "name", far_name, "address", LINK_MACS[1], "netns", far.name)  # fmt: skip
        for side, (namespace, name) in enumerate(((near, near_name), (far, far_name))):
            # Offloading would show frames larger than the wire carries and checksums not yet filled in.
            sh("ip", "netns", "exec", namespace.name, "ethtool", "-K", name, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
            namespace.ip("link", "set", name, "up")
            for family in PROVIDER:
                namespace.ip("neigh", "replace", via(family, 2 - side), "lladdr", LINK_MACS[1 - side], "dev", name, "nud", "permanent")

    def customer(self, number: int, mbit: int | None = None) -> Namespace:
        """Connect customer `number` at 198.51.100.number and 2001:db8:42:number::number, its port shaped to `mbit` if given."""
        customer = self.customers[number] = Namespace(self, f"customer-{number}")
        customer.create()
        port = f"port{number}"
        self._veth(self.edge, port, customer, "eth0")
        for address, length in ((v4(number), 32), (v6(number), 128)):
            customer.ip("addr", "add", f"{address}/{length}", "dev", "eth0")
            default = "0.0.0.0/0" if length == 32 else "::/0"
            customer.ip("route", "add", default, "via", via(address, 1), "dev", "eth0", "onlink", "src", address)
            self.edge.ip("route", "add", f"{address}/{length}", "via", via(address, 2), "dev", port, "onlink")
        if mbit:
            for namespace, device in ((customer, "eth0"), (self.edge, port)):
                sh("tc", "-n", namespace.name, "qdisc", "add", "dev", device, "root", "tbf", "rate", f"{mbit}mbit",
                   "burst", "32k", "latency", "50ms")  # fmt: skip
        return customer

    def silent(self, *prefixes: str) -> None:
        """Nobody lives there: packets to these prefixes of the internet vanish."""
        for prefix in prefixes:
            self.internet.ip("route", "add", "blackhole", prefix, "table", "local")


def v4(number: int) -> str:
    """The customer's IPv4 address."""
    return f"198.51.100.{number}"


def v6(number: int) -> str:
    """The customer's IPv6 address."""
    return f"2001:db8:42:{number}::{number}"


def literal(address: str) -> str:
    """The address as it stands before a port or a path."""
    return f"[{address}]" if ":" in address else address


@dataclass(frozen=True)
class Family:
    """One version of IP: addresses of the lab's actors in it, by number. The internet has four networks, each of `bits` bits."""

    version: int
    everywhere: str
    bits: int
    patterns: tuple[str, str, str, str]

    def own(self, number: int) -> str:
        """The customer's."""
        return v4(number) if self.version == 4 else v6(number)

    def alpha(self, number: int) -> str:
        """In the first network, where servers are."""
        return self.patterns[0].format(number)

    def beta(self, number: int) -> str:
        """In the second, of another operator where the version has several."""
        return self.patterns[1].format(number)

    def gamma(self, number: int) -> str:
        """In a wide one."""
        return self.patterns[2].format(number)

    def delta(self, number: int) -> str:
        """In one beside it."""
        return self.patterns[3].format(number)

    def flag(self) -> tuple[str, ...]:
        """What programs are told that take addresses for IPv4's."""
        return ("-6",) if self.version == 6 else ()

    def network(self, address: str) -> str:
        """The whole network of an address that ends in 0."""
        return f"{address}/{self.bits}"


IPV4 = Family(4, "0.0.0.0", 24, ("203.0.113.{}", "192.0.2.{}", "198.18.0.{}", "198.18.2.{}"))
IPV6 = Family(6, "::", 64, ("2001:db8:ffff:a::{}", "2001:db8:ffff:b::{}", "2001:db8:ffff:c::{}", "2001:db8:ffff:d::{}"))


def via(like: str, side: int) -> str:
    """The next hop's name on side 1 (the provider's side) or 2 of a link, of the family `like` is written in."""
    return f"fe80::{side}" if ":" in like else f"169.254.0.{side}"


def wait(seconds: float) -> None:
    """Let real time pass: the scripted person thinks, the timer polls."""
    time.sleep(seconds)
