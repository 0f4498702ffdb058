"""Honest traffic over IPv6 that differs from its kin in `benign` in more than the version: in length, mostly. Each must give no finding."""

from functools import partial

from lab.benign import (
    TUNNEL,
    asked_by_sixty,
    call,
    crawl,
    crawled_sites,
    fill_tunnel,
    mail_peers,
    measure_line,
    name_server,
    push_twice,
    resolver,
    speed_server,
    ssh_server,
    tunnel,
    watch,
    watched_hosts,
    web,
)
from lab.scenario import scenario
from lab.topology import IPV6, Lab, wait


@scenario(
    partial(web, family=IPV6),
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


@scenario(
    partial(watched_hosts, family=IPV6),
    shows="A monitoring host asks fifty web servers each half minute by HTTP and ping over IPv6; five of them are down.",
    packages=("curl", "fping", "nginx-light"),
    customers=(20,),
    remark="The inventory does not know that this host monitors.",
)
def benign_monitor_v6(lab: Lab) -> None:
    """Three rounds."""
    watch(lab, IPV6, 3)


@scenario(
    partial(resolver, family=IPV6),
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


@scenario(
    partial(mail_peers, family=IPV6),
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


@scenario(
    partial(speed_server, family=IPV6),
    shows="A speed test over IPv6: iperf3 uploads over TCP as fast as a 20 Mbit/s line allows, then downloads.",
    packages=("iperf3",),
    customers=(20,),
)
def benign_speed_test_v6(lab: Lab) -> None:
    """Six hundred kilobytes each way."""
    measure_line(lab, IPV6, "600K")


@scenario(
    partial(speed_server, family=IPV6),
    shows="Voice over IPv6: iperf3 sends and receives fifty UDP datagrams of 172 bytes a second each way for half a minute, as a telephone call does.",
    packages=("iperf3",),
    customers=(20,),
)
def benign_voice_v6(lab: Lab) -> None:
    """A short call."""
    call(lab, IPV6, 30)


@scenario(
    partial(ssh_server, family=IPV6),
    shows="A nightly backup over IPv6: rsync over SSH pushes 1.2 MB in sixty files at 20 Mbit/s, then runs again and finds nothing to do.",
    packages=("rsync", "openssh-client", "openssh-server"),
    customers=(20,),
    roles={20: ("backup",)},
)
def benign_backup_v6(lab: Lab) -> None:
    """Push twice."""
    push_twice(lab, IPV6, 60)


@scenario(
    partial(crawled_sites, family=IPV6),
    shows="A crawler asks sixty web sites over IPv6 for two pages each; six of the sites are dead links.",
    packages=("curl", "nginx-light"),
    customers=(20,),
)
def benign_crawler_v6(lab: Lab) -> None:
    """Two rounds."""
    crawl(lab, IPV6, "index.html", "4k")


@scenario(
    partial(name_server, family=IPV6, questions=16),
    shows="A customer's authoritative name server answers sixteen queries over IPv6 from each of sixty resolvers.",
    packages=("unbound", "dnsperf"),
    customers=(20,),
    roles={20: ("dns_authoritative",)},
)
def benign_authority_v6(lab: Lab) -> None:
    """A fifth of a second of each."""
    asked_by_sixty(lab, IPV6)


@scenario(
    partial(tunnel, family=IPV6),
    shows="A GRE tunnel between two sites over IPv6: a second of upload over TCP, then one of datagrams in one direction, 9 Mbit/s each.",
    **TUNNEL,
)
def benign_tunnel_v6(lab: Lab) -> None:
    """Fifteen hundred packets of GRE one way, acknowledgements and reports the other."""
    fill_tunnel(lab, 1)
