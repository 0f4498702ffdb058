"""/metrics, /healthz and the page that names them."""

import aiohttp
import pytest

from abusewatch.service.endpoint import Endpoint
from abusewatch.telemetry import Telemetry


@pytest.fixture
async def server():
    wrong = []
    endpoint = Endpoint("127.0.0.1", 0, Telemetry(), lambda: wrong)
    port = await endpoint.start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        yield session, wrong
    await endpoint.stop()


async def test_metrics_are_what_prometheus_reads(server):
    session, _ = server
    async with session.get("/metrics") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert "abusewatch_build_info" in await answer.text()


async def test_health_is_200_or_503_with_words(server):
    session, wrong = server
    async with session.get("/healthz") as answer:
        assert (answer.status, await answer.text()) == (200, "ok\n")
    wrong.append("disk full")
    async with session.get("/healthz") as answer:
        assert (answer.status, await answer.text()) == (503, "disk full\n")


async def test_the_page_links_to_both_and_runs_nothing(server):
    session, _ = server
    async with session.get("/") as answer:
        text = await answer.text()
        assert "/metrics" in text
        assert "/healthz" in text
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'"


@pytest.mark.parametrize("path", ["/status", "/cases", "/../etc/passwd"])
async def test_there_is_nothing_else(server, path):
    session, _ = server
    async with session.get(path) as answer:
        assert answer.status == 404
