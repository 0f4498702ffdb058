"""Traffic of an attack with a mark in everything that must never leave the decoder, written packet by packet.

Logins, names, addresses of mail, paths and host names stand in clear in the payloads, as real traffic has them. Two
networks are attacked, so that either's operator can be told too much.
"""

import struct
from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import NamedTuple

OFFENDER = "198.51.100.77"
CUSTOMER = "C-MARKED-77"
TARGETS = {"203.0.113.0/24": ("203.0.113.11", "203.0.113.12"), "192.0.2.0/24": ("192.0.2.21", "192.0.2.22")}
"""Attacked addresses by the network whose operator may be told of them."""
BYSTANDER = "198.18.7.9"
"""Talked to in clear and not attacked: nobody is to be told of it."""
SESSIONS = 30
STEP_US = 4_000_000
SYN, ACK, PSH, FIN = 2, 16, 8, 1


class Marks(NamedTuple):
    """What is planted: each stands in payloads, and each is a word that occurs nowhere else."""

    word: str

    def all(self) -> dict[str, bytes]:
        """Name each mark by what it poses as."""
        forms = {
            "payload": f"{self.word}-payload", "user name": f"{self.word}-user", "password": f"{self.word}-password",
            "name query": f"{self.word}-dns", "server name (TLS)": f"{self.word}-sni", "URL": f"{self.word}-url",
            "mail address": f"{self.word}-mailbox", "subject of a mail": f"{self.word}-subject",
        }  # fmt: skip
        return {name: text.encode() for name, text in forms.items()}


class Packet(NamedTuple):
    """One Ethernet frame and when it was seen."""

    at_us: int
    frame: bytes


def attack(marks: Marks, begin_us: int) -> list[Packet]:
    """Write sessions of password guessing to every target, marks in both directions; in order of time."""
    planted = marks.all()
    said = (
        b"SSH-2.0-"
        + planted["payload"]
        + b"\r\nUSER "
        + planted["user name"]
        + b"\r\nPASS "
        + planted["password"]
        + b"\r\n"
    )
    packets = [
        packet
        for number, target in enumerate(target for targets in TARGETS.values() for target in targets)
        for session in range(SESSIONS)
        for packet in _session(
            target, 40_000 + 100 * number + session, begin_us + session * STEP_US + number * 100_000, said
        )
    ]
    return sorted(packets)


def in_clear(marks: Marks) -> Iterator[bytes]:
    """Write frames of everyday talk: a name query, a web page, a TLS greeting, a mail."""
    planted = marks.all()
    name = planted["name query"]
    query = bytes(12) + bytes([len(name)]) + name + b"\7example\0\0\1\0\1"
    yield _frame(_udp(53_001, 53, query), 17, OFFENDER, BYSTANDER)
    page = b"GET /" + planted["URL"] + b" HTTP/1.1\r\nHost: " + planted["server name (TLS)"] + b".example\r\n\r\n"
    yield _frame(_tcp(53_002, 80, PSH | ACK, page), 6, OFFENDER, BYSTANDER)
    greeting = b"\x16\x03\x01\x00\x60\x01\x00\x00\x5c" + planted["server name (TLS)"] + b".example"
    yield _frame(_tcp(53_003, 443, PSH | ACK, greeting), 6, OFFENDER, BYSTANDER)
    mail = (
        b"RCPT TO:<"
        + planted["mail address"]
        + b"@victim.example>\r\nDATA\r\nSubject: "
        + planted["subject of a mail"]
        + b"\r\n"
    )
    yield _frame(_tcp(53_004, 25, PSH | ACK, mail), 6, OFFENDER, BYSTANDER)


def capture(packets: list[Packet]) -> bytes:
    """Write a pcap file (Ethernet, microseconds)."""
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1)
    return head + b"".join(
        struct.pack("<IIII", at_us // 1_000_000, at_us % 1_000_000, len(frame), len(frame)) + frame
        for at_us, frame in packets
    )


def sflow(frames: list[bytes]) -> bytes:
    """Write an sFlow v5 datagram of flow samples, each the raw beginning of a frame: payload really arrives here."""
    samples = b""
    for number, frame in enumerate(frames, 1):
        content = frame + bytes(-len(frame) % 4)
        record = struct.pack(">IIIIII", 1, 16 + len(content), 1, len(frame), 4, len(frame)) + content
        body = struct.pack(">IIIIIIII", number, 1, 1, number, 0, 1, 2, 1) + record
        samples += struct.pack(">II", 1, len(body)) + body
    return struct.pack(">IIIIIII", 5, 1, int(IPv4Address("127.0.0.1")), 7, 1, 1000, len(frames)) + samples


def _session(target: str, port: int, begin_us: int, said: bytes) -> Iterator[Packet]:
    """Write a TCP session: a handshake, ten packets with payload each way, an end."""
    there, back = (OFFENDER, target), (target, OFFENDER)
    steps = [(there, SYN, b""), (back, SYN | ACK, b""), (there, ACK, b"")]
    for _ in range(10):
        steps += [(there, PSH | ACK, said), (back, PSH | ACK, said)]
    steps += [(there, FIN | ACK, b""), (back, FIN | ACK, b"")]
    for number, (way, flags, payload) in enumerate(steps):
        ports = (port, 22) if way is there else (22, port)
        yield Packet(begin_us + number * 20_000, _frame(_tcp(*ports, flags, payload), 6, *way))


def _tcp(source: int, destination: int, flags: int, payload: bytes) -> bytes:
    return struct.pack(">HHIIBBHHH", source, destination, 1, 1, 0x50, flags, 1024, 0, 0) + payload


def _udp(source: int, destination: int, payload: bytes) -> bytes:
    return struct.pack(">HHHH", source, destination, 8 + len(payload), 0) + payload


def _frame(content: bytes, protocol: int, source: str, destination: str) -> bytes:
    ends = IPv4Address(source).packed + IPv4Address(destination).packed
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(content), 1, 0, 64, protocol, 0) + ends
    return bytes(12) + b"\x08\x00" + head + content
