"""Messages arrive whole and in order, whatever the socket takes at a time, and files arrive with them."""

import os
import socket

import pytest

from abusewatch.shards.post import Post


@pytest.fixture
def ends():
    pair = [Post(each) for each in socket.socketpair()]
    for post in pair:
        post.socket.setblocking(False)
    yield pair
    for post in pair:
        post.close()


def test_messages_of_all_sizes_arrive_in_order(ends):
    one, other = ends
    said = [os.urandom(size) for size in (0, 1, 3, 1_000_000, 17, 400_000)]
    for message in said:
        one.say(message)
    heard = []
    while len(heard) < len(said):
        one.push()
        assert other.pull()
        while (message := other.heard()) is not None:
            heard.append(message)
    assert heard == said
    assert not one.full


def test_files_arrive_in_order_and_are_closed_here(ends):
    one, other = ends
    files = [os.memfd_create(str(n)) for n in range(3)]
    for n, file in enumerate(files):
        os.write(file, str(n).encode())
        one.say(b"x" * n, file)
    one.push()
    for file in files:
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(file)
    got = []
    while len(got) < 3:
        other.pull()
        if other.heard() is not None:
            got.append(other.file())
    assert [os.pread(file, 9, 0) for file in got] == [b"0", b"1", b"2"]
    for file in got:
        os.close(file)


def test_the_end_of_the_other_is_noticed_by_both_ways(ends):
    one, other = ends
    assert one.pull()
    other.socket.close()
    assert not one.pull()
    one.say(b"x", os.memfd_create("x"))
    with pytest.raises(OSError, match="pipe"):
        one.push()
