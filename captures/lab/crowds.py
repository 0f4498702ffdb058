"""Look-alikes with many machines behind one address, many peers, many readers or a stream that hardly anybody answers."""

import hashlib
from functools import partial
from ipaddress import ip_address
from pathlib import Path

from lab import servers
from lab.benign import sites, ssh_options
from lab.leads import turns
from lab.scenario import in_both, scenario
from lab.topology import IPV4, IPV6, Family, Lab, Namespace, literal, v4, v6, wait

TRACKER, PEERS = "203.0.113.10", tuple(f"192.0.2.{number}" for number in range(11, 19))
GONE = tuple(f"198.18.3.{number}" for number in range(1, 31))
CDN_READERS = 15


def browse(place: Namespace, seed: int, pages: int) -> None:
    """Read pages with pictures in the background, each site in a browser's manner."""
    page = "http://site$s.example"
    files = " ".join(f"{page}/{path}" for path in ("index.html", "4k", "40k", "4k", "4k"))
    loop = f"for n in $(seq 1 {pages}); do s=$(( (n * 5 + {seed}) % 12 )); curl -s -m 9 -Z --parallel-max 3 -o /dev/null {files}; sleep $(( 2 + (n + {seed}) % 4 )); done"
    place.start("sh", "-c", loop, shown=seed == 0)


def household(lab: Lab) -> None:
    """A customer's router and six machines behind it; only the router has an address of its own."""
    router = lab.customer(20, mbit=50)
    resolver = sites(lab, IPV4)
    servers.sshd(lab, lab.internet, "203.0.113.10")
    inner(lab, router, resolver, 6)
    hide = (
        'table ip nat {\n chain out {\n  type nat hook postrouting priority 100\n  oifname "eth0" masquerade\n }\n}\n'
    )
    if router.run("nft", "-f", lab.file("nat.nft", hide)):
        raise RuntimeError("nft does not take the rules of the gateway")


def inner(lab: Lab, router: Namespace, resolver: str, count: int) -> None:
    """Machines with addresses of their own network (RFC 1918), which the uplink never shows."""
    for number in range(1, count + 1):
        machine = lab.behind[number] = Namespace(lab, f"inner-{number}")
        machine.create()
        router.join(machine, f"lan{number}", f"10.20.{number}.1", f"10.20.{number}.2")
        machine.names(resolver)


@scenario(
    household,
    shows="Six machines browse twelve sites behind one customer's address (NAT); one of them also works over SSH, and another polls a page every two seconds.",
    packages=("nftables", "curl", "nginx-light", "dnsmasq-base", "openssh-client", "openssh-server"),
    customers=(20,),
    remark="The inventory does not know that this is a gateway.",
)
def benign_nat(lab: Lab) -> None:
    """Forty seconds of six people."""
    for number, machine in lab.behind.items():
        browse(machine, number - 1, 6)
    lab.behind[3].start(
        "sh", "-c", "for n in $(seq 1 18); do curl -s -o /dev/null http://site3.example/index.html; sleep 2; done"
    )
    for turn in turns(6, 5, 0.3):
        lab.behind[5].run(
            "ssh", *ssh_options(lab), "root@203.0.113.10", ("uptime", "df", "ls -lR /etc")[turn % 3], shown=turn == 0
        )
    wait(8)


def exit_relay(lab: Lab, family: Family, gone: str) -> None:
    """A customer's SOCKS server that anybody may use; twelve sites with names, and a network of which nothing is left."""
    relay = lab.customer(20, mbit=50)
    relay.names(sites(lab, family))
    lab.silent(gone)
    relay.start("microsocks", "-i", family.own(20), "-p", 1080)
    servers.listening(relay, family.own(20), 1080)


def use_exit(lab: Lab, family: Family, users: tuple[str, ...], gone: tuple[str, ...], rounds: int) -> None:
    """Strangers read, and each asks at last for what is gone."""
    server = f"socks5h://{literal(family.own(20))}:1080"
    reading = []
    for number, user in enumerate(users, 1):
        page, asks = f"http://site$(( (n + {number}) % 12 )).example", f"-x {server} --interface {user}"
        loop = (
            f"for n in $(seq 1 {rounds}); do curl -s -m 9 {asks} -o /dev/null {page}/index.html {page}/4k; "
            f"sleep $(( 4 + (n + {number}) % 5 )); done; curl -s -m 5 {asks} http://{literal(gone[number % len(gone)])}/"
        )
        reading.append(lab.internet.start("sh", "-c", loop, shown=number == 1))
    for one in reading:
        one.wait(150)


EXIT = {
    "packages": ("microsocks", "curl", "nginx-light", "dnsmasq-base"),
    "customers": (20,),
    "remark": "The inventory does not know that this is an exit. Tor needs its directory; what leaves the exit is the same.",
}


@scenario(
    partial(exit_relay, family=IPV4, gone="198.18.9.0/24"),
    shows="An exit for others: twenty users outside reach twelve sites through a customer's SOCKS server, as through a VPN or Tor; one page in seven that they want "
    "is on a host that is gone.",
    **EXIT,
)
def benign_exit(lab: Lab) -> None:
    """A minute of strangers."""
    use_exit(lab, IPV4, tuple(f"198.19.7.{number}" for number in range(1, 21)), tuple(f"198.18.9.{number}" for number in range(1, 7)), 6)


@scenario(
    partial(exit_relay, family=IPV6, gone=IPV6.network(IPV6.delta(0))),
    shows="An exit for others over IPv6: ten users outside reach twelve sites through a customer's SOCKS server, as through a VPN or Tor; one page in five that they "
    "want is on a host that is gone.",
    **EXIT,
)
def benign_exit_v6(lab: Lab) -> None:
    """Half a minute of strangers."""
    use_exit(lab, IPV6, tuple(IPV6.gamma(number) for number in range(1, 11)), tuple(IPV6.delta(number) for number in range(1, 7)), 4)


def swarm(lab: Lab) -> None:
    """A tracker, eight peers that have the file, and thirty that told the tracker of themselves and have gone since."""
    lab.customer(20, mbit=20)
    file = lab.file("seed/film", "")
    file.write_bytes(bytes(range(256)) * 4096)
    torrent = lab.scratch / "film.torrent"
    lab.internet.run("mktorrent", "-l", "15", "-a", f"http://{TRACKER}:6969/announce", "-o", torrent, file)
    info = torrent.read_bytes()[torrent.read_bytes().index(b"4:info") + 6 : -1]
    lab.file("tracker/known", hashlib.sha1(info, usedforsecurity=False).hexdigest() + "\n")
    lab.internet.start(
        "opentracker", "-i", TRACKER, "-p", 6969, "-P", 6969, "-d", lab.scratch / "tracker", "-w", "/known"
    )
    servers.listening(lab.internet, TRACKER, 6969)
    seed(lab, torrent, PEERS)
    for number, peer in enumerate(GONE):
        lab.internet.run("python3", lab.tools / "announce.py", torrent, peer, 6881 + number % 9, shown=number == 0)
    wait(4)
    lab.silent("198.18.3.0/28")


def peer_options(lab: Lab, address: str, table: str) -> tuple[object, ...]:
    """A BitTorrent program at an address, with the distributed hash table of its version of IP (BEP 5, BEP 32) and nothing of the local network's."""
    if ":" in address:
        hashed = ("--enable-dht=false", "--enable-dht6=true", f"--dht-listen-addr6={address}", f"--dht-entry-point6={literal(PEERS_6[0])}:6881",
                  f"--dht-file-path6={lab.scratch}/{table}")  # fmt: skip
    else:
        hashed = ("--enable-dht=true", "--enable-dht6=false", f"--dht-entry-point={PEERS[0]}:6881", f"--dht-file-path={lab.scratch}/{table}")
    return ("-q", f"--interface={address}", "--listen-port=6881", "--dht-listen-port=6881", *hashed, "--bt-enable-lpd=false",
            f"--log={lab.scratch}/aria.log", "--log-level=warn")  # fmt: skip


def seed(lab: Lab, torrent: Path, peers: tuple[str, ...]) -> None:
    """The peers that have the file."""
    for number, peer in enumerate(peers):
        lab.internet.start("aria2c", *peer_options(lab, peer, f"dht{number}"), "-d", lab.scratch / "seed", "--bt-seed-unverified", "--seed-ratio=0",
                           torrent, shown=number == 0)  # fmt: skip


def fetch(lab: Lab, address: str, share_minutes: float) -> None:
    """Fetch, then share for a while."""
    lab.customers[20].run("aria2c", *peer_options(lab, address, "dht"), "-d", lab.scratch / "fetched", f"--seed-time={share_minutes}", "--max-download-limit=30K",
                          "--bt-request-peer-speed-limit=1M", lab.scratch / "film.torrent", seconds=110)  # fmt: skip


@scenario(
    swarm,
    shows="A BitTorrent peer: aria2 fetches a file of one megabyte from eight peers and tries thirty more that the tracker knows and that have gone; half of "
    "those refuse, half are silent. It speaks to others over the distributed hash table, too.",
    packages=("aria2", "opentracker", "mktorrent"),
    customers=(20,),
)
def benign_peer_to_peer(lab: Lab) -> None:
    """Thirty-five seconds, then a minute."""
    fetch(lab, v4(20), 1)


PEERS_6, GONE_6 = tuple(IPV6.beta(number) for number in range(11, 19)), tuple(IPV6.gamma(number) for number in range(1, 31))


def swarm_6(lab: Lab) -> None:
    """The same swarm, whose tracker is a web server with one answer for everybody (BEP 7)."""
    lab.customer(20, mbit=20)
    file = lab.file("seed/film", "")
    file.write_bytes(bytes(range(256)) * 768)
    torrent, tracker = lab.scratch / "film.torrent", IPV6.alpha(10)
    lab.internet.run("mktorrent", "-l", "15", "-a", f"http://{literal(tracker)}:6969/announce", "-o", torrent, file)
    known = b"".join(ip_address(peer).packed + (6881).to_bytes(2) for peer in PEERS_6 + GONE_6)
    answer = b"d8:intervali1800e5:peers0:6:peers6%d:%be" % (len(known), known)
    (servers.nginx(lab, lab.internet, tracker, port=6969) / "announce").write_bytes(answer)
    seed(lab, torrent, PEERS_6)
    wait(4)
    lab.silent(*GONE_6[:14])


@scenario(
    swarm_6,
    shows="A BitTorrent peer over IPv6: aria2 fetches a file of two hundred kilobytes from eight peers and tries thirty more that the tracker knows and that have "
    "gone; half of those refuse, half are silent. It speaks to others over the distributed hash table, too.",
    packages=("aria2", "nginx-light", "mktorrent"),
    customers=(20,),
    remark="Debian's opentracker speaks IPv4 only; the tracker here is nginx with one answer for everybody.",
)
def benign_peer_to_peer_v6(lab: Lab) -> None:
    """Seven seconds, then half a minute."""
    fetch(lab, v6(20), 0.5)


def subscribers(lab: Lab, family: Family) -> None:
    """Forty domains, each with a mail server that its MX record names, and a customer's Postfix that asks for them."""
    sender = lab.customer(20)
    hosts = {f"mx{number}.example": (family.alpha if number % 2 else family.beta)(number) for number in range(101, 141)}
    exchanges = [f"--mx-host=reader{number}.example,mx{number}.example" for number in range(101, 141)]
    resolver = family.beta(53)
    servers.names(lab.internet, resolver, hosts, *exchanges)
    servers.smtp_sink(lab.internet, literal(family.everywhere))
    sender.names(resolver)
    servers.postfix(
        lab, sender, "myhostname = news.customer.example\nsmtp_dns_support_level = enabled\nsmtp_host_lookup = dns\n"
    )
    lab.file("letter", "Subject: News of the month\n\n" + "All that is new, and more of it than last month.\n" * 60)


@in_both(
    subscribers,
    shows="A newsletter: a customer's Postfix delivers one letter each{over} to the subscribers at forty domains; all of their servers are there.",
    packages=("postfix", "dnsmasq-base"),
    customers=(20,),
    remark="The inventory does not know that this is a mail server.",
)
def benign_newsletter(lab: Lab, _: Family) -> None:
    """Forty letters."""
    loop = f"for n in $(seq 101 140); do sendmail -C {lab.scratch}/postfix -f news@customer.example reader@reader$n.example < {lab.scratch}/letter; sleep 0.7; done"
    lab.customers[20].run("sh", "-c", loop)
    wait(8)


def edge_of_a_cdn(lab: Lab) -> None:
    """A customer's web server with large files."""
    lab.customer(20, mbit=50)
    servers.nginx(lab, lab.customers[20], v4(20), v6(20), port=443, tls=True)


@scenario(
    edge_of_a_cdn,
    shows="The edge of a content network: fifteen readers outside, over IPv4 and IPv6, fetch files of 200 kB from a customer's web server at once, and "
    "six of them leave in the middle.",
    packages=("nginx-light", "curl", "openssl"),
    customers=(20,),
    remark="The inventory does not know that this is a content network.",
)
def benign_cdn(lab: Lab) -> None:
    """About two megabytes."""
    readers = []
    for number in range(CDN_READERS):
        source, server = (
            (f"203.0.113.{number + 1}", v4(20)) if number % 3 else (f"2001:db8:ffff:2::{number + 1:x}", f"[{v6(20)}]")
        )
        leaves = ("-m", "0.4", "--limit-rate", "100K") if number % 5 < 2 else ()
        readers.append(
            lab.internet.start(
                "curl",
                "-sk",
                *leaves,
                "--interface",
                source,
                "-o",
                "/dev/null",
                f"https://{server}/200k",
                shown=number < 2,
            )
        )
        wait(0.4)
    for reader in readers:
        reader.wait(60)


def quic_server(lab: Lab, place: Namespace, address: str) -> None:
    """A server that speaks HTTP/3 (ngtcp2's), with a large file."""
    servers.certificate(lab)
    lab.file("www/large", "").write_bytes(bytes(2_000_000))
    place.start(
        "gtlsserver",
        "-q",
        "--no-quic-dump",
        "--no-http-dump",
        "-d",
        lab.scratch / "www",
        address,
        443,
        lab.scratch / "tls.key",
        lab.scratch / "tls.crt",
    )
    wait(1)


def upload_server(lab: Lab, family: Family) -> None:
    """Somewhere to upload to, over a line of 20 Mbit/s."""
    lab.customer(20, mbit=20)
    quic_server(lab, lab.internet, family.alpha(10))


def upload(lab: Lab, family: Family, size: int) -> None:
    """One POST of so many bytes."""
    large = lab.file("large", "")
    large.write_bytes(bytes(size))
    server = family.alpha(10)
    lab.customers[20].run("gtlsclient", "-q", "--no-quic-dump", "--no-http-dump", "--exit-on-all-streams-close", "-m", "POST", "-d", large,
                          server, 443, f"https://{literal(server)}/in", seconds=40)  # fmt: skip


@scenario(
    partial(upload_server, family=IPV4),
    shows="An upload over QUIC: a customer sends two megabytes to one server on UDP port 443, as fast as a line of 20 Mbit/s allows.",
    packages=("ngtcp2-client", "ngtcp2-server", "openssl"),
    customers=(20,),
)
def benign_quic_upload(lab: Lab) -> None:
    """A second."""
    upload(lab, IPV4, 2_000_000)


@scenario(
    partial(upload_server, family=IPV6),
    shows="An upload over QUIC and IPv6: a customer sends 1.2 megabytes to one server on UDP port 443, as fast as a line of 20 Mbit/s allows.",
    packages=("ngtcp2-client", "ngtcp2-server", "openssl"),
    customers=(20,),
)
def benign_quic_upload_v6(lab: Lab) -> None:
    """Half a second."""
    upload(lab, IPV6, 1_200_000)


def download_server(lab: Lab) -> None:
    """A customer's own HTTP/3 server."""
    quic_server(lab, lab.customer(20, mbit=20), v6(20))


@scenario(
    download_server,
    shows="A customer's web server sends two megabytes over QUIC and IPv6 to somebody outside: a stream of large datagrams from UDP port 443.",
    packages=("ngtcp2-client", "ngtcp2-server", "openssl"),
    customers=(20,),
)
def benign_quic_edge_v6(lab: Lab) -> None:
    """One GET."""
    lab.internet.speak_as("2001:db8:ffff:2::77")
    lab.internet.run(
        "gtlsclient",
        "-q",
        "--no-quic-dump",
        "--no-http-dump",
        "--exit-on-all-streams-close",
        v6(20),
        443,
        f"https://[{v6(20)}]/large",
        seconds=40,
    )


def viewer(lab: Lab, family: Family) -> None:
    """A camera's customer, and somebody who watches it."""
    lab.customer(20)
    lab.internet.speak_as(family.alpha(10))


def film(lab: Lab, family: Family, seconds: float) -> None:
    """Video in one direction, what RTCP asks for in both."""
    here, there, everywhere = family.own(20), family.alpha(10), family.everywhere
    seen = f'rtpbin name=rtp udpsrc address={everywhere} port=5004 caps="application/x-rtp,media=video,clock-rate=90000,encoding-name=JPEG,payload=26" ! rtp.recv_rtp_sink_0'
    heard = (
        f"rtp. ! rtpjpegdepay ! fakesink udpsrc address={everywhere} port=5005 ! rtp.recv_rtcp_sink_0 rtp.send_rtcp_src_0 ! udpsink host={here} port=5007 sync=false async=false"
    )
    shown = "rtpbin name=rtp videotestsrc is-live=true pattern=snow ! video/x-raw,format=I420,width=320,height=240,framerate=15/1 ! jpegenc quality=50 ! rtpjpegpay"
    told = (
        f"! rtp.send_rtp_sink_0 rtp.send_rtp_src_0 ! udpsink host={there} port=5004 rtp.send_rtcp_src_0 ! "
        f"udpsink host={there} port=5005 sync=false async=false udpsrc address={everywhere} port=5007 ! rtp.recv_rtcp_sink_0"
    )
    watching = lab.internet.start("sh", "-c", f"gst-launch-1.0 -q {seen} {heard}")
    wait(2)
    lab.customers[20].run("sh", "-c", f"gst-launch-1.0 -q {shown} {told}", seconds=seconds)
    watching.terminate()


CAMERA = {"packages": ("gstreamer1.0-tools", "gstreamer1.0-plugins-base", "gstreamer1.0-plugins-good"), "customers": (20,)}


@scenario(
    partial(viewer, family=IPV4),
    shows="A camera: GStreamer sends video as JPEG over RTP to one viewer, about four hundred packets a second for a quarter of a minute; the viewer says only what RTCP "
    "demands of him, every few seconds.",
    **CAMERA,
)
def benign_video(lab: Lab) -> None:
    """A quarter of a minute of video in one direction."""
    film(lab, IPV4, 15)


@scenario(
    partial(viewer, family=IPV6),
    shows="A camera over IPv6: GStreamer sends video as JPEG over RTP to one viewer, about four hundred packets a second for six seconds; the viewer says only what "
    "RTCP demands of him.",
    **CAMERA,
)
def benign_video_v6(lab: Lab) -> None:
    """Six seconds of video in one direction."""
    film(lab, IPV6, 6)


def time_server(lab: Lab) -> None:
    """A customer's chronyd that tells anybody the time (none of them sets a clock here: -x)."""
    serve = lab.file(
        "served.conf", f"allow all\nlocal stratum 2\ncmdport 0\nbindcmdaddress /\npidfile {lab.scratch}/served.pid\n"
    )
    lab.customer(20).start("chronyd", "-d", "-x", "-u", "root", "-f", serve)
    wait(2)


@scenario(
    time_server,
    shows="A public time server: twenty-four machines outside, half of them over IPv6, ask a customer's chronyd for the time, once a second each.",
    packages=("chrony",),
    customers=(20,),
    remark="The inventory does not know that this is a time server.",
)
def benign_time_server(lab: Lab) -> None:
    """Forty seconds of NTP."""
    for number in range(1, 25):
        six = number % 2
        source, server = (f"2001:db8:ffff:2::{number:x}", v6(20)) if six else (f"203.0.113.{number}", v4(20))
        config = lab.file(
            f"client{number}.conf",
            f"server {server} iburst minpoll 0 maxpoll 0\nbindacqaddress {source}\ncmdport 0\nbindcmdaddress /\npidfile {lab.scratch}/client{number}.pid\n",
        )
        lab.internet.start("chronyd", "-d", "-x", "-u", "root", "-f", config, shown=number < 3)
    wait(40)
