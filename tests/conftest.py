"""Fixtures that every test may use."""

import os
import socket
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


@pytest.fixture(scope="session")
def ipv6() -> None:
    """For what needs ::1, which many a container has not."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 on this machine")
