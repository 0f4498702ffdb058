"""Exports on loopback through whatever drops there; run by `test_loss.py` in a network of its own. Prints what the daemon's flow side counted."""

import json
import socket
import sys
import time

from abusewatch.inventory import of_prefixes
from abusewatch.pipeline import Pipeline
from abusewatch.service.intake import Feed, Intake
from abusewatch.sources.udp import UdpSettings, UdpSource
from abusewatch.telemetry import Telemetry
from tests.wire import exports_by_hand as wire

PORT, RECORDS = 2055, 10


def datagram(form, number):
    now = int(time.time())
    if form == "netflow5":
        return wire.v5([(wire.A, wire.B, 1, 2, 6, 1, 40, 0, 0, 0)] * RECORDS, sequence=RECORDS * number, seconds=now)
    data = wire.fset(256, *[wire.flow4()] * RECORDS)
    if form == "netflow9":
        return wire.v9(wire.fset(0, wire.template(256, *wire.V4)), data, sequence=number, seconds=now)
    return wire.ipfix(wire.fset(2, wire.template(256, *wire.V4)), data, sequence=RECORDS * number, seconds=now)


def main(form, count):
    source = UdpSource(UdpSettings("127.0.0.1", PORT, allow=("127.0.0.1",)), "edge")
    intake = Intake([Feed(source, 0, 0)], Pipeline((), of_prefixes(["198.51.100.0/24"]), lambda _: None), Telemetry())
    intake.start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for number in range(count):
            sock.sendto(datagram(form, number), ("127.0.0.1", PORT))
            if not number % 100:
                time.sleep(0.005)
    time.sleep(0.5)
    intake.stop(20)
    totals, counts = intake.feeds[0].decoder.totals, source.counts()
    unit = 1 if form == "netflow9" else RECORDS
    (account,) = intake.feeds[0].decoder.accounts
    told = {"lost": totals.lost / unit, "received": counts.received, "kernel": counts.kernel_drops, "restarts": totals.restarts, "coverage": account.coverage}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
