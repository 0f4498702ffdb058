"""A mining pool and a worker that speak Stratum v1 (JSON-RPC lines over TCP) to each other. Nothing is computed: shares are made up, the pool takes all.

usage: stratum.py pool ADDRESS PORT | stratum.py worker ADDRESS PORT SECONDS
"""

import json
import random
import select
import socket
import sys
import threading
import time

JOB_EVERY, SHARE_EVERY = (20, 40), 15
"""Seconds: a new block or new transactions make a new job; the difficulty is set so that a worker finds a few shares a minute."""


def said(sock: socket.socket, **message: object) -> None:
    """Send one line."""
    sock.sendall(json.dumps(message).encode() + b"\n")


def hexadecimal(count: int) -> str:
    """So many random bytes as a job's fields are written."""
    return random.randbytes(count).hex()


def job(sock: socket.socket) -> None:
    """Previous block, both halves of the coinbase, twelve branches of the tree, version, bits, time, and whether to drop older jobs."""
    branches = [hexadecimal(32) for _ in range(12)]
    parts = [hexadecimal(4), hexadecimal(32), hexadecimal(80), hexadecimal(90), branches, "20000000", "1703b8c5", f"{int(time.time()):x}", False]
    said(sock, id=None, method="mining.notify", params=parts)


def serve(sock: socket.socket) -> None:
    """One worker's connection: answer it, and give it a new job now and then."""
    lines, due = sock.makefile("rb"), None
    while True:
        if due is not None and time.monotonic() >= due:
            job(sock)
            due = time.monotonic() + random.uniform(*JOB_EVERY)
        if not select.select([sock], [], [], 0.5)[0]:
            continue
        line = lines.readline()
        if not line:
            return
        asked = json.loads(line)
        if asked["method"] == "mining.subscribe":
            said(sock, id=asked["id"], result=[[["mining.notify", hexadecimal(4)]], hexadecimal(4), 4], error=None)
            continue
        said(sock, id=asked["id"], result=True, error=None)
        if asked["method"] == "mining.authorize":
            said(sock, id=None, method="mining.set_difficulty", params=[65536])
            due = time.monotonic()


def pool(address: str, port: int) -> None:
    """Serve every worker that comes."""
    with socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET) as listener:
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


def worker(address: str, port: int, seconds: float) -> None:
    """Log in, then send shares as chance brings them."""
    until = time.monotonic() + seconds
    with socket.create_connection((address, port)) as sock:
        said(sock, id=1, method="mining.subscribe", params=["worker/1.0"])
        said(sock, id=2, method="mining.authorize", params=["wallet.worker", "x"])
        number, share = 3, time.monotonic() + random.expovariate(1 / SHARE_EVERY)
        while time.monotonic() < until:
            if select.select([sock], [], [], 0.5)[0] and not sock.recv(65536):
                return
            if time.monotonic() >= share:
                said(sock, id=number, method="mining.submit", params=["wallet.worker", hexadecimal(4), hexadecimal(4), f"{int(time.time()):x}", hexadecimal(4)])
                number, share = number + 1, time.monotonic() + random.expovariate(1 / SHARE_EVERY)


if sys.argv[1] == "pool":
    pool(sys.argv[2], int(sys.argv[3]))
else:
    worker(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
