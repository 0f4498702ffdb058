"""Which mails of an incident are to be written now, to whom, and when to look at it again: decided purely."""

from collections.abc import Mapping
from typing import NamedTuple

from abusewatch.incidents.mailing import WAIT_US, ask_again_us, next_mail
from abusewatch.incidents.policy import Decision
from abusewatch.incidents.readers import Found
from abusewatch.model.incident import Incident
from abusewatch.model.message import Extent, Stage, Told
from abusewatch.model.reader import Reader


class Due(NamedTuple):
    """A mail to write: to whom, which of his thread it is, under which case that began (if another), and what it tells of."""

    reader: Reader
    stage: Stage
    sequence: int
    thread: str
    extent: Extent | None


class Plan(NamedTuple):
    """The mails to write now, how many operators wait for room in a budget, and when to look again (None: at the next change)."""

    mails: tuple[Due, ...]
    waiting: int
    again_us: int | None


def plan(
    incident: Incident,
    decision: Decision,
    found: Found,
    told: Mapping[tuple[str, str], Told],
    room: int,
    now_us: int,
) -> Plan:
    """Go through the readers, given the last mail to each; at most `room` operators, and nobody who is left in peace."""
    mails, waiting = [], 0
    moments = [ask_again_us(incident, now_us) if found.missing else None]
    for reader in found.readers:
        last = told.get((reader.audience, reader.recipient.lower()))
        step = next_mail(incident, last, reader.last_us, now_us, reader.extent)
        moments.append(step.again_us)
        if step.stage is None:
            continue
        if reader.audience in decision.quiet:
            moments.append(decision.quiet[reader.audience])
        elif reader.audience == "operator" and room == 0:
            waiting += 1
        else:
            room -= reader.audience == "operator"
            mails.append(Due(reader, step.stage, step.sequence, last.thread if last else "", _extent(reader, last)))
    moments.append(now_us + WAIT_US if waiting else None)
    return Plan(tuple(mails), waiting, min((moment for moment in moments if moment is not None), default=None))


def _extent(reader: Reader, last: Told | None) -> Extent | None:
    """Say what a mail tells of; the ladder stands where it stood for the first one."""
    if reader.extent is None or last is None or last.extent is None:
        return reader.extent
    return reader.extent._replace(first=last.extent.first)
