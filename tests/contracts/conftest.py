"""Every store passes the same suite."""

import pytest

from abusewatch.retention import limits
from abusewatch.storage import MemoryStore, SqliteStore


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    made = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "state" / "abusewatch.db", limits())
    yield made
    made.close()
