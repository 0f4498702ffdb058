"""The look-alikes: honest traffic that a careless rule would call an attack. Each must give no finding."""

from functools import partial

from lab import servers
from lab.scenario import in_both, scenario
from lab.topology import IPV4, IPV6, Family, Lab, literal, wait


def ssh_options(lab: Lab) -> tuple[object, ...]:
    """A client that asks nothing and keeps its files in the lab."""
    return ("-i", lab.scratch / "ssh_key", "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={lab.scratch}/known")


def web(lab: Lab, family: Family) -> None:
    """A reader, and sites to read."""
    customer = lab.customer(20, mbit=50)
    customer.names(sites(lab, family))


def sites(lab: Lab, family: Family) -> str:
    """Twelve sites with names, and a resolver that knows them: its address."""
    resolver = family.beta(53)
    hosts = {f"site{number}.example": family.alpha(number + 20) for number in range(12)}
    servers.names(lab.internet, resolver, hosts)
    servers.nginx(lab, lab.internet, *hosts.values())
    return resolver


@scenario(
    partial(web, family=IPV4),
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


def resolver(lab: Lab, family: Family) -> None:
    """A recursive resolver at the customer and 150 authoritative servers; ten zones' servers are dead."""
    customer = lab.customer(20)
    zones = {f"zone{number}.example": family.alpha(number + 1) for number in range(150)}
    lab.silent(*list(zones.values())[139:149])
    own = f' do-daemonize: no\n username: ""\n chroot: ""\n directory: "{lab.scratch}"\n pidfile: ""\n use-syslog: no\n'
    answers = (
        f"server:\n{own} interface: {family.everywhere}\n interface-automatic: yes\n access-control: {family.everywhere}/0 allow\n"
        ' local-zone: "example." redirect\n local-data: "example. 30 IN A 203.0.113.80"\n'
    )
    asks = f'server:\n{own} interface: 127.0.0.1\n module-config: "iterator"\n local-zone: "example." nodefault\n'
    stubs = "".join(f'stub-zone:\n name: "{zone}"\n stub-addr: {address}\n' for zone, address in zones.items())
    lab.internet.start("unbound", "-d", "-c", lab.file("authority.conf", answers))
    customer.start("unbound", "-d", "-c", lab.file("resolver.conf", f"{asks}{stubs}"))
    servers.listening(lab.internet, family.alpha(1), 53)
    servers.listening(customer, "127.0.0.1", 53)
    lab.file("queries.txt", "".join(f"host{turn}.zone{number}.example A\n" for turn in range(10) for number in range(150)))


@scenario(
    partial(resolver, family=IPV4),
    shows="A customer's recursive resolver asks 150 name servers, about 25 queries a second; ten of the servers do not answer.",
    packages=("unbound", "dnsperf"),
    customers=(20,),
    roles={20: ("resolver",)},
)
def benign_resolver(lab: Lab) -> None:
    """1,500 questions from the resolver's own clients, within a minute."""
    lab.customers[20].run("dnsperf", "-s", "127.0.0.1", "-d", lab.scratch / "queries.txt", "-Q", 25, "-n", 1, seconds=75)


def ssh_server(lab: Lab, family: Family) -> None:
    """sshds of two operators that let the customer's key in."""
    lab.customer(20, mbit=20)
    servers.sshd(lab, lab.internet, family.alpha(10), family.beta(10))


@in_both(
    ssh_server,
    shows="A person works over SSH{over}: one session of eighty seconds, typed at a person's pace, and eight short commands on two hosts.",
    packages=("openssh-client", "openssh-server"),
    customers=(20,),
    remark="The typing is done by captures/lab/tools/typist.py on a terminal of its own, with a person's pauses.",
)
def benign_ssh(lab: Lab, family: Family) -> None:
    """Type beside a few short sessions."""
    customer, options = lab.customers[20], ssh_options(lab)
    hosts = (family.alpha(10), family.beta(10))
    typing = customer.start("python3", lab.tools / "typist.py", 80, "ssh", *options, f"root@{hosts[0]}")
    for number, command in enumerate(("uptime", "df -h", "uname -a", "ls -lR /etc", "id", "cat /etc/services", "true", "date")):
        wait(6 + number % 4)
        customer.run("ssh", *options, f"root@{hosts[number % 2]}", command)
    typing.wait(120)


def push_twice(lab: Lab, family: Family, files: int) -> None:
    """rsync over SSH, then once more when nothing has changed."""
    for number in range(files):
        (lab.file(f"home/file{number}", "")).write_bytes(bytes((number * 7 + step) % 251 for step in range(1000)) * 20)
    shell, there = " ".join(map(str, ("ssh", *ssh_options(lab)))), f"root@{literal(family.alpha(10))}:{lab.scratch}/copy/"
    for _ in range(2):
        lab.customers[20].run("rsync", "-a", "-e", shell, f"{lab.scratch}/home/", there)
        wait(5)


@scenario(
    partial(ssh_server, family=IPV4),
    shows="A nightly backup: rsync over SSH pushes 3.6 MB in 180 files at 20 Mbit/s, then runs again and finds nothing to do.",
    packages=("rsync", "openssh-client", "openssh-server"),
    customers=(20,),
    roles={20: ("backup",)},
)
def benign_backup(lab: Lab) -> None:
    """Push twice."""
    push_twice(lab, IPV4, 180)


@in_both(
    ssh_server,
    shows="A build server polls a git repository over SSH{over} every fifteen seconds for seven minutes: thirty sessions, all alike.",
    packages=("git", "openssh-client", "openssh-server"),
    customers=(20,),
    roles={20: ("monitor",)},
    remark="The hardest look-alike of a password attack: established sessions of one size at an even pace, four a minute. Flows do not "
    "say that each of them succeeded; so the inventory must say that this host polls (role monitor).",
)
def benign_git_poll_fast(lab: Lab, family: Family) -> None:
    """Poll."""
    poll(lab, family, every_seconds=15, times=28)


@in_both(
    ssh_server,
    shows="A build server polls a git repository over SSH{over} every sixty seconds for eight minutes.",
    packages=("git", "openssh-client", "openssh-server"),
    customers=(20,),
)
def benign_git_poll(lab: Lab, family: Family) -> None:
    """Poll at a common pace."""
    poll(lab, family, every_seconds=60, times=8)


def poll(lab: Lab, family: Family, every_seconds: float, times: int) -> None:
    """`git ls-remote` again and again."""
    make = f"git init -q {lab.scratch}/repo && cd {lab.scratch}/repo && git -c user.name=x -c user.email=x@x.example commit -q --allow-empty -m x"
    lab.internet.run("sh", "-c", make)
    shell, repository = " ".join(map(str, ("ssh", *ssh_options(lab)))), f"root@{literal(family.alpha(10))}:{lab.scratch}/repo"
    for turn in range(times):
        lab.customers[20].run("git", "-c", f"core.sshCommand={shell}", "ls-remote", repository, shown=turn == 0)
        wait(every_seconds)


def watched_hosts(lab: Lab, family: Family) -> None:
    """Fifty hosts with a web server, of which five are down."""
    lab.customer(20)
    servers.nginx(lab, lab.internet, *(family.alpha(number) for number in range(1, 51)))
    lab.silent(*(family.alpha(number) for number in range(46, 51)))


def watch(lab: Lab, family: Family, rounds: int) -> None:
    """Ping all, then ask all for a page."""
    hosts = [family.alpha(number) for number in range(1, 51)]
    pages = [f"http://{literal(host)}/index.html" for host in hosts]
    for turn in range(rounds):
        lab.customers[20].run("fping", *family.flag(), "-q", "-c", 1, *hosts, shown=turn == 0)
        lab.customers[20].run("curl", "-s", "-Z", "-m", 5, "-o", "/dev/null", *pages, shown=turn == 0)
        wait(20)


@scenario(
    partial(watched_hosts, family=IPV4),
    shows="A monitoring host asks fifty web servers each thirty seconds by HTTP and ping; five of them are down.",
    packages=("curl", "fping", "nginx-light"),
    customers=(20,),
    roles={20: ("monitor",)},
)
def benign_monitor(lab: Lab) -> None:
    """Four rounds."""
    watch(lab, IPV4, 4)


def mail_peers(lab: Lab, family: Family) -> None:
    """Mail servers everywhere."""
    lab.customer(20)
    servers.smtp_sink(lab.internet, literal(family.everywhere))


@scenario(
    partial(mail_peers, family=IPV4),
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


def time_servers(lab: Lab, _: Family) -> None:
    """chronyd answering on every address of the internet (it never sets a clock here: -x)."""
    lab.customer(20)
    serve = lab.file("served.conf", f"allow all\nlocal stratum 2\ncmdport 0\nbindcmdaddress /\npidfile {lab.scratch}/served.pid\n")
    lab.internet.start("chronyd", "-d", "-x", "-u", "root", "-f", serve)


@in_both(
    time_servers,
    shows="A customer's chronyd sets out with four time servers{over} (burst, then every sixteen seconds).",
    packages=("chrony",),
    customers=(20,),
)
def benign_ntp(lab: Lab, family: Family) -> None:
    """Ninety seconds of NTP."""
    asked = (family.alpha(123), family.beta(123), family.gamma(123), family.delta(123))
    sources = "".join(f"server {address} iburst minpoll 4 maxpoll 4\n" for address in asked)
    config = lab.file("client.conf", f"{sources}cmdport 0\nbindcmdaddress /\npidfile {lab.scratch}/client.pid\n")
    lab.customers[20].run("chronyd", "-d", "-x", "-u", "root", "-f", config, seconds=90)


def served_customer(lab: Lab, family: Family) -> None:
    """The customer's own web server, the target here."""
    servers.nginx(lab, lab.customer(20), family.own(20))


@in_both(
    served_customer,
    shows="Somebody outside scans a thousand ports of our customer{over}: the customer's many resets go to the scanner, he attacks nobody.",
    packages=("nmap", "nginx-light"),
    customers=(20,),
)
def benign_scanned(lab: Lab, family: Family) -> None:
    """An inbound scan."""
    lab.internet.speak_as(family.alpha(77))
    lab.internet.run("nmap", *family.flag(), "-sS", "-Pn", "-n", "--max-rate", 200, family.own(20))


def flood_from_nowhere(lab: Lab, family: Family, strangers: str, count: int) -> None:
    """Forged SYNs to the customer, whose answers go to strangers who do not reset."""
    lab.silent(strangers)
    lab.internet.run("python3", lab.tools / "forged_syns.py", strangers, family.own(20), 80, count, 200, seconds=40)


BACKSCATTER = {
    "packages": ("nginx-light",),
    "customers": (20,),
    "remark": "The forged SYNs come from captures/lab/tools/forged_syns.py: hping3 --rand-source would leave the lab's address ranges.",
}


@scenario(
    partial(served_customer, family=IPV4),
    shows="Backscatter: our customer's web server is SYN-flooded with forged sources; its SYN-ACKs go to two thousand strangers.",
    **BACKSCATTER,
)
def benign_backscatter(lab: Lab) -> None:
    """The victim's answers are not an attack."""
    flood_from_nowhere(lab, IPV4, "198.18.0.0/16", 2000)


@scenario(
    partial(served_customer, family=IPV6),
    shows="Backscatter over IPv6: our customer's web server is SYN-flooded with forged sources; its SYN-ACKs go to four hundred and fifty strangers.",
    **BACKSCATTER,
)
def benign_backscatter_v6(lab: Lab) -> None:
    """As above."""
    flood_from_nowhere(lab, IPV6, IPV6.network(IPV6.gamma(0)), 450)


def crawled_sites(lab: Lab, family: Family) -> None:
    """Sixty sites, of which six have died."""
    lab.customer(20)
    servers.nginx(lab, lab.internet, *(family.alpha(number) for number in range(1, 61)))
    lab.silent(*(family.alpha(number) for number in range(10, 61, 10)))


def crawl(lab: Lab, family: Family, *paths: str) -> None:
    """A round for each path, ten connections at once."""
    for path in paths:
        pages = [f"http://{literal(family.alpha(number))}/{path}" for number in range(1, 61)]
        lab.customers[20].run("curl", "-s", "-Z", "--parallel-max", 10, "-m", 8, "-o", "/dev/null", *pages)
        wait(5)


@scenario(
    partial(crawled_sites, family=IPV4),
    shows="A crawler asks sixty web sites for three pages each; six of the sites are dead links.",
    packages=("curl", "nginx-light"),
    customers=(20,),
)
def benign_crawler(lab: Lab) -> None:
    """Three rounds."""
    crawl(lab, IPV4, "index.html", "4k", "4k")


def fleet(lab: Lab, family: Family) -> None:
    """Thirty hosts that the customer administers."""
    lab.customer(20)
    servers.sshd(lab, lab.internet, family.everywhere, settings="MaxStartups 50\n")  # sshd listens on sixteen addresses at most
    lab.file("hosts.txt", "".join(f"{family.alpha(number)}\n" for number in range(1, 31)))


@in_both(
    fleet,
    shows="Configuration management from a bastion{over}: five at a time, thirty SSH servers are visited twice, each visit a few commands.",
    packages=("openssh-client", "openssh-server"),
    customers=(20,),
)
def benign_fleet(lab: Lab, _: Family) -> None:
    """Two rounds over thirty hosts."""
    ssh = " ".join(map(str, ("ssh", "-n", *ssh_options(lab))))
    for command in ("uname -a; df; mount", "true"):
        visit = f"xargs -P 5 -I HOST {ssh} root@HOST '{command}' < {lab.scratch}/hosts.txt"
        lab.customers[20].run("sh", "-c", visit)
        wait(20)


def traced(lab: Lab, family: Family) -> None:
    """Somewhere to trace to."""
    lab.customer(20)
    lab.silent(family.alpha(200))


@in_both(
    traced,
    shows="mtr traces the way to two hosts{over}, one of which is silent, fifty probes each.",
    packages=("mtr-tiny",),
    customers=(20,),
)
def benign_traceroute(lab: Lab, family: Family) -> None:
    """Two traces."""
    for target in (family.alpha(10), family.alpha(200)):
        lab.customers[20].run("mtr", *family.flag(), "-n", "-r", "-c", 50, "-i", 0.3, target, seconds=60)


def speed_server(lab: Lab, family: Family) -> None:
    """iperf3 waiting."""
    lab.customer(20, mbit=20)
    lab.internet.start("iperf3", "-s", "-B", family.alpha(10))
    servers.listening(lab.internet, family.alpha(10), 5201)


def measure_line(lab: Lab, family: Family, size: str) -> None:
    """So much each way."""
    for direction in ((), ("-R",)):
        lab.customers[20].run("iperf3", "-c", family.alpha(10), "-n", size, *direction)


@scenario(
    partial(speed_server, family=IPV4),
    shows="A speed test: iperf3 uploads over TCP as fast as a 20 Mbit/s line allows, then downloads.",
    packages=("iperf3",),
    customers=(20,),
)
def benign_speed_test(lab: Lab) -> None:
    """Two megabytes each way."""
    measure_line(lab, IPV4, "2M")


def call(lab: Lab, family: Family, seconds: int) -> None:
    """Fifty small datagrams a second each way."""
    lab.customers[20].run("iperf3", "-c", family.alpha(10), "-u", "-l", 172, "-b", "69k", "--bidir", "-t", seconds, seconds=seconds + 20)


@scenario(
    partial(speed_server, family=IPV4),
    shows="Voice: iperf3 sends and receives fifty UDP datagrams of 172 bytes a second each way for a minute, as a telephone call does.",
    packages=("iperf3",),
    customers=(20,),
)
def benign_voice(lab: Lab) -> None:
    """A call of a minute."""
    call(lab, IPV4, 60)


def name_server(lab: Lab, family: Family, questions: int) -> None:
    """The customer's authoritative name server, and what each resolver asks it."""
    customer = lab.customer(20)
    zone = lab.file(
        "zone.conf",
        f'server:\n interface: {family.own(20)}\n access-control: {family.everywhere}/0 allow\n do-daemonize: no\n username: ""\n chroot: ""\n'
        f' directory: "{lab.scratch}"\n pidfile: ""\n use-syslog: no\n local-zone: "customer.example." static\n'
        ' local-data: "www.customer.example. 300 IN A 198.51.100.20"\n',
    )
    customer.start("unbound", "-d", "-c", zone)
    servers.listening(customer, family.own(20), 53)
    lab.file("asked.txt", "www.customer.example A\nno.customer.example AAAA\n" * (questions // 2))


def asked_by_sixty(lab: Lab, family: Family) -> None:
    """Sixty resolvers, one after the other."""
    for number in range(1, 61):
        lab.internet.run("dnsperf", "-s", family.own(20), "-a", family.alpha(number), "-d", lab.scratch / "asked.txt", "-n", 1, "-Q", 80, shown=number == 1)


@scenario(
    partial(name_server, family=IPV4, questions=40),
    shows="A customer's authoritative name server answers forty queries from each of sixty resolvers.",
    packages=("unbound", "dnsperf"),
    customers=(20,),
    roles={20: ("dns_authoritative",)},
)
def benign_authority(lab: Lab) -> None:
    """Half a second of each."""
    asked_by_sixty(lab, IPV4)


INNER = ("2001:db8:7::1", "2001:db8:7::2")


def tunnel(lab: Lab, family: Family) -> None:
    """A GRE tunnel between two sites, IPv6 inside, with iperf3 at the far end."""
    far, near = family.alpha(10), family.own(20)
    customer = lab.customer(20, mbit=20)
    customer.start("python3", lab.tools / "gre_tunnel.py", near, far, f"{INNER[0]}/64")
    lab.internet.start("python3", lab.tools / "gre_tunnel.py", far, near, f"{INNER[1]}/64")
    wait(2)
    lab.internet.start("iperf3", "-s", "-B", INNER[1], shown=False)
    servers.listening(lab.internet, INNER[1], 5201)


def fill_tunnel(lab: Lab, seconds: int) -> None:
    """TCP, then datagrams in one direction."""
    for kind in ((), ("-u", "-l", 1200)):
        lab.customers[20].run("iperf3", "-c", INNER[1], "-b", "9M", "-t", seconds, *kind)


TUNNEL = {
    "packages": ("iperf3",),
    "customers": (20,),
    "remark": "The ends of the tunnel are captures/lab/tools/gre_tunnel.py, since the kernel of the lab has no GRE.",
}


@scenario(
    partial(tunnel, family=IPV4),
    shows="A GRE tunnel between two sites: six seconds of upload over TCP, then six of datagrams in one direction, 9 Mbit/s each.",
    **TUNNEL,
)
def benign_tunnel(lab: Lab) -> None:
    """Ten thousand packets of GRE one way, acknowledgements and reports the other."""
    fill_tunnel(lab, 6)
