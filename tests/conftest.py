"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return ROOT


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Captures and exports of others. Under CI a missing folder is a failure, not a silent skip."""
    folder = Path(os.environ.get("ABUSEWATCH_CORPUS", ROOT.parent / "shared" / "corpus"))
    if not folder.is_dir():
        message = f"no corpus at {folder}; set ABUSEWATCH_CORPUS"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return folder
