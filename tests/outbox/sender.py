"""Delivers everything in a database to a port on loopback and ends: the program that the kill test kills."""

import asyncio
import sys
import time
from pathlib import Path

from abusewatch.outbox import Delivery, SmtpSettings, SmtpTransport
from abusewatch.retention import limits
from abusewatch.storage import SqliteStore, lock_state


async def main(path: Path, port: int) -> None:
    with lock_state(path.parent):
        store = SqliteStore(path, limits())
        store.recover(time.time_ns() // 1000)
        delivery = Delivery(store, SmtpTransport(SmtpSettings("127.0.0.1", port, tls="none", helo="client.example")), lambda: time.time_ns() // 1000)
        sys.stdout.write("begun\n")
        sys.stdout.flush()
        while (await delivery.turn()).outcomes:
            pass
        store.close()


asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
