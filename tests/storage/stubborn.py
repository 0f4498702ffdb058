"""Puts mail into a database whose disk fails, and tries again until it is taken: says on stdout what is durable."""

import os
import sqlite3
import sys
import time
from pathlib import Path

from abusewatch.outbox.budgets import Budgets
from abusewatch.retention import limits
from abusewatch.storage import SqliteStore, StorageError, database
from tests.cases import T0, message

path, number, synchronous = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
database.PRAGMAS = tuple(f"synchronous = {synchronous}" if one.startswith("synchronous") else one for one in database.PRAGMAS)
store = SqliteStore(path, limits(), Budgets(hour=10**6, breaker_hour=10**6))
os.write(2, b"open\n")
for n in range(number):
    for _ in range(100):
        try:
            store.enqueue([message(n, f"r{n}@operator.example")], None, T0)
            break
        except (sqlite3.Error, StorageError) as error:
            os.write(2, f"{getattr(error, 'sqlite_errorname', 'StorageError')}\n".encode())
            time.sleep(0.001)
    else:
        os._exit(3)
    os.write(1, b"%d\n" % n)
os._exit(0)
