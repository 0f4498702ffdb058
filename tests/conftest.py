"""Fixtures that every test may use."""

import os
import socket
from pathlib import Path

import pytest
import structlog

from tests import needs

ROOT = Path(__file__).resolve().parent.parent


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """In random order, but what takes long first: the others are shared out beside it, and nobody waits for it at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_runtest_setup(item):
    """Ask for what the markers of a test say that it needs."""
    for mark in item.iter_markers("needs"):
        needs.need(*mark.args)
    for mark in item.iter_markers("compiled"):
        needs.kernel(*mark.args)


@pytest.fixture(autouse=True)
def own_log():
    """No test hears less, or elsewhere, because one before it set up the log: commands do that for the process."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return ROOT


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Captures and exports of others."""
    folder = Path(os.environ.get("ABUSEWATCH_CORPUS", ROOT.parent / "shared" / "corpus"))
    if not folder.is_dir():
        needs.missing(f"no corpus at {folder}; set ABUSEWATCH_CORPUS")
    return folder


@pytest.fixture(scope="session")
def ipv6() -> None:
    """For what needs ::1, which many a container has not."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        needs.unable("no IPv6 on this machine")
