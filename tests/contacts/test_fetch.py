"""Promise: one GET is bounded in size, time and redirects, and never lands where it must not."""

import asyncio
import socket
import ssl
import time
from datetime import UTC, datetime

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver

from abusewatch.contacts.fetch import BODY_BYTES, LONGEST_PAUSE_SECS, Fetcher, retry_after
from abusewatch.contacts.gate import Refused


def to(place, status=302):
    return web.Response(status=status, headers={"Location": place})


async def test_an_answer(registry, gate):
    registry.answer = lambda request: web.Response(text=request.headers["Accept"] + request.headers["Accept-Encoding"], headers={"Retry-After": "7"})
    reply = await Fetcher(gate).get(registry.url + "ip/66.0.0.1")
    assert (reply.status, reply.url, reply.retry_secs) == (200, registry.url + "ip/66.0.0.1", 7.0)
    assert reply.body == b"application/rdap+json, application/jsonidentity"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_three_redirects_are_followed_and_no_more(registry, gate, status):
    fetcher = Fetcher(gate)
    registry.answer = lambda request: to(f"/{int(request.path[1:]) - 1}", status) if request.path != "/0" else web.Response(text="here")
    assert (await fetcher.get(registry.url + "3")).body == b"here"
    assert fetcher.redirected == 3
    with pytest.raises(Refused, match="redirects"):
        await fetcher.get(registry.url + "4")


async def test_a_loop_ends(registry, gate):
    registry.answer = lambda request: to(request.path)
    with pytest.raises(Refused, match="redirects"):
        await Fetcher(gate).get(registry.url)
    assert len(registry.asked) == 4


@pytest.fixture
async def forbidden():
    """Give the port of a server on every other loopback address; it counts who comes."""
    came = []

    async def serve(reader, writer):
        came.append(1)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.2", 0)
    port = server.sockets[0].getsockname()[1]
    yield port, came
    server.close()
    await server.wait_closed()


HOSTILE = [
    "http://127.0.0.2:{port}/", "//127.0.0.2:{port}/x", "http://[::ffff:127.0.0.2]:{port}/", "http://2130706434:{port}/", "http://0x7f000002:{port}/", "http://0177.0.0.2:{port}/", "http://127.2:{port}/",
    "http://user@127.0.0.1:{port}/", "https://127.0.0.1:{port}/", "ftp://127.0.0.2:{port}/", "file:///etc/passwd", "gopher://127.0.0.2:{port}/_x", "unix:///run/x.sock", "http://[::1]:{port}/", "http://10.0.0.1:{port}/",
    "http://169.254.169.254/latest/meta-data/", "http://0.0.0.0:{port}/", "http://localhost:{port}@127.0.0.2:{port}/", "http://[", "http://\udcff/", "data:text/plain,x", "javascript:1",
]  # fmt: skip


@pytest.mark.parametrize("place", HOSTILE)
async def test_a_redirect_never_leads_inside(registry, gate, forbidden, place):
    port, came = forbidden
    registry.answer = lambda _: to(place.format(port=port).encode("utf-8", "surrogateescape").decode("latin-1"))
    with pytest.raises((Refused, aiohttp.ClientError, OSError, ValueError)):
        await Fetcher(gate, deadline_secs=2.0).get(registry.url)
    assert not came
    assert len(registry.asked) == 1


async def test_the_hostile_server_can_be_reached_without_the_gate(forbidden):
    """Negative control: the counter sees who comes."""
    port, came = forbidden
    _, writer = await asyncio.open_connection("127.0.0.2", port)
    writer.close()
    await writer.wait_closed()
    await asyncio.sleep(0)
    assert came


async def test_more_than_the_limit_is_not_read(registry, gate):
    sent = 0

    async def flood(request):
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(10_000):
            await response.write(b"x" * 8192)
            sent += 8192
        return response

    registry.answer = flood
    with pytest.raises(Refused, match="too_large"):
        await Fetcher(gate).get(registry.url)
    assert sent < 8_000_000
    registry.answer = lambda _: web.Response(body=b"x" * BODY_BYTES)
    assert len((await Fetcher(gate).get(registry.url)).body) == BODY_BYTES


async def test_nothing_is_unpacked(registry, gate):
    async def packed(request):
        response = web.Response(body=b"x" * 1_000_000)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    registry.answer = packed
    with pytest.raises(Refused, match="encoding"):
        await Fetcher(gate).get(registry.url)


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n"])
async def test_a_slow_drip_ends_with_the_deadline(gate, first):
    async def drip(reader, writer):
        writer.write(first)
        try:
            for _ in range(3000):
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.02)
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    begun = time.monotonic()
    with pytest.raises((TimeoutError, aiohttp.ClientError)):
        await Fetcher(gate, deadline_secs=0.3).get(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    assert time.monotonic() - begun < 20
    server.close()
    await asyncio.sleep(0.05)


async def test_a_certificate_nobody_vouches_for(tmp_path):
    from abusewatch.contacts.gate import Gate

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*_self_signed(tmp_path))
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    gate = Gate(lambda _: False, ports=None, allowed=lambda _: True)
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await Fetcher(gate).get(f"https://localhost:{server.sockets[0].getsockname()[1]}/")
    server.close()
    await asyncio.sleep(0.05)


def _self_signed(folder):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC)).not_valid_after(datetime(2100, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False).sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return folder / "cert.pem", folder / "key.pem"


async def test_nobody_listens(gate):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(aiohttp.ClientError):
        await Fetcher(gate).get(f"http://127.0.0.1:{port}/")


NOW = datetime(2026, 11, 1, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(None, None), ("0", 0.0), ("120", 120.0), (" 5 ", 5.0), ("99999999999999999999", LONGEST_PAUSE_SECS), ("-5", None), ("soon", None), ("Sun, 01 Nov 2026 10:01:00 GMT", 60.0), ("Sun, 01 Nov 2020 10:00:00 GMT", 0.0), ("Sun, 01 Nov 2099 10:00:00 GMT", LONGEST_PAUSE_SECS), ("²", None)],
)
def test_retry_after(value, seconds):
    assert retry_after(value, NOW) == seconds


class Names(AbstractResolver):
    """Says 127.0.0.1 the first time it is asked and the forbidden 127.0.0.2 ever after (DNS rebinding)."""

    def __init__(self):
        self.asked = 0

    async def resolve(self, host, port=0, family=socket.AF_INET):
        self.asked += 1
        address = "127.0.0.1" if self.asked == 1 else "127.0.0.2"
        return [{"hostname": host, "host": address, "port": port, "family": socket.AF_INET, "proto": 0, "flags": socket.AI_NUMERICHOST}]

    async def close(self):
        pass


async def test_the_address_that_was_judged_is_the_one_connected_to(registry, gate, forbidden):
    names, (_, came) = Names(), forbidden
    registry.answer = lambda request: web.Response(text=request.host)
    fetcher = Fetcher(gate, resolver=names)
    assert (await fetcher.get(f"http://rdap.example:{registry.port}/")).body == f"rdap.example:{registry.port}".encode()
    assert names.asked == 1
    with pytest.raises(Refused, match="address"):
        await fetcher.get(f"http://rdap.example:{registry.port}/")
    assert not came


async def test_a_redirect_to_a_name_that_is_inside(registry, gate, forbidden):
    names, (port, came) = Names(), forbidden
    names.asked = 1
    registry.answer = lambda _: to(f"http://inside.example:{port}/")
    with pytest.raises(Refused, match="address"):
        await Fetcher(gate, resolver=names).get(registry.url)
    assert names.asked == 2
    assert not came
