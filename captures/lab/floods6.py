"""Floods, forged sources and spam over IPv6, and water torture as its victims see it."""

from functools import partial

from lab import servers
from lab.attacks import OFFENDER
from lab.floods import VICTIM_6, limited_name_server, silent_victim_6, slow_line_web
from lab.reflectors import VICTIM_6 as REFLECTION_6
from lab.scenario import Expected, scenario
from lab.topology import LINK_MACS, Lab, v6

RESOLVER = "192.0.2.53"


def flooded_6(rule: str, port: int | None = None, min_targets: int = 1) -> tuple[Expected, ...]:
    """The finding of a flood from the customer's IPv6 address."""
    return (Expected(rule, rule.replace("-", "_"), v6(10), (port,) if port else (), min_targets),)


@scenario(
    silent_victim_6,
    shows="nping sends about 500 ICMPv6 echo requests of 900 bytes a second to one host.",
    packages=("nmap",),
    findings=flooded_6("icmp-flood"),
)
def icmp_flood_v6(lab: Lab) -> None:
    """Four thousand five hundred echo requests."""
    lab.customers[10].run("nping", "-6", "-q2", "-N", "-e", "eth0", "-S", v6(10), "--source-mac", LINK_MACS[1], "--dest-mac", LINK_MACS[0], "--icmp",
                          "--icmp-type", 128, "--data-length", 900, "--rate", 500, "-c", 4500, VICTIM_6, seconds=40)  # fmt: skip


@scenario(
    silent_victim_6,
    shows="Three npings side by side send about 2,800 ACKs a second over IPv6, of no connection, to a web server that answers none.",
    packages=("nmap",),
    findings=flooded_6("tcp-flood", 80),
    remark="One nping sends a thousand packets a second at most, or as many as it can.",
)
def tcp_flood_ack_v6(lab: Lab) -> None:
    """Ten and a half thousand ACKs."""
    sent = ("--tcp", "--flags", "ack", "-p", 80, "--rate", 1000, "-c", 3500)
    flooding = [lab.customers[10].start("nping", "-6", "-q2", "-N", *sent, "-g", port, VICTIM_6) for port in (40000, 40001, 40002)]
    for one in flooding:
        one.wait(30)


@scenario(
    partial(slow_line_web, address=VICTIM_6),
    shows="wrk asks one page over and over over IPv6, four connections at once, each closed after its answer: about two hundred requests a second.",
    packages=("wrk", "nginx-light"),
    findings=flooded_6("http-flood", 80),
)
def http_flood_v6(lab: Lab) -> None:
    """Two seconds."""
    lab.customers[10].run(
        "wrk", "-t", 1, "-c", 4, "-d", 2, "-H", "Connection: close", f"http://[{VICTIM_6}]/index.html", seconds=60
    )


@scenario(
    partial(slow_line_web, address=VICTIM_6),
    shows="slowhttptest opens 120 connections over IPv6 and uploads a few bytes at a time on each, every ten seconds (slow body).",
    packages=("slowhttptest", "nginx-light"),
    findings=flooded_6("slow-http", 80),
)
def slow_http_v6(lab: Lab) -> None:
    """Forty seconds of holding on."""
    lab.customers[10].run(
        "slowhttptest",
        "-B",
        "-t",
        "PUT",
        "-c",
        120,
        "-r",
        50,
        "-i",
        10,
        "-l",
        40,
        "-u",
        f"http://[{VICTIM_6}]/in/form",
        seconds=80,
    )


@scenario(
    partial(limited_name_server, address=VICTIM_6),
    shows="dnsperf asks one authoritative server over IPv6 for 300 random names a second (water torture), as fifty clients; most are dropped.",
    packages=("dnsperf", "unbound"),
    findings=(Expected("dns-flood-packets", "dns_flood", v6(10), (53,)),),
)
def dns_flood_v6(lab: Lab) -> None:
    """Three thousand names that do not exist, from fifty sockets."""
    lab.customers[10].run("dnsperf", "-s", VICTIM_6, "-d", lab.scratch / "names.txt", "-Q", 300, "-q", 2000, "-c", 50, "-T", 1, "-t", 1, "-n", 1,
                          seconds=40)  # fmt: skip


def drowning_resolver(lab: Lab) -> None:
    """Somebody's resolver, and the name server it asks, which drops most of what it is asked."""
    limited_name_server(lab)
    config = lab.file(
        "resolver.conf",
        f'server:\n interface: {RESOLVER}\n access-control: 0.0.0.0/0 allow\n do-daemonize: no\n username: ""\n chroot: ""\n'
        f' directory: "{lab.scratch}"\n pidfile: ""\n use-syslog: no\n do-ip6: no\n module-config: "iterator"\n local-zone: "example." nodefault\n'
        'stub-zone:\n name: "target.example"\n stub-addr: 203.0.113.10\n',
    )
    lab.internet.start("unbound", "-d", "-c", config)
    servers.listening(lab.internet, RESOLVER, 53)


@scenario(
    drowning_resolver,
    shows="dnsperf asks somebody's resolver for 150 random names a second of one domain (water torture); the domain's server drowns, and the resolver "
    "answers few of the questions.",
    packages=("dnsperf", "unbound"),
    findings=(Expected("dns-flood-packets", "dns_flood", OFFENDER, (53,)),),
)
def dns_flood_resolver(lab: Lab) -> None:
    """4,500 questions, from fifty sockets."""
    lab.file("names.txt", "".join(f"{(number * 2654435761) % 2**32:08x}.target.example A\n" for number in range(4500)))
    lab.customers[10].run("dnsperf", "-s", RESOLVER, "-d", lab.scratch / "names.txt", "-Q", 150, "-q", 5000, "-c", 50, "-T", 1, "-t", 2, "-n", 1,
                          seconds=60)  # fmt: skip


def silent_network_6(lab: Lab) -> None:
    """Subnets that have ceased to answer."""
    lab.customer(10)
    lab.silent("2001:db8:ffff:5::/64")


@scenario(
    silent_network_6,
    shows="nping spreads about 1,300 UDP datagrams of 500 bytes a second over fifty hosts of one IPv6 subnet: few to each, a flood together.",
    packages=("nmap",),
    findings=flooded_6("carpet-flood", min_targets=16),
)
def carpet_flood_v6(lab: Lab) -> None:
    """Ten thousand datagrams and some, fifty hosts."""
    targets = [f"2001:db8:ffff:5::{number:x}" for number in range(1, 51)]
    lab.customers[10].run(
        "nping",
        "-6",
        "-q2",
        "-N",
        "--udp",
        "--data-length",
        450,
        "-g",
        40000,
        "-p",
        3074,
        "--rate",
        1300,
        "-c",
        205,
        *targets,
        seconds=40,
    )


@scenario(
    silent_network_6,
    shows="A customer's machine sends SYNs with a source of somebody else's IPv6 network to random addresses of one subnet.",
    packages=("thc-ipv6",),
    findings=(
        Expected(
            "spoofed-source", "spoofed_source", "", note="The source is forged; only the port tells the customer."
        ),
    ),
    interface="port10",
    ports={"0#0": 10},
)
def spoofed_source_v6(lab: Lab) -> None:
    """thcsyn6 counts nothing: it is stopped after eight seconds."""
    lab.customers[10].run(
        "atk6-thcsyn6",
        "-i",
        5000,
        "-D",
        "-s",
        REFLECTION_6,
        "-m",
        LINK_MACS[0],
        "eth0",
        "2001:db8:ffff:5::1",
        80,
        seconds=8,
    )


@scenario(
    silent_network_6,
    shows="nping sends small NTP and SSDP requests to eighty IPv6 addresses with the source forged to be the victim's.",
    packages=("nmap",),
    findings=(
        Expected(
            "amplification-trigger", "amplification_trigger", REFLECTION_6, (123, 1900), 70,
            note="The offender here is the forged source, which is the victim's address and not ours; only the port tells which customer sent them.",
        ),
    ),
    interface="port10",
)  # fmt: skip
def amplification_trigger_v6(lab: Lab) -> None:
    """Three requests to each of eighty addresses."""
    targets = [f"2001:db8:ffff:5::{number:x}" for number in range(1, 81)]
    for port, size in ((123, 48), (1900, 90)):
        lab.customers[10].run("nping", "-6", "-q2", "-N", "-e", "eth0", "-S", REFLECTION_6, "--source-mac", LINK_MACS[1], "--dest-mac", LINK_MACS[0], "--udp", "--data-length", size,
                              "-g", 40000, "-p", port, "--rate", 60, "-c", 3, *targets, seconds=40)  # fmt: skip


def many_mail_servers_6(lab: Lab) -> None:
    """Every address of the IPv6 internet takes mail, except those of six subnets, which are gone."""
    lab.customer(10)
    lab.silent(*(f"2001:db8:ffff:{network:x}::/64" for network in range(5, 41, 6)))
    servers.smtp_sink(lab.internet, "[::]")


@scenario(
    many_mail_servers_6,
    shows="swaks delivers one mail each to the servers of forty IPv6 networks, one after the other, as a spam run does; six are gone.",
    packages=("swaks", "postfix", "libio-socket-inet6-perl"),
    findings=(Expected("smtp-spam", "spam", v6(10), (25,), 30),),
)
def smtp_spam_v6(lab: Lab) -> None:
    """Forty servers."""
    one = "swaks --silent 3 -6 --server $server --helo pc.customer.example --from a@customer.example --to user$n@target.example"
    network = "for n in $(seq 1 40); do server=$(printf '[2001:db8:ffff:%x::19]' $n)"
    lab.customers[10].run("sh", "-c", f"{network}; {one} --timeout 3; sleep 0.6; done")
