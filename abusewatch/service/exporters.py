"""How each exporter is: what `abusewatch sources` shows. Made by the worker, whose decoders count it."""

from collections.abc import Sequence
from typing import Any

from abusewatch.service import captured
from abusewatch.service.feed import Feed
from abusewatch.sources.live.source import CaptureSource
from abusewatch.sources.tcp import TcpSource
from abusewatch.wire.headers import VERSION_5
from abusewatch.wire.sequence import RECORDS_NUMBERED, Account

VERSIONS = {5: "netflow5", 9: "netflow9", 10: "ipfix", 105: "sflow5"}


def report(feeds: Sequence[Feed]) -> list[dict[str, Any]]:
    """List the sources, each with its exporters, each with its observation domains. Exporters are the provider's own routers, so they have names here."""
    return [_source(feed) for feed in feeds]


def _source(feed: Feed) -> dict[str, Any]:
    if isinstance(feed.source, CaptureSource):
        return captured.report(feed.source)
    counts = feed.source.counts()
    accounts: dict[int, list[Account]] = {}
    for account in feed.decoder.accounts:
        accounts.setdefault(account.exporter, []).append(account)
    heard = set(accounts) | set(feed.decoder.charged)
    return {
        "name": feed.source.name,
        "type": "ipfix-tcp" if isinstance(feed.source, TcpSource) else "udp",
        "listens": [f"{address}:{port}" for address, port in feed.source.addresses],
        "received": counts.received,
        "kernel_drops": counts.kernel_drops,
        "unlisted": counts.unlisted,
        "unlisted_senders": [{"address": text, "last_seen_us": at_us} for text, at_us in feed.source.strangers.texts()],
        "oversized": counts.oversized,
        "exporters_full": counts.exporters_full,
        "waiting": counts.waiting,
        "exporters": [_exporter(feed, feed.source.exporters.text(number), number, accounts.get(number, [])) for number in sorted(heard)],
    }


def _exporter(feed: Feed, name: str, number: int, accounts: Sequence[Account]) -> dict[str, Any]:
    return {
        "address": name,
        "rejected": {reason.value: count for reason, count in sorted(feed.decoder.refused(number).items())},
        "domains": [_domain(account, feed.sampling) for account in accounts],
    }


def _domain(account: Account, configured: int) -> dict[str, Any]:
    rates, told_by = sampling(account, configured)
    return {
        "version": VERSIONS[account.version],
        "domain": account.domain,
        "datagrams": account.datagrams,
        "records": account.records,
        "last_seen_us": account.last_seen_us,
        "lost": account.lost,
        "lost_unit": "records" if account.version in RECORDS_NUMBERED else "datagrams",
        "samples_lost": account.samples_lost,
        "duplicates": account.duplicates,
        "restarts": account.restarts,
        "templates": account.templates,
        "sets_without_template": account.missing_templates,
        "sets_waiting": account.sets_waiting,
        "sampling_rates": rates,
        "sampling_told_by": told_by,
        "clock_ahead_secs": None if account.skew_us is None else round(account.skew_us / 1e6, 1),
        "coverage": account.coverage,
    }


def sampling(account: Account, configured: int) -> tuple[list[int], str]:
    """The rates in force for a domain, and who told them. No rate: each record tells its own, or nobody does."""
    rates = [rate for rate in account.sampling_rates if rate]
    if rates or account.sampling_told_by == "each record":
        return rates, account.sampling_told_by
    if configured:
        return [configured], "the configuration"
    return ([1], "the header, which names no interval") if account.version == VERSION_5 else ([], "nobody")
