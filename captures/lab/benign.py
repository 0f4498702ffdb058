"""The look-alikes: honest traffic that a careless rule would call an attack. Each must give no finding."""

from lab import servers
from lab.scenario import scenario
from lab.topology import Lab, Namespace, v4, wait

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


def resolver(lab: Lab, six: bool = False) -> None:
    """A recursive resolver at the customer and 150 authoritative servers; ten zones' servers are dead."""
    customer = lab.customer(20)
    zones = {f"zone{number}.example": f"2001:db8:ffff:a::{number + 1:x}" if six else f"203.0.113.{number + 1}" for number in range(150)}
    lab.silent(*(f"{address}/{128 if six else 32}" for address in list(zones.values())[139:149]))
    answers = lab.file(
        "authority.conf",
        f'server:\n interface: {"::" if six else "0.0.0.0"}\n interface-automatic: yes\n access-control: 0.0.0.0/0 allow\n access-control: ::/0 allow\n'
        f' do-daemonize: no\n username: ""\n chroot: ""\n directory: "{lab.scratch}"\n pidfile: ""\n use-syslog: no\n local-zone: "example." redirect\n'
        ' local-data: "example. 30 IN A 203.0.113.80"\n',
    )
    stubs = "".join(f'stub-zone:\n name: "{zone}"\n stub-addr: {address}\n' for zone, address in zones.items())
    recursive = lab.file(
        "resolver.conf",
        'server:\n interface: 127.0.0.1\n do-daemonize: no\n username: ""\n chroot: ""\n'
        f' directory: "{lab.scratch}"\n pidfile: ""\n use-syslog: no\n do-ip6: {"yes" if six else "no"}\n module-config: "iterator"\n'
        ' local-zone: "example." nodefault\n'
        f"{stubs}",
    )
    lab.internet.start("unbound", "-d", "-c", answers)
    customer.start("unbound", "-d", "-c", recursive)
    servers.listening(lab.internet, "::1" if six else "127.0.0.1", 53)
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
    typing = customer.start("python3", lab.tools / "typist.py", 80, "ssh", *options, "root@203.0.113.10")
    for number, command in enumerate(("uptime", "df -h", "uname -a", "ls -lR /etc", "id", "cat /etc/services", "true", "date")):
        wait(6 + number % 4)
        customer.run("ssh", *options, f"root@{('203.0.113.10', '192.0.2.10')[number % 2]}", command)
    typing.wait(120)


@scenario(
    ssh_server,
    shows="A nightly backup: rsync over SSH pushes 3.6 MB in 180 files at 20 Mbit/s, then runs again and finds nothing to do.",
    packages=("rsync", "openssh-client", "openssh-server"),
    customers=(20,),
    roles={20: ("backup",)},
)
def benign_backup(lab: Lab) -> None:
    """Push twice."""
    for number in range(180):
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
    roles={20: ("monitor",)},
    remark="The hardest look-alike of a password attack: established sessions of one size at an even pace, four a minute. Flows do not "
    "say that each of them succeeded; so the inventory must say that this host polls (role monitor).",
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
    lab.internet.run("python3", lab.tools / "forged_syns.py", "198.18.0.0/16", v4(20), 80, 2000, 200, seconds=40)


def crawled_sites(lab: Lab) -> None:
    """Sixty sites, of which six have died."""
    lab.customer(20)
    servers.nginx(lab, lab.internet, *(f"203.0.113.{number}" for number in range(1, 61)))
    lab.silent(*(f"203.0.113.{number}/32" for number in range(10, 61, 10)))


@scenario(
    crawled_sites,
    shows="A crawler asks sixty web sites for three pages each; six of the sites are dead links.",
    packages=("curl", "nginx-light"),
    customers=(20,),
)
def benign_crawler(lab: Lab) -> None:
    """Three rounds, ten connections at once."""
    for path in ("index.html", "4k", "4k"):
        pages = [f"http://203.0.113.{number}/{path}" for number in range(1, 61)]
        lab.customers[20].run("curl", "-s", "-Z", "--parallel-max", 10, "-m", 8, "-o", "/dev/null", *pages)
        wait(5)


def fleet(lab: Lab) -> None:
    """Thirty hosts that the customer administers."""
    lab.customer(20)
    servers.sshd(lab, lab.internet, "0.0.0.0", settings="MaxStartups 50\n")  # sshd listens on sixteen addresses at most
    lab.file("hosts.txt", "".join(f"203.0.113.{number}\n" for number in range(1, 31)))


@scenario(
    fleet,
    shows="Configuration management from a bastion: five at a time, thirty SSH servers are visited twice, each visit a few commands.",
    packages=("openssh-client", "openssh-server"),
    customers=(20,),
)
def benign_fleet(lab: Lab) -> None:
    """Two rounds over thirty hosts."""
    ssh = " ".join(map(str, ("ssh", "-n", *ssh_options(lab))))
    for command in ("uname -a; df; mount", "true"):
        visit = f"xargs -P 5 -I HOST {ssh} root@HOST '{command}' < {lab.scratch}/hosts.txt"
        lab.customers[20].run("sh", "-c", visit)
        wait(20)


def traced(lab: Lab) -> None:
    """Somewhere to trace to."""
    lab.customer(20)
    lab.silent("203.0.113.200/32")


@scenario(
    traced,
    shows="mtr traces the way to two hosts, one of which is silent, fifty probes each.",
    packages=("mtr-tiny",),
    customers=(20,),
)
def benign_traceroute(lab: Lab) -> None:
    """Two traces."""
    for target in ("203.0.113.10", "203.0.113.200"):
        lab.customers[20].run("mtr", "-n", "-r", "-c", 50, "-i", 0.3, target, seconds=60)


def speed_server(lab: Lab) -> None:
    """iperf3 waiting."""
    lab.customer(20, mbit=20)
    lab.internet.start("iperf3", "-s", "-B", "203.0.113.10")
    servers.listening(lab.internet, "203.0.113.10", 5201)


@scenario(
    speed_server,
    shows="A speed test: iperf3 uploads over TCP as fast as a 20 Mbit/s line allows, then downloads.",
    packages=("iperf3",),
    customers=(20,),
)
def benign_speed_test(lab: Lab) -> None:
    """Two megabytes each way."""
    for direction in ((), ("-R",)):
        lab.customers[20].run("iperf3", "-c", "203.0.113.10", "-n", "2M", *direction)


@scenario(
    speed_server,
    shows="Voice: iperf3 sends and receives fifty UDP datagrams of 172 bytes a second each way for a minute, as a telephone call does.",
    packages=("iperf3",),
    customers=(20,),
)
def benign_voice(lab: Lab) -> None:
    """A call of a minute."""
    lab.customers[20].run("iperf3", "-c", "203.0.113.10", "-u", "-l", 172, "-b", "69k", "--bidir", "-t", 60, seconds=80)


def name_server(lab: Lab) -> None:
    """The customer's authoritative name server."""
    customer = lab.customer(20)
    zone = lab.file(
        "zone.conf",
        f'server:\n interface: {v4(20)}\n access-control: 0.0.0.0/0 allow\n do-daemonize: no\n username: ""\n chroot: ""\n'
        f' directory: "{lab.scratch}"\n pidfile: ""\n use-syslog: no\n local-zone: "customer.example." static\n'
        ' local-data: "www.customer.example. 300 IN A 198.51.100.20"\n',
    )
    customer.start("unbound", "-d", "-c", zone)
    servers.listening(customer, v4(20), 53)
    lab.file("asked.txt", "www.customer.example A\nno.customer.example AAAA\n" * 20)


@scenario(
    name_server,
    shows="A customer's authoritative name server answers forty queries from each of sixty resolvers.",
    packages=("unbound", "dnsperf"),
    customers=(20,),
    roles={20: ("dns_authoritative",)},
)
def benign_authority(lab: Lab) -> None:
    """Sixty resolvers, one after the other."""
    for number in range(1, 61):
        lab.internet.run("dnsperf", "-s", v4(20), "-a", f"203.0.113.{number}", "-d", lab.scratch / "asked.txt", "-n", 1, "-Q", 80, shown=number == 1)


INNER = ("2001:db8:7::1", "2001:db8:7::2")


def tunnel(lab: Lab) -> None:
    """A GRE tunnel between two sites, IPv6 inside, with iperf3 at the far end."""
    far, near = "203.0.113.10", v4(20)
    customer = lab.customer(20, mbit=20)
    customer.start("python3", lab.tools / "gre_tunnel.py", near, far, f"{INNER[0]}/64")
    lab.internet.start("python3", lab.tools / "gre_tunnel.py", far, near, f"{INNER[1]}/64")
    wait(2)
    lab.internet.start("iperf3", "-s", "-B", INNER[1], shown=False)
    servers.listening(lab.internet, INNER[1], 5201)


@scenario(
    tunnel,
    shows="A GRE tunnel between two sites: six seconds of upload over TCP, then six of datagrams in one direction, 9 Mbit/s each.",
    packages=("iperf3",),
    customers=(20,),
    remark="The ends of the tunnel are captures/lab/tools/gre_tunnel.py, since the kernel of the lab has no GRE.",
)
def benign_tunnel(lab: Lab) -> None:
    """Ten thousand packets of GRE one way, acknowledgements and reports the other."""
    for kind in ((), ("-u", "-l", 1200)):
        lab.customers[20].run("iperf3", "-c", INNER[1], "-b", "9M", "-t", 6, *kind)
