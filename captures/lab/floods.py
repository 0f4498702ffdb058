"""Floods beyond the first two."""

from lab import servers
from lab.attacks import OFFENDER, OPERATOR_A, one_customer, silent_victim
from lab.scenario import Expected, scenario
from lab.topology import Lab, v6

VICTIM_6 = "2001:db8:ffff::10"


def flooded(rule: str, port: int | None = None, min_targets: int = 1) -> tuple[Expected, ...]:
    """The finding of a flood."""
    return (Expected(rule, rule.replace("-", "_"), OFFENDER, (port,) if port else (), min_targets),)


@scenario(silent_victim, shows="hping3 sends about 950 large ICMP echo requests a second to one host.", packages=("hping3",), findings=flooded("icmp-flood"))
def icmp_flood(lab: Lab) -> None:
    """Eight thousand echo requests."""
    lab.customers[10].run("hping3", "-q", "-I", "eth0", "--icmp", "-d", 900, "-i", "u1000", "-c", 8000, OPERATOR_A, seconds=30)


@scenario(
    silent_victim,
    shows="hping3 sends about 1,800 ACKs a second, of no connection, to a web server that answers none.",
    packages=("hping3",),
    findings=flooded("tcp-flood", 80),
)
def tcp_flood_ack(lab: Lab) -> None:
    """Eleven thousand ACKs."""
    lab.customers[10].run("hping3", "-q", "-I", "eth0", "-A", "-p", 80, "-i", "u500", "-c", 11500, OPERATOR_A, seconds=30)


@scenario(
    silent_victim,
    shows="hping3 sends about 1,800 packets of protocol 47 (GRE) a second to one host.",
    packages=("hping3",),
    findings=(Expected("protocol-flood", "udp_flood", OFFENDER),),
)
def gre_flood(lab: Lab) -> None:
    """Ten thousand packets, none of which is a tunnel's."""
    lab.customers[10].run("hping3", "-q", "-I", "eth0", "--rawip", "-H", 47, "-d", 512, "-i", "u500", "-c", 10000, OPERATOR_A, seconds=30)


def silent_network(lab: Lab) -> None:
    """A network that has ceased to answer."""
    lab.customer(10)
    lab.silent("203.0.113.0/25", "203.0.113.128/25")


@scenario(
    silent_network,
    shows="hping3 spreads about 1,800 UDP datagrams a second over all hosts of one network: few to each, a flood together.",
    packages=("hping3",),
    findings=flooded("carpet-flood", min_targets=100),
)
def carpet_flood(lab: Lab) -> None:
    """Eleven thousand datagrams, 254 hosts."""
    lab.customers[10].run("hping3", "-q", "-I", "eth0", "--udp", "--rand-dest", "-d", 900, "-p", 53, "-i", "u500", "-c", 11500, "203.0.113.x", seconds=30)


def slow_line_web(lab: Lab, address: str = OPERATOR_A) -> None:
    """A web server, and a customer behind a line slow enough to make the flood last."""
    lab.customer(10, mbit=1)
    servers.nginx(lab, lab.internet, address)


@scenario(
    slow_line_web,
    shows="ab asks one page over and over, twenty connections at once, without keep-alive: about a hundred requests a second.",
    packages=("apache2-utils", "nginx-light"),
    findings=flooded("http-flood", 80),
)
def http_flood(lab: Lab) -> None:
    """Five hundred whole connections."""
    lab.customers[10].run("ab", "-q", "-n", 500, "-c", 20, f"http://{OPERATOR_A}/index.html", seconds=60)


@scenario(
    slow_line_web,
    shows="slowhttptest opens 150 connections and holds each open with a header line every ten seconds (slowloris).",
    packages=("slowhttptest", "nginx-light"),
    findings=flooded("slow-http", 80),
)
def slow_http(lab: Lab) -> None:
    """A minute of holding on."""
    lab.customers[10].run("slowhttptest", "-H", "-c", 150, "-r", 50, "-i", 10, "-l", 60, "-u", f"http://{OPERATOR_A}/", seconds=80)


def limited_name_server(lab: Lab, address: str = OPERATOR_A) -> None:
    """An authoritative server that drops more than 60 queries a second from one address."""
    lab.customer(10)
    config = lab.file(
        "authority.conf",
        f'server:\n interface: {address}\n access-control: ::/0 allow\n access-control: 0.0.0.0/0 allow\n do-daemonize: no\n username: ""\n chroot: ""\n ip-ratelimit: 60\n'
        f' ip-ratelimit-factor: 0\n directory: "{lab.scratch}"\n pidfile: ""\n use-syslog: no\n local-zone: "target.example." static\n',
    )
    lab.internet.start("unbound", "-d", "-c", config)
    servers.listening(lab.internet, address, 53)
    lab.file("names.txt", "".join(f"{(number * 2654435761) % 2**32:08x}.target.example A\n" for number in range(3000)))


@scenario(
    limited_name_server,
    shows="hping3 sends one authoritative server about 300 queries a second, each from another port; most are dropped.",
    packages=("hping3", "unbound"),
    findings=flooded("dns-flood", 53),
    remark="A raw-socket flood as bots send it: every query is a conversation of its own.",
)
def dns_flood(lab: Lab) -> None:
    """Four thousand five hundred queries."""
    query = lab.scratch / "query.bin"
    query.write_bytes(bytes.fromhex("123401000001000000000000") + b"\x08deadbeef\x06target\x07example\0\0\1\0\1")
    lab.customers[10].run("hping3", "-q", "-I", "eth0", "--udp", "-p", 53, "-E", query, "-d", query.stat().st_size, "-i", "u3300", "-c", 4500,
                          OPERATOR_A, seconds=40)  # fmt: skip


@scenario(
    limited_name_server,
    shows="dnsperf asks one authoritative server for 300 random names a second (water torture); most are dropped.",
    packages=("dnsperf", "unbound"),
    findings=(Expected("dns-flood-packets", "dns_flood", OFFENDER, (53,)),),
    remark="All queries leave from one socket: flows show one long conversation, only the packets show three thousand questions.",
)
def dns_flood_one_socket(lab: Lab) -> None:
    """Three thousand names that do not exist."""
    lab.customers[10].run("dnsperf", "-s", OPERATOR_A, "-d", lab.scratch / "names.txt", "-Q", 300, "-q", 2000, "-t", 1, "-n", 1, seconds=40)


def silent_victim_6(lab: Lab) -> None:
    """An IPv6 victim that answers no more."""
    lab.customer(10)
    lab.silent(f"{VICTIM_6}/128")


@scenario(
    silent_victim_6,
    shows="nping sends about 500 SYNs a second over IPv6 to a web server that answers none.",
    packages=("nmap",),
    findings=(Expected("syn-flood", "syn_flood", v6(10), (80,)),),
)
def syn_flood_v6(lab: Lab) -> None:
    """Four thousand five hundred SYNs."""
    nping_6(lab, "--tcp", "--flags", "syn")


@scenario(
    silent_victim_6,
    shows="nping sends about 500 UDP datagrams of 900 bytes a second over IPv6 to one host.",
    packages=("nmap",),
    findings=(Expected("udp-flood", "udp_flood", v6(10), (80,)),),
)
def udp_flood_v6(lab: Lab) -> None:
    """Four thousand five hundred datagrams."""
    nping_6(lab, "--udp", "--data-length", 900)


def nping_6(lab: Lab, *kind: object) -> None:
    """nping counts on one answer a probe; -N lets it go on without."""
    lab.customers[10].run("nping", "-6", "-q2", "-N", *kind, "-g", 40000, "-p", 80, "--rate", 500, "-c", 4500, VICTIM_6, seconds=40)


@scenario(
    one_customer,
    shows="A customer's machine sends a SYN flood with sources of somebody else's network: what BCP 38 filtering should stop.",
    packages=("python3-minimal",),
    findings=(Expected("spoofed-source", "spoofed_source", "", note="The sources are forged; only the port tells the customer."),),
    interface="port10",
    ports={"0#0": 10},
)
def spoofed_source(lab: Lab) -> None:
    """Three thousand forged SYNs."""
    lab.customers[10].run("python3", lab.tools / "forged_syns.py", "192.0.2.0/26", OPERATOR_A, 80, 3000, 300, seconds=40)
