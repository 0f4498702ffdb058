"""Which mail of a case somebody is to get next: a first one, an update when it has climbed, one closing mail; and when to look again."""

from typing import NamedTuple

from abusewatch.incidents.ladder import climbed
from abusewatch.incidents.lifecycle import DAY_US, SILENCE_US
from abusewatch.model.incident import Incident
from abusewatch.model.message import Extent, Stage, Told

EVERY_US = DAY_US
"""Between two mails of a case to one recipient (threats.md T7: 1 mail/case/24 h)."""

WAIT_US = 600_000_000
"""Until the next look at a case whose operators wait for a budget."""
ASK_US = 60_000_000
"""Until the first look at a case whose operators were not known yet."""

OVER = frozenset({"quiet", "resolved", "closed"})
"""States in which nothing has been seen of late, or somebody said that it is fixed."""


class Step(NamedTuple):
    """The mail to write now (None: none), its number in the thread, and when to look again (None: at the next change)."""

    stage: Stage | None
    sequence: int = 0
    again_us: int | None = None


def next_mail(incident: Incident, told: Told | None, last_us: int, now_us: int, extent: Extent | None = None) -> Step:
    """Decide for one recipient. `told` is the last mail to him, `last_us` the last sighting that concerns him, `extent` how far it has gone.

    Who was never told hears nothing of a closed case, and whose first mail has not left hears nothing more before it
    has. An update tells of more than the mail before it (`ladder`), or that it began again after the closing one, which is
    due when the act has stopped: after the quiet time, not when the case is filed three days later. A case the desk closed
    while the act was fresh was a mistake or is dealt with by hand: no mail says it stopped.
    """
    if told is None:
        return Step(None if incident.state == "closed" else "first")
    following = told.sequence + 1
    if incident.state in OVER:
        return _closing(incident, told, following, now_us)
    if last_us <= told.at_us or not (told.stage == "closing" or extent is None or climbed(extent, told.extent)):
        return Step(None)
    again_us = told.at_us + EVERY_US
    if now_us < again_us:
        return Step(None, again_us=again_us)
    return Step("update", following) if told.sent else Step(None, again_us=now_us + EVERY_US)


def _closing(incident: Incident, told: Told, following: int, now_us: int) -> Step:
    """Say that it has stopped, once, a day after the last mail at the earliest; and when that can be said."""
    stopped_us = incident.last_us + SILENCE_US["active"]
    if told.stage == "closing" or (incident.state == "closed" and (not told.sent or now_us < stopped_us)):
        return Step(None, following)
    due_us = max(stopped_us, told.at_us + EVERY_US)
    if now_us < due_us:
        return Step(None, following, due_us)
    return Step("closing", following) if told.sent else Step(None, following, now_us + EVERY_US)


def ask_again_us(incident: Incident, now_us: int) -> int | None:
    """Say when a contact that is not known yet may be: a registry answers in a minute, or is down for hours."""
    return None if incident.state == "closed" else now_us + max(ASK_US, (now_us - incident.opened_us) // 4)
