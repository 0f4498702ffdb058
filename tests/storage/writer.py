"""Puts mail into a database and says on stdout what is durable: the program whose machine loses power in the tests."""

import os
import sys
from pathlib import Path

from abusewatch.outbox.budgets import Budgets
from abusewatch.retention import limits
from abusewatch.storage import SqliteStore
from tests.cases import T0, message

path, number, synchronous = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
store = SqliteStore(path, limits(), Budgets(hour=10**6, breaker_hour=10**6))
store.database._connection.execute(f"PRAGMA synchronous = {synchronous}")
for n in range(number):
    store.enqueue([message(n, f"r{n}@operator.example")], None, T0)
    os.write(1, b"%d\n" % n)
os._exit(0)  # no orderly end: what is not on the disk by now was never promised
