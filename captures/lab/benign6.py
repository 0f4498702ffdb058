"""Honest traffic over IPv6, like its kin over IPv4 in `benign`. Each must give no finding."""

from lab import servers
from lab.benign import resolver, ssh_options
from lab.scenario import scenario
from lab.topology import Lab, v6, wait

NETWORK = "2001:db8:ffff:a"
RESOLVER = f"{NETWORK}::53"


def web_6(lab: Lab) -> None:
    """Twelve sites with names, and a resolver that knows them."""
    customer = lab.customer(20, mbit=50)
    sites = {f"site{number}.example": f"{NETWORK}::{number + 0x20:x}" for number in range(12)}
    servers.names(lab.internet, RESOLVER, sites)
    servers.nginx(lab, lab.internet, *sites.values())
    customer.names(RESOLVER)


@scenario(
    web_6,
    shows="A customer's machine browses over IPv6: pages with pictures from twelve sites, several connections at once, pauses to read.",
    packages=("curl", "nginx-light", "dnsmasq-base"),
    customers=(20,),
)
def benign_web_v6(lab: Lab) -> None:
    """Twelve pages."""
    for number in range(12):
        site = f"http://site{number}.example"
        page = [f"{site}/{path}" for path in ("index.html", "4k", "40k", "4k", "4k")]
        lab.customers[20].run("curl", "-s", "-Z", "--parallel-max", 3, "-o", "/dev/null", *page, shown=number == 0)
        wait(2 + number % 3)


WATCHED = tuple(f"{NETWORK}::{number:x}" for number in range(1, 51))


def watched_hosts_6(lab: Lab) -> None:
    """Fifty hosts with a web server, of which five are down."""
    lab.customer(20)
    servers.nginx(lab, lab.internet, *WATCHED)
    lab.silent(*(f"{host}/128" for host in WATCHED[45:]))


@scenario(
    watched_hosts_6,
    shows="A monitoring host asks fifty web servers each half minute by HTTP and ping over IPv6; five of them are down.",
    packages=("curl", "fping", "nginx-light"),
    customers=(20,),
    remark="The inventory does not know that this host monitors.",
)
def benign_monitor_v6(lab: Lab) -> None:
    """Three rounds."""
    for turn in range(3):
        lab.customers[20].run("fping", "-6", "-q", "-c", 1, *WATCHED, shown=turn == 0)
        lab.customers[20].run(
            "curl",
            "-s",
            "-Z",
            "-m",
            5,
            "-o",
            "/dev/null",
            *(f"http://[{host}]/index.html" for host in WATCHED),
            shown=turn == 0,
        )
        wait(20)


def resolver_6(lab: Lab) -> None:
    """The resolver of `benign-resolver`, with name servers that have IPv6 addresses only."""
    resolver(lab, six=True)


@scenario(
    resolver_6,
    shows="A customer's recursive resolver asks 150 name servers over IPv6, about 25 queries a second; ten of the servers do not answer.",
    packages=("unbound", "dnsperf"),
    customers=(20,),
    roles={20: ("resolver",)},
)
def benign_resolver_v6(lab: Lab) -> None:
    """A thousand questions from the resolver's own clients."""
    lab.customers[20].run(
        "dnsperf", "-s", "127.0.0.1", "-d", lab.scratch / "queries.txt", "-Q", 25, "-n", 1, seconds=42
    )


def traced_6(lab: Lab) -> None:
    """Somewhere to trace to."""
    lab.customer(20)
    lab.silent(f"{NETWORK}::200/128")


@scenario(
    traced_6,
    shows="mtr traces the way to two IPv6 hosts, one of which is silent, fifty probes each.",
    packages=("mtr-tiny",),
    customers=(20,),
)
def benign_traceroute_v6(lab: Lab) -> None:
    """Two traces."""
    for target in (f"{NETWORK}::10", f"{NETWORK}::200"):
        lab.customers[20].run("mtr", "-6", "-n", "-r", "-c", 50, "-i", 0.3, target, seconds=60)


def served_customer_6(lab: Lab) -> None:
    """The customer's own web server, the target here."""
    servers.nginx(lab, lab.customer(20), v6(20))


@scenario(
    served_customer_6,
    shows="Somebody outside scans a thousand ports of our customer over IPv6: the customer's many resets go to the scanner, he attacks nobody.",
    packages=("nmap", "nginx-light"),
    customers=(20,),
)
def benign_scanned_v6(lab: Lab) -> None:
    """An inbound scan."""
    lab.internet.speak_as(f"{NETWORK}::77")
    lab.internet.run("nmap", "-6", "-sS", "-Pn", "-n", "--max-rate", 200, v6(20))


def mail_peers_6(lab: Lab) -> None:
    """Mail servers everywhere."""
    lab.customer(20)
    servers.smtp_sink(lab.internet, "[::]")


@scenario(
    mail_peers_6,
    shows="A customer's mail server delivers to six networks over IPv6 within a minute and a half, several mails to each, as its users write.",
    packages=("swaks", "postfix", "libio-socket-inet6-perl"),
    customers=(20,),
    roles={20: ("mail_server",)},
)
def benign_mail_v6(lab: Lab) -> None:
    """Twelve mails to six servers."""
    one = "swaks --silent 3 -6 --server [2001:db8:ffff:$to::25] --helo mail.customer.example --from u$n@customer.example --to v@target.example"
    lab.customers[20].run(
        "sh", "-c", f"for n in 1 2; do for to in 1 2 a b c d; do {one}; sleep 6; done; done", seconds=200
    )


def speed_server_6(lab: Lab) -> None:
    """iperf3 waiting."""
    lab.customer(20, mbit=20)
    lab.internet.start("iperf3", "-s", "-B", f"{NETWORK}::10")
    servers.listening(lab.internet, f"{NETWORK}::10", 5201)


@scenario(
    speed_server_6,
    shows="Voice over IPv6: iperf3 sends and receives fifty UDP datagrams of 172 bytes a second each way for half a minute, as a telephone call does.",
    packages=("iperf3",),
    customers=(20,),
)
def benign_voice_v6(lab: Lab) -> None:
    """A short call."""
    lab.customers[20].run(
        "iperf3", "-6", "-c", f"{NETWORK}::10", "-u", "-l", 172, "-b", "69k", "--bidir", "-t", 30, seconds=60
    )


def fleet_6(lab: Lab) -> None:
    """Thirty hosts that the customer administers."""
    lab.customer(20)
    servers.sshd(lab, lab.internet, "::", settings="MaxStartups 50\n")
    lab.file("hosts.txt", "".join(f"{NETWORK}::{number:x}\n" for number in range(1, 31)))


@scenario(
    fleet_6,
    shows="Configuration management from a bastion over IPv6: five at a time, thirty SSH servers are visited twice, each visit a few commands.",
    packages=("openssh-client", "openssh-server"),
    customers=(20,),
)
def benign_fleet_v6(lab: Lab) -> None:
    """Two rounds over thirty hosts."""
    ssh = " ".join(map(str, ("ssh", "-n", *ssh_options(lab))))
    for command in ("uname -a; df; mount", "true"):
        lab.customers[20].run("sh", "-c", f"xargs -P 5 -I HOST {ssh} root@HOST '{command}' < {lab.scratch}/hosts.txt")
        wait(10)
