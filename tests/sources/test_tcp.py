"""IPFIX over TCP on loopback: whole messages whatever their pieces, templates that die with their session, nobody else heard."""

import contextlib
import socket
import time

import pytest

from abusewatch.model.flow import concat
from abusewatch.sources import tcp
from abusewatch.sources.encode import encode
from abusewatch.sources.tcp import Sessions, TcpSettings, TcpSource
from abusewatch.wire.datagrams import FlowDecoder
from tests.sources.test_encode import flows, rows
from tests.wire import exports_by_hand as wire

TEMPLATE = wire.ipfix(wire.fset(2, wire.template(256, *wire.V4)))


def data(number=0):
    return wire.ipfix(wire.fset(256, wire.flow4(src_port=number)), sequence=number)


@contextlib.contextmanager
def running(**settings):
    source = TcpSource(TcpSettings(**({"port": 0, "allow": ("127.0.0.0/8",)} | settings)))
    source.start()
    try:
        yield source
    finally:
        source.stop()


def until(condition, secs=5):
    deadline = time.monotonic() + secs
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def connected(source, sender="127.0.0.1"):
    return socket.create_connection(source.addresses[0], 5, source_address=(sender, 0))


def decode(source, decoder, messages, secs=5):
    """As the daemon's worker does."""
    done, found = 0, []
    deadline = time.monotonic() + secs
    while done < messages and time.monotonic() < deadline:
        source.wait(0.05)
        taken = source.take(7)
        if taken is not None:
            found.append(decoder.decode(taken.ring, taken.lengths, taken.exporter, taken.received_us))
            done += len(taken)
            source.release(len(taken))
        for number in source.ended():
            decoder.forget(number)
    assert done == messages
    return found


@pytest.mark.parametrize("step", [1, 17, 100_000])
def test_messages_in_any_pieces(step):
    batch = flows(300)
    stream = b"".join(d.payload for d in encode([batch], "ipfix"))
    messages = len(list(encode([batch], "ipfix")))
    decoder = FlowDecoder()
    with running() as source, connected(source) as sock:
        for start in range(0, len(stream), step):
            sock.sendall(stream[start : start + step])
        found = concat([b for d in decode(source, decoder, messages) for b in d.batches])
        assert rows(found) == rows(batch)
        assert source.exporters.text(int(found.exporter[0])) == "127.0.0.1"
        assert source.counts().received_bytes == len(stream)
    assert decoder.accounts[0].lost == 0


def test_templates_die_with_their_session_and_never_cross():
    decoder = FlowDecoder()
    with running() as source:
        with connected(source) as first:
            first.sendall(TEMPLATE + data(1))
            assert sum(len(b) for d in decode(source, decoder, 2) for b in d.batches) == 1
            with connected(source) as beside:
                beside.sendall(data(2))
                (missing,) = decode(source, decoder, 1)
                assert missing.counts == {"missing_template": 1}
        until(lambda: len(source._over) == 2)
        assert len(source.ended()) == 2
        assert len(source.exporters) == 0
        with connected(source) as again:
            again.sendall(data(3))
            assert not decode(source, decoder, 1)[0].batches


def test_what_a_session_told_is_forgotten_when_its_number_comes_again():
    decoder = FlowDecoder()
    wire.feed(decoder, [TEMPLATE], 5)
    decoder.forget(5)
    decoder.forget(6)
    assert not wire.feed(decoder, [data()], 5).batches
    assert [a.missing_templates for a in decoder.accounts] == [1]


def test_others_are_not_heard():
    with running(allow=("127.0.0.2/32",)) as source, connected(source, "127.0.0.3") as sock:
        assert sock.recv(1) == b""
        assert source.counts().unlisted == 1
        assert source.take(10) is None


def test_too_many_sessions_are_refused():
    with running(sessions=2) as source, connected(source) as one, connected(source) as two:
        one.sendall(TEMPLATE)
        two.sendall(TEMPLATE)
        until(lambda: source.counts().received == 2)
        with connected(source) as three:
            assert three.recv(1) == b""
        assert source.counts().exporters_full == 1


@pytest.mark.parametrize("octets", [wire.v9(wire.fset(0, wire.template(256, *wire.V4))), b"\0\x0a\0\x0f" + bytes(20), b"GET / HTTP/1.1\r\n\r\n"])
def test_a_stream_that_is_no_ipfix_ends_its_session(octets):
    with running() as source, connected(source) as sock:
        sock.sendall(TEMPLATE + octets)
        with contextlib.suppress(ConnectionResetError):
            assert sock.recv(1) == b""
        assert (source.counts().received, source.counts().oversized) == (1, 1)


def test_a_busy_worker_has_the_exporter_wait_and_loses_nothing():
    with running(waiting=4) as source, connected(source) as sock:
        sock.sendall(TEMPLATE + b"".join(data(n) for n in range(1, 200)))
        until(lambda: source.counts().waiting == 4)
        time.sleep(0.05)
        assert source.counts().waiting == 4
        found = decode(source, FlowDecoder(), 200)
        assert sorted(p for d in found for b in d.batches for p in b.src_port.tolist()) == list(range(1, 200))


def test_stop_ends_open_sessions_and_keeps_what_was_read():
    with running() as source:
        sock = connected(source)
        sock.sendall(TEMPLATE)
        until(lambda: source.counts().received == 1)
    assert len(source.take(10)) == 1
    with contextlib.closing(sock), contextlib.suppress(ConnectionResetError):
        assert sock.recv(1) == b""


def test_numbers_of_sessions_come_again_only_when_forgotten():
    sessions = Sessions(2)
    one, two = sessions.begin("a"), sessions.begin("b")
    assert one != two
    assert sessions.begin("c") is None
    sessions.forget(one)
    three = sessions.begin("c")
    assert three not in {None, one, two}
    assert [sessions.text(n) for n in (one, two, three)] == ["a", "b", "c"], "records of a session that is over still have a name"
    with pytest.raises(LookupError):
        sessions.text(99)


def test_numbers_go_round(monkeypatch):
    monkeypatch.setattr(tcp, "NUMBERS", 4)
    sessions = Sessions(2)
    first = [sessions.begin("a"), sessions.begin("b")]
    sessions.forget(1)
    assert [*first, sessions.begin("c")] == [1, 2, 3]
    sessions.forget(3)
    assert sessions.begin("d") == 1
    sessions.forget(1)
    assert sessions.begin("e") == 3, "2 is in use"
