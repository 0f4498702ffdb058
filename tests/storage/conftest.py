"""A store on disk."""

import pytest

from abusewatch.retention import limits
from abusewatch.storage import SqliteStore


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "abusewatch.db"


@pytest.fixture
def store(path):
    made = SqliteStore(path, limits())
    yield made
    made.close()
