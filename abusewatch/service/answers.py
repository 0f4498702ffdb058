"""What the daemon answers over its local socket: how it is, who exports to it, who uses the link, and how rules stand towards an address."""

import asyncio
import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

import msgspec

import abusewatch
from abusewatch.config.assemble import Setup
from abusewatch.detect.explain import Account, in_order
from abusewatch.detect.rule import Rule
from abusewatch.model import address
from abusewatch.model.finding import iso
from abusewatch.pipeline import Pipeline
from abusewatch.service import captured
from abusewatch.service.desk import now_us
from abusewatch.service.exporters import report
from abusewatch.service.feed import Feed
from abusewatch.service.intake import Intake
from abusewatch.sources.live.source import CaptureSource
from abusewatch.storage import SqliteStore
from abusewatch.storage.sqlite_exceptions import SqliteExceptions
from abusewatch.usage.meter import Minute, Networks, Usage

ANSWER_SECS = 5.0
"""For the worker to answer a question; who asks over the local socket waits ten."""
UNANSWERED = f"detection has not answered for {ANSWER_SECS:g} s; it is busy or stuck, see `abusewatch status`"


LINES = 20
MOST_LINES = 1000
ORDERS: dict[str, Callable[[Usage], int]] = {
    "out": lambda usage: usage.bytes_out,
    "in": lambda usage: usage.bytes_in,
    "packets": lambda usage: usage.packets_out,
    "flows": lambda usage: usage.flows_out,
}
"""What top talkers can be ordered by."""


class Running(Protocol):
    """The daemon, as far as it is asked."""

    setup: Setup
    store: SqliteStore
    exceptions: SqliteExceptions
    intake: Intake
    endpoint_port: int

    def problems(self) -> list[str]:
        """List what is wrong now."""
        ...


class Answers:
    """Asks a daemon that runs; of the setup in force, whatever a reload brought."""

    def __init__(self, daemon: Running) -> None:
        """Take the daemon."""
        self._daemon = daemon

    async def status(self) -> dict[str, Any]:
        """What `abusewatch status` shows; no address and no customer."""
        store = self._daemon.store
        counts, incidents, exceptions = await asyncio.to_thread(
            lambda: (store.counts(), store.open_incidents(), self._daemon.exceptions.in_force(now_us()))
        )
        return {
            "version": abusewatch.__version__,
            "pid": os.getpid(),
            "mode": self._daemon.setup.config.mail.mode,
            "problems": self._daemon.problems(),
            "sources": [_source_status(feed) for feed in self._daemon.intake.feeds],
            "rules": [{"id": rule.id, "status": rule.status} for rule in self._daemon.setup.rules],
            "exceptions": [
                {"rule": one.rule, "until": iso(one.until_us), "author": one.author, "reason": one.reason}
                for one in exceptions
            ],
            "incidents": len(incidents),
            "outbox": counts,
            "metrics_port": self._daemon.endpoint_port,
        }

    async def sources(self) -> dict[str, Any]:
        """What `abusewatch sources` shows: the exporters by address, which are routers of the provider's own."""
        try:
            async with asyncio.timeout(ANSWER_SECS):
                return {"sources": await asyncio.wrap_future(self._daemon.intake.ask(report))}
        except TimeoutError:
            return {"error": f"detection has not moved for {ANSWER_SECS:g} s, so nobody knows how the exporters are"}

    async def top(self, words: Mapping[str, str]) -> dict[str, Any]:
        """What `abusewatch top` shows: the customers that use most of the link, by their ids; no address, no peer."""
        by, lines = words.get("by", "out"), words.get("lines", str(LINES))
        if by not in ORDERS:
            return {"error": f"top by {by!r}; known: {', '.join(ORDERS)}"}
        if not lines.isdecimal() or not 1 <= int(lines) <= MOST_LINES:
            return {"error": f"lines is a number from 1 to {MOST_LINES}, not {lines!r}"}
        try:
            async with asyncio.timeout(ANSWER_SECS):
                minute, networks = await asyncio.wrap_future(self._daemon.intake.look(_metered))
        except TimeoutError:
            return {"error": UNANSWERED}
        except RuntimeError as error:
            return {"error": str(error)}
        return await asyncio.to_thread(_ranked, minute, networks, by, int(lines))

    async def explain(self, words: Mapping[str, str]) -> dict[str, Any]:
        """What `abusewatch rules explain --live` shows: how each rule stands towards an address, asked of the worker rule by rule between its batches."""
        setup, offender = self._daemon.setup, words.get("offender", "")
        try:
            hi, lo = address.parse(offender)
        except ValueError:
            return {"error": f"{offender!r} is no address"}
        if not setup.inventory.contains(offender):
            return {"error": f"{offender} is in none of the networks named as ours"}

        def stands(rule: Rule, pipeline: Pipeline) -> Account:
            slot = pipeline.inventory.slots.find(hi, lo)
            return pipeline.decider.standing(rule, offender, slot)

        rules = [rule for rule in setup.rules if words.get("rule", rule.id) == rule.id]
        try:
            async with asyncio.timeout(ANSWER_SECS):
                asked = [asyncio.wrap_future(self._daemon.intake.look(partial(stands, rule))) for rule in rules]
                return {"accounts": msgspec.to_builtins(in_order(await asyncio.gather(*asked)))}
        except TimeoutError:
            return {"error": UNANSWERED}
        except RuntimeError as error:
            return {"error": str(error)}


def _metered(pipeline: Pipeline) -> tuple[Minute, Networks]:
    assert pipeline.meter is not None  # noqa: S101  the daemon's has one
    return pipeline.meter.minute(), pipeline.inventory


def _ranked(minute: Minute, networks: Networks, by: str, lines: int) -> dict[str, Any]:
    """Put the busiest first, those alike by name, and tell how much of each passes in a second."""
    customers, transit = minute.by_holder(networks)
    customers.sort(key=lambda usage: (-ORDERS[by](usage), usage.customer))
    return {
        "until": iso(minute.end_us) if minute.end_us else None,
        "secs": minute.secs,
        "by": by,
        "customers": [{"customer": usage.customer} | usage.per_sec(minute.secs) for usage in customers[:lines]],
        "not_shown": max(len(customers) - lines, 0),
        "total": Usage.sum_of(customers).per_sec(minute.secs),
        "transit": transit.per_sec(minute.secs),
    }


def _source_status(feed: Feed) -> dict[str, Any]:
    if isinstance(feed.source, CaptureSource):
        return captured.status(feed)
    counts = feed.source.counts()
    return {
        "name": feed.source.name,
        "listens": [f"{address}:{port}" for address, port in feed.source.addresses],
        "received": counts.received,
        "unlisted": counts.unlisted,
        "records": feed.records,
        "lost": feed.lost,
        "dropped": counts.kernel_drops + counts.oversized + counts.exporters_full,
        "waiting": counts.waiting,
        "last_received_us": feed.received_us,
    }
