"""The customer's page over HTTP: one address a case, which shows it, marks it as fixed, and takes a note to the desk.

The link is the whole authority, so it must not travel: nothing may frame, cache, index or refer from the page. Reading it
changes nothing, as mail scanners open every link; what changes something is a POST with a code that only a page shown
before had in it. TLS is the web server's in front of us.
"""

import asyncio
import ipaddress
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import structlog
from aiohttp import web

from abusewatch.incidents import Decision, Noticed, notes
from abusewatch.incidents.lifecycle import LifecycleError
from abusewatch.model.customer import Customer
from abusewatch.model.incident import Incident
from abusewatch.reports.leaks import LeakError
from abusewatch.reports.links import ExpiredLinkError, Links, UnknownLinkError
from abusewatch.reports.settings import ReportSettings
from abusewatch.service.daemon import Daemon
from abusewatch.storage import StorageError
from abusewatch.telemetry import Telemetry
from abusewatch.web.limiter import Limiter
from abusewatch.web.shown import SAID, Said, case_page, style, word_page

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "abusewatch",
}
LARGEST_FORM = 32 * 1024
FORM_SECS = 10.0
AUTHOR = "customer (page)"
LOADS_A_SECOND, LOADS_AT_ONCE = 2.0, 60
"""Of one address: a company behind one address reads its cases, a guesser gets nowhere."""
ANSWERS_A_SECOND, ANSWERS_AT_ONCE = 1 / 360, 10
"""To one case: ten at once, then ten an hour; what a person has to say fits."""

Policy = Callable[[Incident, int], Decision]


class Cases(Protocol):
    """What the page needs of the store."""

    def incident(self, ident: str) -> Incident | None:
        """Read one case with its evidence."""

    def noticed(self, ident: str) -> Noticed | None:
        """Tell what the customer's last notice told him."""

    def move_incident(self, ident: str, event: str, now_us: int) -> Incident | None:
        """Move a case by the lifecycle table; LifecycleError when it has no such line."""

    def notes(self, incident: str) -> Sequence[object]:
        """List the notes of a case, to count them."""

    def add_note(self, incident: str, author: str, text: str, now_us: int) -> bool:
        """Write a note for the desk; no code that writes mails reads it."""


class Owners(Protocol):
    """What the page asks the inventory."""

    @property
    def customers(self) -> Sequence[Customer]:
        """All customers."""

    def contains(self, text: str) -> bool:
        """Whether an address is ours."""


class CustomerPage:
    """The server. `owners`, `policy` and `settings` are asked anew for each page, so that a reload reaches it."""

    def __init__(  # noqa: PLR0913  # the wiring of a front: each part once
        self,
        listen: tuple[str, int],
        links: Links,
        cases: Cases,
        *,
        owners: Callable[[], Owners],
        policy: Callable[[], Policy],
        settings: Callable[[], ReportSettings],
        telemetry: Telemetry,
        problems: Callable[[], Sequence[str]] = lambda: (),
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        """Take the parts; nothing listens before `start`."""
        self._listen = listen
        self._links = links
        self._cases = cases
        self._owners = owners
        self._policy = policy
        self._settings = settings
        self._telemetry = telemetry
        self._problems = problems
        self._now_us = now_us
        self._loads = Limiter(LOADS_A_SECOND, LOADS_AT_ONCE)
        self._answers = Limiter(ANSWERS_A_SECOND, ANSWERS_AT_ONCE)
        self._runner: web.AppRunner | None = None
        self._style = style()
        self._log = structlog.get_logger()

    async def start(self) -> int:
        """Listen; returns the port. OSError when it is taken."""
        application = web.Application(client_max_size=LARGEST_FORM, middlewares=[self._guarded])
        application.add_routes(
            [
                web.get("/style.css", self._get_style),
                web.get("/robots.txt", self._get_robots),
                web.get("/{token}", self._get),
                web.post("/{token}", self._post),
            ]
        )
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False, keepalive_timeout=15)
        await self._runner.setup()
        await web.TCPSite(self._runner, *self._listen).start()
        port: int = self._runner.addresses[0][1]
        return port

    async def stop(self) -> None:
        """Close the listener and what is connected to it."""
        if self._runner:
            await self._runner.cleanup()

    @web.middleware
    async def _guarded(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Limit who asks too often, turn every fault into a page that says little, and put the headers on all."""
        if not self._loads.allows(_peer(request), time.monotonic()):
            response: web.StreamResponse = self._word("limited", 429, "busy")
        else:
            response = await self._answered(request, handler)
        response.headers.update(HEADERS)
        return response

    async def _answered(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        try:
            return await handler(request)
        except UnknownLinkError:
            return self._word("unknown", 404, "unknown")
        except ExpiredLinkError as error:
            return self._word("expired", 410, "expired", await asyncio.to_thread(self._language_of, error.case))
        except LeakError as error:
            self._telemetry.leak_blocks.inc()
            self._log.error("page blocked", reason=error.what)
            return self._word("failed", 503, "failing")
        except (sqlite3.Error, StorageError, OSError, TimeoutError) as error:
            self._log.error("page failed", reason=type(error).__name__)
            return self._word("failed", 503, "failing")
        except web.HTTPException as error:  # no such route, a method or a form that is none
            return self._word("refused" if error.status != 404 else "unknown", error.status, "unknown")

    async def _get(self, request: web.Request) -> web.Response:
        """Show the case. HEAD comes here too, and like every reading it changes nothing."""
        token = request.match_info["token"]
        case = self._links.case(token, self._now_us())
        said = next((word for word in SAID if word == request.query.get("said")), None)
        return self._html(await asyncio.to_thread(self._page, token, case, said, ""), "shown")

    async def _post(self, request: web.Request) -> web.Response:
        """Do what a button says, then send the reader back to the page, so that loading it again sends nothing twice."""
        token, now = request.match_info["token"], self._now_us()
        case = self._links.case(token, now)
        if (
            request.content_type != "application/x-www-form-urlencoded"
            or request.headers.get("Sec-Fetch-Site") == "cross-site"
        ):
            return self._word("refused", 403, "unknown")
        if not self._answers.allows(case, time.monotonic()):
            return self._word("limited", 429, "busy")
        async with asyncio.timeout(FORM_SECS):
            fields = await request.post()
        given, event, note = (str(fields.get(name, "")) for name in ("form", "do", "note"))
        note = notes.plain(note)
        if not self._links.form_is_ours(token, given, now):
            page = await asyncio.to_thread(self._page, token, case, "stale", note[: notes.LONGEST])
            return self._html(page, "refused", 403)
        if len(note) > notes.LONGEST:
            page = await asyncio.to_thread(self._page, token, case, "long", note[: notes.LONGEST])
            return self._html(page, "refused", 413)
        said = await asyncio.to_thread(self._do, case, event, note, now)
        self._telemetry.page_requests.labels("fixed" if said == "fixed" else "noted" if note else "refused").inc()
        return web.Response(status=303, headers={"Location": f"{token}?said={said}"})

    def _do(self, case: str, event: str, note: str, now_us: int) -> Said:
        """Write the note, then move the case as the table allows."""
        if note and len(self._cases.notes(case)) < notes.MOST:
            self._cases.add_note(case, AUTHOR, note, now_us)
        if event != "fixed":
            return "noted" if note else "empty"
        try:
            moved = self._cases.move_incident(case, "fixed", now_us)
        except LifecycleError:
            return "noted" if note else "already"
        if moved is None:
            raise UnknownLinkError("no such case any more")
        self._telemetry.incidents.labels(moved.kind, moved.state).inc()
        self._log.info("incident changed", incident=case, kind=moved.kind, state=moved.state, by="customer page")
        return "fixed"

    def _page(self, token: str, case: str, said: Said | None, draft: str) -> str:
        incident = self._cases.incident(case)
        if incident is None:
            raise ExpiredLinkError(case)
        now = self._now_us()
        return case_page(
            incident,
            self._cases.noticed(case),
            episodes=self._policy()(incident, now).customer,
            own=self._owners().contains,
            settings=self._settings(),
            language=self._language(incident),
            form=self._links.form(token, now),
            said=said,
            draft=draft,
            blind=bool(self._problems()),
            now_us=now,
        )

    def _language(self, incident: Incident) -> str:
        customer = next((one for one in self._owners().customers if one.id == incident.customer), None)
        return customer.language if customer else self._settings().language

    def _language_of(self, case: str) -> str:
        incident = self._cases.incident(case)
        return self._language(incident) if incident else self._settings().language

    def _word(self, outcome: str, status: int, word: str, language: str = "") -> web.Response:
        settings = self._settings()
        return self._html(word_page(word, settings, language or settings.language), outcome, status)

    def _html(self, text: str, outcome: str, status: int = 200) -> web.Response:
        self._telemetry.page_requests.labels(outcome).inc()
        return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")

    async def _get_style(self, _request: web.Request) -> web.Response:
        return web.Response(text=self._style, content_type="text/css", charset="utf-8")

    async def _get_robots(self, _request: web.Request) -> web.Response:
        return web.Response(text="User-agent: *\nDisallow: /\n", content_type="text/plain", charset="utf-8")


def customer_page(daemon: Daemon) -> CustomerPage | None:
    """Make the page of a daemon; None where its configuration has none."""
    links, listen = daemon.links, daemon.setup.config.customer_page.listen
    if links is None or listen is None:
        return None
    return CustomerPage(
        daemon.setup.config.customer_page.endpoint,
        links,
        daemon.store,
        owners=lambda: daemon.setup.inventory,
        policy=lambda: daemon.setup.config.policy.settings(),  # noqa: PLW0108  # of the configuration in force, not of the first
        settings=lambda: daemon.report_settings(daemon.setup),
        telemetry=daemon.telemetry,
        problems=daemon.problems,
    )


def _peer(request: web.Request) -> str:
    """Name who asks: the other end, or whom a web server on this machine names as its own other end."""
    remote = request.remote or ""
    named = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    try:
        local = ipaddress.ip_address(remote).is_loopback
        return str(ipaddress.ip_address(named)) if local and named else remote
    except ValueError:
        return remote
