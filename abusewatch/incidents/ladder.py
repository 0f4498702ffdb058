"""The ladder: what goes on is told again when it is ten, a hundred, a thousand times what it was, and not in between.

An attack that goes on as it began thus climbs on its second day, its tenth and its hundredth; one that swells climbs at once.
"""

from abusewatch.model.claims import rank
from abusewatch.model.kinds import SEVERITIES
from abusewatch.model.message import Extent


def rung(packets: int, first: int) -> int:
    """Count the tenfold steps from what there was first: 0 up to nine times as much, 1 from ten times on, 2 from a hundred."""
    return len(str(max(packets // max(first, 1), 1))) - 1


def climbed(now: Extent, then: Extent | None) -> bool:
    """Whether there is more to say than a mail said: a stronger claim, a graver one, another machine, or a step of the ladder.

    Of a mail that an earlier version wrote nobody knows what it told (None): then there is.
    """
    if then is None:
        return True
    graver = SEVERITIES.index(now.severity) > SEVERITIES.index(then.severity)
    steps = rung(now.packets, then.first) > rung(then.packets, then.first)
    return rank(now.kind) < rank(then.kind) or graver or now.offenders > then.offenders or steps
