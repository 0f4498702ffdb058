"""Customers whose open service is abused as a reflector: forged requests come in, large answers go to the victim."""

from lab import servers
from lab.scenario import Expected, scenario
from lab.topology import Lab, v4, wait

VICTIM = "192.0.2.99"
# A TXT record of 2.5 kB asked for with EDNS and 4,096 bytes of room (RFC 1035, RFC 6891).
DNS_QUERY = "12340100000100000000000103626967077265666c65637400001000010000291000000000000000"
# SNMPv2c GetBulk (RFC 3416), community public, OID 1.3.6.1.2.1, non-repeaters 0, max-repetitions 100.
SNMP_QUERY = "302602010104067075626c6963a51902044a69bd3f020100020164300b300906052b060102010500"
MEMCACHED_QUERY = "000000000001000067657420610d0a"
REFLECTED = (Expected("amplification-reflector", "amplification", v4(30)),)


def forged(lab: Lab, port: int, payload: str, count: int, per_second: int) -> None:
    """`count` requests in the victim's name."""
    lab.internet.run("python3", lab.tools / "forged_requests.py", VICTIM, v4(30), port, count, per_second, payload, seconds=60)


def victim(lab: Lab) -> None:
    """Customer 30, and a victim that is silent."""
    lab.customer(30)
    lab.silent(f"{VICTIM}/32")


def dns_reflector(lab: Lab) -> None:
    """unbound open to all, with one large record."""
    victim(lab)
    texts = " ".join(f'"{number:03d}{"x" * 240}"' for number in range(10))
    config = lab.file(
        "open.conf",
        f'server:\n interface: {v4(30)}\n access-control: 0.0.0.0/0 allow\n do-daemonize: no\n username: ""\n chroot: ""\n'
        f' directory: "{lab.scratch}"\n pidfile: ""\n use-syslog: no\n max-udp-size: 4096\n local-zone: "reflect." static\n'
        f" local-data: 'big.reflect. 3600 IN TXT {texts}'\n",
    )
    lab.customers[30].start("unbound", "-d", "-c", config)
    servers.listening(lab.customers[30], v4(30), 53)


@scenario(
    dns_reflector,
    shows="A customer's open resolver is asked for a record of 2.5 kB in a victim's name, 150 times a second.",
    packages=("unbound", "python3-minimal"),
    customers=(30,),
    findings=REFLECTED,
    remark="The requests come from captures/lab/tools/forged_requests.py.",
)
def amplification_dns(lab: Lab) -> None:
    """Three thousand requests."""
    forged(lab, 53, DNS_QUERY, 3000, 150)


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
    remark="The requests come from captures/lab/tools/forged_requests.py.",
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
    remark="The requests come from captures/lab/tools/forged_requests.py.",
)
def amplification_snmp(lab: Lab) -> None:
    """2,600 requests."""
    forged(lab, 161, SNMP_QUERY, 2600, 130)
