"""Sends some 25,000 datagrams a second: `python -m tests.sources.blaster PORT COUNT SEED`. Prints how many of each kind the kernel took.

Good exports, mutated ones, random octets, empty ones; one in a hundred from an address that is not listed, one in a thousand too long for a slot.
"""

import json
import random
import socket
import sys
import time

from tests.wire.test_conservation import stamp
from tests.wire.test_fuzz_flow import mutate, seeds

STRANGER = "127.0.0.9"
TOO_LONG = bytes(9_217)
TOGETHER, PAUSE_SECS = 25, 0.001


def pool(source):
    good = seeds()
    made = [mutate(source, source.choice(good), good) if source.random() < 0.3 else source.choice(good) for _ in range(5_000)]
    return made + [source.randbytes(source.randrange(200)) for _ in range(500)]


def main(port, count, seed):
    source = random.Random(seed)
    datagrams = pool(source)
    sent = {"listed": 0, "unlisted": 0, "oversized": 0}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listed, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind((STRANGER, 0))
        for sock in (listed, stranger):
            sock.connect(("127.0.0.1", port))
        for number in range(count):
            if number % TOGETHER == 0:
                time.sleep(PAUSE_SECS)
            if number % 1_000 == 7:
                listed.send(TOO_LONG)
                sent["oversized"] += 1
            elif number % 100 == 3:
                stranger.send(source.choice(datagrams))
                sent["unlisted"] += 1
            else:
                listed.send(stamp(source.choice(datagrams), number))
                sent["listed"] += 1
    sys.stdout.write(json.dumps(sent))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
