"""Customers whose open service is abused as a reflector: forged requests come in, large answers go to the victim."""

from lab import servers
from lab.scenario import Expected, scenario
from lab.topology import Lab, v4, v6, wait

VICTIM, VICTIM_6 = "192.0.2.99", "2001:db8:ffff:b::99"
# A TXT record of 2.5 kB asked for with EDNS and 4,096 bytes of room (RFC 1035, RFC 6891).
DNS_QUERY = "12340100000100000000000103626967077265666c65637400001000010000291000000000000000"
# SNMPv2c GetBulk (RFC 3416), community public, OID 1.3.6.1.2.1, non-repeaters 0, max-repetitions 100.
SNMP_QUERY = "302602010104067075626c6963a51902044a69bd3f020100020164300b300906052b060102010500"
MEMCACHED_QUERY = "000000000001000067657420610d0a"
# NTP's mode 6 (RFC 9327): read the system's variables.
NTP_QUERY = "160200010000000000000000"
# A DUMP of the port mapper, program 100000 version 3 procedure 4 (RFC 1833, RFC 5531).
PORTMAP_QUERY = "123456780000000000000002000186a0000000030000000400000000000000000000000000000000"
SSDP_QUERY = b'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nMX: 1\r\nST: ssdp:all\r\n\r\n'.hex()
REFLECTED = (Expected("amplification-reflector", "amplification", v4(30)),)
SENT_BY = "The requests come from captures/lab/tools/forged_requests.py."


def forged(lab: Lab, port: int, payload: str, count: int, per_second: int, ends: tuple[str, str] = (VICTIM, v4(30))) -> None:
    """`count` requests in the victim's name."""
    lab.internet.run("python3", lab.tools / "forged_requests.py", *ends, port, count, per_second, payload, seconds=60)


def victim(lab: Lab) -> None:
    """Customer 30, and a victim that is silent."""
    lab.customer(30)
    lab.silent(f"{VICTIM}/32", f"{VICTIM_6}/128")


def dns_reflector(lab: Lab, address: str = v4(30)) -> None:
    """unbound open to all, with one large record."""
    victim(lab)
    texts = " ".join(f'"{number:03d}{"x" * 240}"' for number in range(10))
    config = lab.file(
        "open.conf",
        f'server:\n interface: {address}\n access-control: ::/0 allow\n access-control: 0.0.0.0/0 allow\n do-daemonize: no\n username: ""\n chroot: ""\n'
        f' directory: "{lab.scratch}"\n pidfile: ""\n use-syslog: no\n max-udp-size: 4096\n local-zone: "reflect." static\n'
        f" local-data: 'big.reflect. 3600 IN TXT {texts}'\n",
    )
    lab.customers[30].start("unbound", "-d", "-c", config)
    servers.listening(lab.customers[30], address, 53)


@scenario(
    dns_reflector,
    shows="A customer's open resolver is asked for a record of 2.5 kB in a victim's name, 150 times a second.",
    packages=("unbound", "python3-minimal"),
    customers=(30,),
    findings=REFLECTED,
    remark=SENT_BY,
)
def amplification_dns(lab: Lab) -> None:
    """Three thousand requests."""
    forged(lab, 53, DNS_QUERY, 3000, 150)


@scenario(
    lambda lab: dns_reflector(lab, v6(30)),
    shows="A customer's open resolver is asked over IPv6 for a record of 2.5 kB in a victim's name, 150 times a second.",
    packages=("unbound", "python3-minimal"),
    customers=(30,),
    findings=(Expected("amplification-reflector", "amplification", v6(30)),),
    remark=SENT_BY,
)
def amplification_dns_v6(lab: Lab) -> None:
    """2,500 requests."""
    forged(lab, 53, DNS_QUERY, 2500, 150, (VICTIM_6, v6(30)))


def memcached_reflector(lab: Lab) -> None:
    """memcached on UDP with one value of 100 kB."""
    victim(lab)
    lab.customers[30].start("memcached", "-u", "nobody", "-l", v4(30), "-U", 11211)
    servers.listening(lab.customers[30], v4(30), 11211)
    store = f"import socket; s = socket.create_connection(({v4(30)!r}, 11211)); s.sendall(b'set a 0 0 100000\\r\\n' + b'x' * 100000 + b'\\r\\n'); s.recv(99)"
    lab.customers[30].run("python3", "-c", store, shown=False)
    wait(0.5)


@scenario(
    memcached_reflector,
    shows="A customer's memcached, open on UDP, is asked for a value of 100 kB in a victim's name, six times a second.",
    packages=("memcached", "python3-minimal"),
    customers=(30,),
    findings=REFLECTED,
    remark=SENT_BY,
)
def amplification_memcached(lab: Lab) -> None:
    """Sixty requests, seventy datagrams each."""
    forged(lab, 11211, MEMCACHED_QUERY, 60, 6)


def snmp_reflector(lab: Lab) -> None:
    """snmpd with the community `public`."""
    victim(lab)
    config = lab.file("snmpd.conf", f"agentaddress udp:{v4(30)}:161\nrocommunity public\nmaster no\n")
    lab.customers[30].start("snmpd", "-f", "-Lo", "-C", "-c", config, "-I", "-smux,-mteTrigger")
    wait(2)


@scenario(
    snmp_reflector,
    shows="A customer's snmpd with the community public answers GetBulk requests in a victim's name, 130 times a second.",
    packages=("snmpd", "python3-minimal"),
    customers=(30,),
    findings=REFLECTED,
    remark=SENT_BY,
)
def amplification_snmp(lab: Lab) -> None:
    """2,600 requests."""
    forged(lab, 161, SNMP_QUERY, 2600, 130)


def ntp_reflector(lab: Lab) -> None:
    """ntpd that tells strangers about itself, as it did before 2010; it sets no clock here and asks nobody for the time."""
    victim(lab)
    policy = "Open access. Please send no more than one query a minute, and a word to the owner if you use this server from more than ten hosts. " * 2
    config = lab.file(
        "ntp.conf",
        f'disable ntp\ndisable kernel\nunrestrict default noquery limited kod\nsetvar policy = "{policy}" default\n'
        f"interface ignore all\ninterface listen {v4(30)}\nstatsdir {lab.scratch}/\n",
    )
    lab.customers[30].start("ntpd", "-n", "-c", config, "-f", lab.scratch / "drift")
    wait(3)


@scenario(
    ntp_reflector,
    shows="A customer's NTP server that answers control queries (mode 6) is asked for its variables in a victim's name, 300 times a second.",
    packages=("ntpsec", "python3-minimal"),
    customers=(30,),
    findings=REFLECTED,
    remark=f"{SENT_BY} Debian's ntpd (NTPsec) knows mode 7 and its monlist no more, refuses mode 6 to strangers and "
    "answers nobody more than a few times a second unless it is told otherwise, and gives its list of clients (mrulist) only to those who can read an "
    "answer first. What is left are the variables, here with one of the owner's own.",
)
def amplification_ntp(lab: Lab) -> None:
    """4,400 requests."""
    forged(lab, 123, NTP_QUERY, 4400, 300)


def ssdp_reflector(lab: Lab) -> None:
    """miniupnpd that takes a quarter of all addresses for its own network."""
    victim(lab)
    router = lab.customers[30]
    router.ip("link", "add", "wan", "type", "veth", "peer", "name", "wan-end")
    for end in ("wan", "wan-end"):
        router.ip("link", "set", end, "up")
    router.ip("addr", "add", "203.0.113.5/32", "dev", "wan")
    config = lab.file("miniupnpd.conf", f"ext_ifname=wan\nlistening_ip={v4(30)}/2\nport=5000\nenable_natpmp=no\nenable_upnp=yes\n")
    router.start("miniupnpd", "-d", "-f", config, "-P", lab.scratch / "miniupnpd.pid")
    servers.listening(router, v4(30), 5000)


@scenario(
    ssdp_reflector,
    shows="A customer's UPnP router answers each search (SSDP) in a victim's name with thirteen datagrams, thirty times a second.",
    packages=("miniupnpd", "python3-minimal"),
    customers=(30,),
    findings=REFLECTED,
    remark=f"{SENT_BY} Today's daemons (miniupnpd, minissdpd, minidlna) answer only whom they take for their own network; this one is told that its "
    "network is 192.0.0.0/2, as those act that never look.",
)
def amplification_ssdp(lab: Lab) -> None:
    """Nine hundred requests."""
    forged(lab, 1900, SSDP_QUERY, 900, 30)
    wait(2)


def portmap_reflector(lab: Lab) -> None:
    """rpcbind as Debian starts it, open to all."""
    victim(lab)
    lab.customers[30].start("rpcbind", "-f", "-w", "-h", v4(30))
    servers.listening(lab.customers[30], v4(30), 111)


@scenario(
    portmap_reflector,
    shows="A customer's open port mapper is asked for its list in a victim's name, 250 times a second.",
    packages=("rpcbind", "python3-minimal"),
    customers=(30,),
    findings=REFLECTED,
    remark=SENT_BY,
)
def amplification_portmap(lab: Lab) -> None:
    """4,800 requests."""
    forged(lab, 111, PORTMAP_QUERY, 4800, 250)
