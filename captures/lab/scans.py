"""Scans beyond the first two: other tools, other protocols, IPv6."""

from lab import servers
from lab.attacks import OFFENDER, OPERATOR_A, one_customer, one_server, populated_network, port_scan_finding
from lab.scenario import Expected, scenario
from lab.topology import LINK_MACS, Lab, v6

HOSTS_6 = tuple(f"2001:db8:ffff:{network:x}::{number:x}" for network in range(10) for number in range(1, 13))


def scanned(rule: str, port: int | None, min_targets: int) -> tuple[Expected, ...]:
    """The finding of one port over many hosts."""
    kind = "address_scan" if rule.endswith("address-scan") else rule.replace("-", "_")
    return (Expected(rule, kind, OFFENDER, (port,) if port else (), min_targets),)


def wide_network(lab: Lab) -> None:
    """A benchmark network of which most is unused and some refuses."""
    lab.customer(10)
    lab.silent("198.18.0.0/23", "198.18.2.0/24")


@scenario(
    wide_network,
    shows="masscan looks for one port on a thousand addresses at 200 a second; three of four are unused.",
    packages=("masscan",),
    findings=scanned("address-scan", 445, 500),
)
def address_scan_masscan(lab: Lab) -> None:
    """A scanner with a TCP stack of its own."""
    lab.customers[10].run("masscan", "198.18.0.0/22", "-p", 445, "--rate", 200, "-e", "eth0", "--source-ip", OFFENDER,
                          "--router-mac", LINK_MACS[0].replace(":", "-"), "--wait", 2)  # fmt: skip


@scenario(
    populated_network,
    shows="nmap looks for nine services on twelve hosts of one network: too few hosts for one rule, too few ports for the other.",
    packages=("nmap", "nginx-light"),
    findings=(Expected("grid-scan", "port_scan", OFFENDER, (), 8),),
)
def grid_scan(lab: Lab) -> None:
    """Nine ports, twelve hosts."""
    lab.customers[10].run("nmap", "-sS", "-Pn", "-n", "-p", "21,22,25,80,110,443,445,3389,8081", "--max-rate", 30, "203.0.113.1-12")


def at_random(lab: Lab, ports: str) -> None:
    """About 850 probes at sixty a second, spread over all ports of 131,072 addresses."""
    lab.customers[10].run("masscan", "198.18.0.0/15", "-p", ports, "--shards", "1/10000000", "--rate", 60, "-e", "eth0", "--source-ip", OFFENDER,
                          "--router-mac", LINK_MACS[0].replace(":", "-"), "--wait", 2)  # fmt: skip


def half_network(lab: Lab) -> None:
    """A benchmark network of which a quarter refuses and the rest is silent."""
    lab.customer(10)
    lab.silent("198.18.0.0/16", "198.19.0.0/17")


@scenario(
    half_network,
    shows="masscan looks for anything: every probe goes to another host and another port; three of four hosts are unused.",
    packages=("masscan",),
    findings=(Expected("random-scan", "port_scan", OFFENDER, (), 300),),
)
def random_scan(lab: Lab) -> None:
    """No port and no host is asked twice."""
    at_random(lab, "1-65535")


@scenario(
    half_network,
    shows="masscan looks for anything over UDP: every datagram goes to another host and another port; three of four hosts are unused.",
    packages=("masscan",),
    findings=(Expected("random-scan-udp", "port_scan", OFFENDER, (), 250),),
)
def random_scan_udp(lab: Lab) -> None:
    """The same over UDP; who is there refuses by ICMP."""
    at_random(lab, "U:1-65535")


@scenario(
    populated_network,
    shows="nmap looks for SNMP on 200 addresses of one network over UDP.",
    packages=("nmap", "nginx-light"),
    findings=scanned("udp-address-scan", 161, 100),
)
def address_scan_udp(lab: Lab) -> None:
    """One UDP port, 200 hosts."""
    lab.customers[10].run("nmap", "-sU", "-Pn", "-n", "-p", 161, "--max-rate", 40, "--max-retries", 1, "203.0.113.1-200")


def network_6(lab: Lab) -> None:
    """IPv6 subnets, most of them unused."""
    lab.customer(10)
    lab.silent(*(f"2001:db8:ffff:{network:x}::/64" for network in range(3, 10)))
    servers.nginx(lab, lab.internet, HOSTS_6[0], HOSTS_6[13], port=8080)


@scenario(
    network_6,
    shows="nmap looks for one port on 120 addresses in ten IPv6 subnets.",
    packages=("nmap", "nginx-light"),
    findings=(Expected("address-scan", "address_scan", v6(10), (8080,), 50),),
)
def address_scan_v6(lab: Lab) -> None:
    """One port, 120 hosts, IPv6."""
    targets = lab.file("hosts6.txt", "\n".join(HOSTS_6) + "\n")
    lab.customers[10].run("nmap", "-6", "-sS", "-Pn", "-n", "-p", 8080, "--max-rate", 40, "-iL", targets)


@scenario(
    one_customer,
    shows="nmap tries the thousand most used TCP ports of one IPv6 host.",
    packages=("nmap",),
    findings=(Expected("port-scan", "port_scan", v6(10)),),
)
def port_scan_v6(lab: Lab) -> None:
    """A thousand ports, IPv6."""
    lab.customers[10].run("nmap", "-6", "-sS", "-Pn", "-n", "--max-rate", 100, "2001:db8:ffff::10")


def scan_with_flags(flag: str, words: str) -> None:
    """nmap's scans that avoid the SYN flag."""

    def play(lab: Lab) -> None:
        lab.customers[10].run("nmap", flag, "-Pn", "-n", "--max-rate", 100, "--top-ports", 300, OPERATOR_A)

    play.__name__ = f"port_scan_{words.lower()}"
    scenario(
        one_server,
        shows=f"nmap tries the 300 most used TCP ports of one host with {words} packets, which open nothing: closed ports reset.",
        packages=("nmap", "nginx-light", "openssh-server"),
        findings=port_scan_finding(),
    )(play)


for option, flags in (("-sF", "FIN"), ("-sN", "NULL"), ("-sX", "Xmas"), ("-sA", "ACK")):
    scan_with_flags(option, flags)


@scenario(
    populated_network,
    shows="fping looks for hosts among 200 addresses by ICMP echo; about half answer.",
    packages=("fping", "nginx-light"),
    findings=scanned("icmp-scan", None, 90),
)
def icmp_scan(lab: Lab) -> None:
    """A ping sweep."""
    lab.customers[10].run("fping", "-q", "-r", 1, "-g", "203.0.113.1", "203.0.113.200")


@scenario(
    wide_network,
    shows="svmap of SIPVicious looks for telephone servers on 250 addresses; none answers.",
    packages=("sipvicious",),
    findings=scanned("sip-scan", 5060, 100),
)
def sip_scan(lab: Lab) -> None:
    """OPTIONS to each address."""
    lab.customers[10].run("svmap", "-P", 5061, "--randomize", "198.18.1.1-250")


@scenario(
    wide_network,
    shows="nmap looks for one port on eighty unused addresses, one every twenty seconds: fifteen in five minutes, as many as an ordinary customer may fail at.",
    packages=("nmap",),
    findings=(*scanned("slow-scan", 445, 60), Expected("slow-scan-sequential", "slow_scan", OFFENDER, (445,), 60)),
    remark="Twenty-six minutes of real time; the pace is nmap's own.",
)
def slow_scan(lab: Lab) -> None:
    """One SYN an address, one address every twenty seconds."""
    lab.customers[10].run("nmap", "-sS", "-Pn", "-n", "-p", 445, "--max-rate", "0.05", "--max-retries", 0, "198.18.0.1-80", seconds=1800)


SLOW_6 = tuple(f"2001:db8:ffff:{network}::{number}" for network in (5, 6) for number in range(1, 41))


@scenario(
    network_6,
    shows="nmap looks for one port on eighty unused addresses of two IPv6 subnets, one every twenty seconds.",
    packages=("nmap", "nginx-light"),
    findings=tuple(Expected(rule, "slow_scan", v6(10), (445,), 60) for rule in ("slow-scan", "slow-scan-sequential")),
    remark="Twenty-six minutes of real time; the pace is nmap's own.",
)
def slow_scan_v6(lab: Lab) -> None:
    """As above."""
    targets = lab.file("hosts6.txt", "\n".join(SLOW_6) + "\n")
    lab.customers[10].run("nmap", "-6", "-sS", "-Pn", "-n", "-p", 445, "--max-rate", "0.05", "--max-retries", 0, "-iL", targets, seconds=1800)


@scenario(
    one_server,
    shows="nmap tries a hundred TCP ports of one host at its second slowest pace (-T1): one every fifteen seconds.",
    packages=("nmap", "nginx-light", "openssh-server"),
    findings=port_scan_finding(),
    remark="Twenty-seven minutes of real time.",
)
def port_scan_sneaky(lab: Lab) -> None:
    """A hundred ports, four a minute."""
    lab.customers[10].run("nmap", "-sS", "-T1", "-Pn", "-n", "-F", OPERATOR_A, seconds=1700)


@scenario(
    one_server,
    shows="nmap tries a hundred TCP ports of one host at its third slowest pace (-T2): two or three a second.",
    packages=("nmap", "nginx-light", "openssh-server"),
    findings=port_scan_finding(),
)
def port_scan_polite(lab: Lab) -> None:
    """A hundred ports, forty seconds."""
    lab.customers[10].run("nmap", "-sS", "-T2", "-Pn", "-n", "-F", OPERATOR_A)


@scenario(
    wide_network,
    shows="zmap looks for one port on a thousand addresses at 200 a second; three of four are unused.",
    packages=("zmap",),
    findings=scanned("address-scan", 8443, 500),
)
def address_scan_zmap(lab: Lab) -> None:
    """Another scanner with a TCP stack of its own, one packet an address."""
    nobody = lab.file("refused.txt", "\n")
    lab.customers[10].run("zmap", "-C", "/dev/null", "-b", nobody, "-p", 8443, "-r", 200, "-i", "eth0", "-S", OFFENDER, "-G", LINK_MACS[0],
                          "-c", 2, "-q", "-v", 0, "--disable-syslog", "-o", "/dev/null", "198.18.0.0/22")  # fmt: skip


def wide_network_6(lab: Lab) -> None:
    """One IPv6 subnet of which the upper half is unused."""
    lab.customer(10)
    lab.silent("2001:db8:ffff:5::80/121")


@scenario(
    wide_network_6,
    shows="masscan looks for one port on 256 addresses of one IPv6 subnet at 50 a second; half are unused.",
    packages=("masscan",),
    findings=(Expected("address-scan", "address_scan", v6(10), (445,), 200),),
)
def address_scan_masscan_v6(lab: Lab) -> None:
    """256 hosts, IPv6."""
    mac = LINK_MACS[0].replace(":", "-")
    lab.customers[10].run("masscan", "2001:db8:ffff:5::/120", "-p", 445, "--rate", 50, "-e", "eth0", "--source-ip", v6(10),
                          "--router-mac-ipv6", mac, "--router-mac", mac, "--wait", 2, seconds=20)  # fmt: skip


def refusing_host_6(lab: Lab) -> None:
    """An IPv6 host that says which ports are closed."""
    lab.customer(10)
    lab.internet.speak_as("2001:db8:ffff::10")  # the kernel of the lab's internet tells of closed ports from its own address


@scenario(
    refusing_host_6,
    shows="nmap tries the sixty most used UDP ports of one IPv6 host; the host answers some with ICMPv6 port unreachable.",
    packages=("nmap",),
    findings=(Expected("port-scan", "port_scan", v6(10)),),
)
def port_scan_udp_v6(lab: Lab) -> None:
    """Sixty UDP ports, IPv6."""
    lab.customers[10].run("nmap", "-6", "-sU", "-Pn", "-n", "--top-ports", 60, "--max-retries", 1, "2001:db8:ffff::10", seconds=100)


@scenario(
    network_6,
    shows="fping looks for hosts among 120 addresses in ten IPv6 subnets by ICMPv6 echo; a quarter answer.",
    packages=("fping", "nginx-light"),
    findings=(Expected("icmp-scan", "icmp_scan", v6(10), (), 70),),
)
def icmp_scan_v6(lab: Lab) -> None:
    """A ping sweep, IPv6."""
    lab.customers[10].run("fping", "-6", "-q", "-r", 1, "-f", lab.file("hosts6.txt", "\n".join(HOSTS_6) + "\n"))


def network_with_router_6(lab: Lab) -> None:
    """The same subnets, whose router tells of hosts that refuse."""
    network_6(lab)
    lab.internet.speak_as("2001:db8:ffff::1")


@scenario(
    network_with_router_6,
    shows="nmap looks for telephone servers on 120 addresses in ten IPv6 subnets; the hosts of three refuse, the others are unused.",
    packages=("nmap", "nginx-light"),
    findings=(Expected("sip-scan", "sip_scan", v6(10), (5060,), 70),),
)
def sip_scan_v6(lab: Lab) -> None:
    """OPTIONS to each address (nmap's payload for the port), IPv6."""
    targets = lab.file("hosts6.txt", "\n".join(HOSTS_6) + "\n")
    lab.customers[10].run("nmap", "-6", "-sU", "-Pn", "-n", "-p", 5060, "--max-rate", 40, "--max-retries", 1, "-iL", targets)


@scenario(
    wide_network,
    shows="sipsak asks sixty addresses for their telephone server, one after the other; none answers.",
    packages=("sipsak",),
    findings=scanned("sip-scan", 5060, 20),
)
def sip_scan_sipsak(lab: Lab) -> None:
    """A shell loop; sipsak repeats each question for a while."""
    asking = "for n in $(seq 1 60); do timeout 1 sipsak -s sip:100@198.18.1.$n; done"
    lab.customers[10].run("sh", "-c", asking)


@scenario(
    network_6,
    shows="A Mirai-like sprayer over IPv6: forty connections a second to random addresses of two subnets on ports 23 and 2323; nobody lives in one, "
    "all refuse in the other.",
    packages=("python3-minimal",),
    findings=(Expected("telnet-worm", "worm", v6(10), (23, 2323), 100),),
    remark="The sprayer is captures/lab/tools/telnet_sprayer.py: real TCP sockets, no malware took part.",
)
def telnet_worm_v6(lab: Lab) -> None:
    """Twelve seconds of spraying."""
    lab.customers[10].run("python3", lab.tools / "telnet_sprayer.py", 40, 12, "2001:db8:ffff:4::/64", "2001:db8:ffff:1::/64")


def open_server_6(lab: Lab) -> None:
    """An IPv6 host that serves the web and refuses all else."""
    lab.customer(10)
    servers.nginx(lab, lab.internet, "2001:db8:ffff::10")


def scan_6(flag: str, words: str, shows: str) -> None:
    """nmap's other ways of asking, over IPv6."""

    def play(lab: Lab) -> None:
        lab.customers[10].run("nmap", "-6", flag, "-Pn", "-n", "--max-rate", 100, "--top-ports", 300, "2001:db8:ffff::10")

    play.__name__ = f"port_scan_{words}_v6"
    found = (Expected("port-scan", "port_scan", v6(10)),)
    scenario(open_server_6, shows=shows, packages=("nmap", "nginx-light"), findings=found)(play)


scan_6("-sT", "connect", "nmap tries the 300 most used TCP ports of one IPv6 host with whole connections (connect scan).")
scan_6("-sF", "fin", "nmap tries the 300 most used TCP ports of one IPv6 host with FIN packets, which open nothing: closed ports reset.")
