"""The look-alikes: honest traffic that a careless rule would call an attack. Each must give no finding."""

from pathlib import Path

from lab import servers
from lab.scenario import scenario
from lab.topology import Lab, Namespace, v4, wait

TOOLS = Path(__file__).resolve().parent / "tools"
RESOLVER = "192.0.2.53"


def ssh_options(lab: Lab) -> tuple[object, ...]:
    """A client that asks nothing and keeps its files in the lab."""
    return ("-i", lab.scratch / "ssh_key", "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={lab.scratch}/known")


def web(lab: Lab) -> None:
    """Twelve sites with names, and a resolver that knows them."""
    customer = lab.customer(20, mbit=50)
    sites = {f"site{number}.example": f"203.0.113.{number + 20}" for number in range(12)}
    servers.names(lab.internet, RESOLVER, sites)
    servers.nginx(lab, lab.internet, *sites.values())
    customer.names(RESOLVER)


@scenario(
    web,
    shows="A customer's machine browses: pages with pictures from twelve sites, several connections at once, pauses to read.",
    packages=("curl", "nginx-light", "dnsmasq-base"),
    customers=(20,),
)
def benign_web(lab: Lab) -> None:
    """Twelve pages, each of nine requests over three connections at once."""
    for number in range(12):
        site = f"http://site{number}.example"
        page = [f"{site}/{path}" for path in ("index.html", "4k", "40k", "4k", "4k", "40k", "4k", "4k", "4k")]
        lab.customers[20].run("curl", "-s", "-Z", "--parallel-max", 3, "-o", "/dev/null", *page, shown=number == 0)
        wait(3 + number % 4)


def resolver(lab: Lab) -> None:
    """A recursive resolver at the customer and 150 authoritative servers; ten zones' servers are dead."""
    customer = lab.customer(20)
    zones = {f"zone{number}.example": f"203.0.113.{number + 1}" for number in range(150)}
    lab.silent(*(f"203.0.113.{number}/32" for number in range(140, 150)))
    answers = lab.file(
        "authority.conf",
        f'server:\n interface: 0.0.0.0\n interface-automatic: yes\n access-control: 0.0.0.0/0 allow\n do-daemonize: no\n username: ""\n'
        f' chroot: ""\n directory: "{lab.scratch}"\n pidfile: ""\n use-syslog: no\n local-zone: "example." redirect\n'
        ' local-data: "example. 30 IN A 203.0.113.80"\n',
    )
    stubs = "".join(f'stub-zone:\n name: "{zone}"\n stub-addr: {address}\n' for zone, address in zones.items())
    recursive = lab.file(
        "resolver.conf",
        'server:\n interface: 127.0.0.1\n do-daemonize: no\n username: ""\n chroot: ""\n'
        f' directory: "{lab.scratch}"\n pidfile: ""\n use-syslog: no\n do-ip6: no\n module-config: "iterator"\n'
        ' local-zone: "example." nodefault\n'
        f"{stubs}",
    )
    lab.internet.start("unbound", "-d", "-c", answers)
    customer.start("unbound", "-d", "-c", recursive)
    servers.listening(lab.internet, "127.0.0.1", 53)
    servers.listening(customer, "127.0.0.1", 53)
    lab.file("queries.txt", "".join(f"host{turn}.zone{number}.example A\n" for turn in range(10) for number in range(150)))


@scenario(
    resolver,
    shows="A customer's recursive resolver asks 150 name servers, about 25 queries a second; ten of the servers do not answer.",
    packages=("unbound", "dnsperf"),
    customers=(20,),
    roles={20: ("resolver",)},
)
def benign_resolver(lab: Lab) -> None:
    """1,500 questions from the resolver's own clients, within a minute."""
    lab.customers[20].run("dnsperf", "-s", "127.0.0.1", "-d", lab.scratch / "queries.txt", "-Q", 25, "-n", 1, seconds=75)


def ssh_server(lab: Lab) -> None:
    """One sshd that lets the customer's key in."""
    lab.customer(20, mbit=20)
    servers.sshd(lab, lab.internet, "203.0.113.10", "192.0.2.10")


@scenario(
    ssh_server,
    shows="A person works over SSH: one session of eighty seconds, typed at a person's pace, and eight short commands on two hosts.",
    packages=("openssh-client", "openssh-server"),
    customers=(20,),
    remark="The typing is done by captures/lab/tools/typist.py on a terminal of its own, with a person's pauses.",
)
def benign_ssh(lab: Lab) -> None:
    """Type beside a few short sessions."""
    customer, options = lab.customers[20], ssh_options(lab)
    typing = customer.start("python3", TOOLS / "typist.py", 80, "ssh", *options, "root@203.0.113.10")
    for number, command in enumerate(("uptime", "df -h", "uname -a", "ls -lR /etc", "id", "cat /etc/services", "true", "date")):
        wait(6 + number % 4)
        customer.run("ssh", *options, f"root@{('203.0.113.10', '192.0.2.10')[number % 2]}", command)
    typing.wait(120)


@scenario(
    ssh_server,
    shows="A nightly backup: rsync over SSH pushes 6 MB in 300 files at 20 Mbit/s, then runs again and finds nothing to do.",
    packages=("rsync", "openssh-client", "openssh-server"),
    customers=(20,),
    roles={20: ("backup",)},
)
def benign_backup(lab: Lab) -> None:
    """Push twice."""
    for number in range(300):
        (lab.file(f"home/file{number}", "")).write_bytes(bytes((number * 7 + step) % 251 for step in range(1000)) * 20)
    shell = " ".join(map(str, ("ssh", *ssh_options(lab))))
    for _ in range(2):
        lab.customers[20].run("rsync", "-a", "-e", shell, f"{lab.scratch}/home/", f"root@203.0.113.10:{lab.scratch}/copy/")
        wait(5)


@scenario(
    ssh_server,
    shows="A build server polls a git repository over SSH every fifteen seconds for seven minutes: thirty sessions, all alike.",
    packages=("git", "openssh-client", "openssh-server"),
    customers=(20,),
    remark="The hardest look-alike of a password attack: established sessions of one size at an even pace. Only that each of them "
    "succeeds, which a flow does not say, and the packets of each, tell it from guessing.",
)
def benign_git_poll_fast(lab: Lab) -> None:
    """Poll."""
    poll(lab, every_seconds=15, times=28)


@scenario(
    ssh_server,
    shows="A build server polls a git repository over SSH every sixty seconds for eight minutes.",
    packages=("git", "openssh-client", "openssh-server"),
    customers=(20,),
)
def benign_git_poll(lab: Lab) -> None:
    """Poll at a common pace."""
    poll(lab, every_seconds=60, times=8)


def poll(lab: Lab, every_seconds: float, times: int) -> None:
    """`git ls-remote` again and again."""
    make = f"git init -q {lab.scratch}/repo && cd {lab.scratch}/repo && git -c user.name=x -c user.email=x@x.example commit -q --allow-empty -m x"
    lab.internet.run("sh", "-c", make)
    shell = " ".join(map(str, ("ssh", *ssh_options(lab))))
    for turn in range(times):
        lab.customers[20].run("git", "-c", f"core.sshCommand={shell}", "ls-remote", f"root@203.0.113.10:{lab.scratch}/repo", shown=turn == 0)
        wait(every_seconds)


def watched_hosts(lab: Lab) -> None:
    """Fifty hosts with a web server, of which ten are down."""
    lab.customer(20)
    servers.nginx(lab, lab.internet, *(f"203.0.113.{number}" for number in range(1, 51)))
    lab.silent(*(f"203.0.113.{number}/32" for number in range(46, 51)))


@scenario(
    watched_hosts,
    shows="A monitoring host asks fifty web servers each thirty seconds by HTTP and ping; five of them are down.",
    packages=("curl", "fping", "nginx-light"),
    customers=(20,),
    roles={20: ("monitor",)},
)
def benign_monitor(lab: Lab) -> None:
    """Four rounds."""
    hosts = [f"203.0.113.{number}" for number in range(1, 51)]
    for turn in range(4):
        lab.customers[20].run("fping", "-q", "-c", 1, *hosts, shown=turn == 0)
        pages = [f"http://{host}/index.html" for host in hosts]
        lab.customers[20].run("curl", "-s", "-Z", "-m", 5, "-o", "/dev/null", *pages, shown=turn == 0)
        wait(20)


def mail_peers(lab: Lab) -> None:
    """Mail servers everywhere."""
    lab.customer(20)
    servers.smtp_sink(lab.internet)


@scenario(
    mail_peers,
    shows="A customer's mail server delivers to six networks within three minutes, several mails to each, as its users write.",
    packages=("swaks", "postfix"),
    customers=(20,),
    roles={20: ("mail_server",)},
)
def benign_mail(lab: Lab) -> None:
    """Eighteen mails to six servers."""
    one = "swaks --silent 3 --server $to --helo mail.customer.example --from u$n@customer.example --to v@target.example"
    servers_list = "203.0.113.25 192.0.2.25 198.18.7.25 203.0.113.26 198.19.200.25 192.0.2.26"
    lab.customers[20].run("sh", "-c", f"for n in 1 2 3; do for to in {servers_list}; do {one}; sleep 6; done; done", seconds=200)


def time_servers(lab: Lab) -> None:
    """chronyd answering on every address of the internet (it never sets a clock here: -x)."""
    lab.customer(20)
    serve = lab.file("served.conf", f"allow all\nlocal stratum 2\ncmdport 0\nbindcmdaddress /\npidfile {lab.scratch}/served.pid\n")
    lab.internet.start("chronyd", "-d", "-x", "-u", "root", "-f", serve)


@scenario(
    time_servers,
    shows="A customer's chronyd sets out with four time servers (burst, then every sixteen seconds).",
    packages=("chrony",),
    customers=(20,),
)
def benign_ntp(lab: Lab) -> None:
    """Ninety seconds of NTP."""
    sources = "".join(f"server {address} iburst minpoll 4 maxpoll 4\n" for address in ("203.0.113.123", "192.0.2.123", "198.18.0.123", "198.19.0.123"))
    config = lab.file("client.conf", f"{sources}cmdport 0\nbindcmdaddress /\npidfile {lab.scratch}/client.pid\n")
    lab.customers[20].run("chronyd", "-d", "-x", "-u", "root", "-f", config, seconds=90)


def served_customer(lab: Lab) -> Namespace:
    """The customer's own web server, the target here."""
    customer = lab.customer(20)
    servers.nginx(lab, customer, v4(20))
    return customer


@scenario(
    served_customer,
    shows="Somebody outside scans a thousand ports of our customer: the customer's many resets go to the scanner, he attacks nobody.",
    packages=("nmap", "nginx-light"),
    customers=(20,),
)
def benign_scanned(lab: Lab) -> None:
    """An inbound scan."""
    lab.internet.speak_as("203.0.113.77")
    lab.internet.run("nmap", "-sS", "-Pn", "-n", "--max-rate", 200, v4(20))


@scenario(
    served_customer,
    shows="Backscatter: our customer's web server is SYN-flooded with forged sources; its SYN-ACKs go to two thousand strangers.",
    packages=("nginx-light",),
    customers=(20,),
    remark="The forged SYNs come from captures/lab/tools/forged_syns.py: hping3 --rand-source would leave the lab's address ranges.",
)
def benign_backscatter(lab: Lab) -> None:
    """The victim's answers are not an attack."""
    lab.internet.ip("route", "add", "blackhole", "198.18.0.0/16", "table", "local")  # strangers who do not reset
    lab.internet.run("python3", TOOLS / "forged_syns.py", "198.18.0.0/16", v4(20), 80, 2000, 200, seconds=40)
