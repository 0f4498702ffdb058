"""Metrics and health over HTTP: /metrics, /healthz and a page that names them. Nothing here shows or changes a case."""

from collections.abc import Callable

from aiohttp import web

import abusewatch
from abusewatch.telemetry import Telemetry

LANDING = f"""<!doctype html><html lang="en"><title>abusewatch</title><h1>abusewatch {abusewatch.__version__}</h1>
<p><a href="/metrics">metrics</a> <a href="/healthz">health</a></html>
"""
EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}

Health = Callable[[], list[str]]


class Endpoint:
    """The HTTP server of the daemon. `health` lists what is wrong, empty when all is well."""

    def __init__(self, address: str, port: int, telemetry: Telemetry, health: Health) -> None:
        """Take the parts; nothing listens before `start`."""
        self._address = address
        self._port = port
        self._telemetry = telemetry
        self._health = health
        self._runner: web.AppRunner | None = None

    async def start(self) -> int:
        """Listen; returns the port, which is a real one when 0 was asked for. OSError when it is taken."""
        application = web.Application()
        application.add_routes(
            [web.get("/", self._landing), web.get("/metrics", self._metrics), web.get("/healthz", self._healthz)]
        )
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._address, self._port)
        await site.start()
        port: int = self._runner.addresses[0][1]
        return port

    async def stop(self) -> None:
        """Close the listener and what is connected to it."""
        if self._runner:
            await self._runner.cleanup()

    async def _landing(self, _request: web.Request) -> web.Response:
        return web.Response(text=LANDING, content_type="text/html", headers=HEADERS)

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._telemetry.exposition(), headers=HEADERS | {"Content-Type": EXPOSITION})

    async def _healthz(self, _request: web.Request) -> web.Response:
        wrong = self._health()
        text = "".join(f"{line}\n" for line in wrong) or "ok\n"
        return web.Response(status=503 if wrong else 200, text=text, headers=HEADERS)
