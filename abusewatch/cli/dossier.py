"""What a replay leaves in a folder: report.html, findings.jsonl and the mails that would go.

The policy is ignored, so that a rule can be judged by the mails it would cause; what each audience may see is not.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from abusewatch import retention
from abusewatch.casework import Blocked, Casework
from abusewatch.cli.judge import Verdict
from abusewatch.contacts import OperatorTable, TableResolver
from abusewatch.incidents import correlate, everyone
from abusewatch.inventory import Inventory
from abusewatch.model.finding import Detection
from abusewatch.model.message import Message
from abusewatch.reports import html
from abusewatch.reports.compose import Composer
from abusewatch.reports.settings import ReportSettings
from abusewatch.storage import MemoryStore

KEY = b"a replay's mails never leave"
"""Keys the Message-IDs of a replay: the same input gives the same bytes."""


class Left(NamedTuple):
    """How many mails were written, and those that could not be or were not allowed to."""

    mails: int
    blocked: tuple[Blocked, ...]


class Reporter(NamedTuple):
    """Who writes."""

    organisation: str
    sender: str


def write_dossier(
    folder: Path,
    verdict: Verdict,
    inventory: Inventory,
    table: OperatorTable,
    reporter: Reporter,
    source_name: str,
) -> Left:
    """Write the folder, in place of what an earlier replay left there."""
    detections = verdict.detections
    mails = folder / "mails"
    mails.mkdir(parents=True, exist_ok=True)
    for old in mails.glob("AW-*.eml"):
        old.unlink()
    lines = b"".join(msgspec.json.encode(detection.finding) + b"\n" for detection in detections)
    (folder / "findings.jsonl").write_bytes(lines)
    written, blocked = compose(detections, inventory, table, reporter)
    messages = {
        f"mails/{message.incident}.{number:03d}.{message.audience}.eml": message
        for number, message in enumerate(written, 1)
    }
    for name, message in messages.items():
        (folder / name).write_bytes(message.raw)
    counts = {"records": verdict.records, "findings": len(detections), "mails": len(messages)}
    page = html.render(detections, source_name=source_name, counts=counts, mails=messages)
    (folder / "report.html").write_text(page, "utf-8")
    return Left(len(messages), tuple(blocked))


def compose(
    detections: Sequence[Detection], inventory: Inventory, table: OperatorTable, reporter: Reporter
) -> tuple[list[Message], list[Blocked]]:
    """Take findings through the daemon's own casework with a store in memory, at the time of the last sighting."""
    if not detections:
        return [], []
    now_us = max(detection.last_us for detection in detections)
    store = MemoryStore()
    store.save(correlate((), detections, now_us, store.next_id))
    casework = Casework(
        store,
        inventory,
        TableResolver(table, inventory.contains),
        Composer(ReportSettings(reporter.organisation, reporter.sender, KEY, retention.days("evidence"))),
        policy=everyone,
        unresolved=True,
    )
    messages: list[Message] = []
    blocked: list[Blocked] = []
    while reports := casework.turn(now_us):
        messages.extend(message for report in reports for message in report.messages)
        blocked.extend(one for report in reports for one in report.blocked)
    return messages, blocked
