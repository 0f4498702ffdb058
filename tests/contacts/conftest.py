"""A registry that answers as a test wants, on the loopback, and a gate that lets nothing else through."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiohttp import web

from abusewatch.contacts.bootstrap import Services
from abusewatch.contacts.gate import Gate
from abusewatch.contacts.lpm import Network
from tests.needs import missing


@pytest.fixture(scope="session")
def samples(corpus) -> Path:
    """Real answers of the registries."""
    folder = corpus.parent / "rdap"
    if not folder.is_dir():
        missing(f"no RDAP samples at {folder}")
    return folder


@pytest.fixture
def gate() -> Gate:
    """Lets look-ups reach 127.0.0.1 and nothing else; the other loopback addresses stand for private networks."""
    return Gate(lambda _: False, schemes=("http",), ports=None, allowed=lambda address: address == "127.0.0.1")


Handler = Callable[[web.Request], object]


@pytest.fixture
async def registry() -> AsyncIterator[SimpleNamespace]:
    """Give `url`, `asked` (paths in order) and `answer`, a handler that may be replaced at any time."""
    state = SimpleNamespace(asked=[], answer=lambda _: web.Response(status=404))

    async def handle(request: web.Request) -> web.StreamResponse:
        state.asked.append(request.path)
        found = state.answer(request)
        return await found if hasattr(found, "__await__") else found

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    state.port = runner.addresses[0][1]
    state.url = f"http://127.0.0.1:{state.port}/"
    yield state
    await runner.cleanup()


@pytest.fixture
def everything(registry) -> Services:
    """One registry for the whole address space."""
    import ipaddress

    networks: list[Network] = [ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")]
    return tuple((network, (registry.url,)) for network in networks)
