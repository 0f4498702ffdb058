"""One first mail, updates at most daily and only after the mail before has left, one closing mail; when to look again."""

import pytest

from abusewatch.incidents.lifecycle import DAY_US, SILENCE_US
from abusewatch.incidents.mailing import Step, next_mail
from abusewatch.model.message import Extent, Told
from tests.cases import SECOND, T0, incident

ONE = incident(state="active")
LAST = ONE.last_us
OVER = LAST + SILENCE_US["quiet"]
STOPPED = SILENCE_US["active"]
CLOSED, QUIET, FIXED = (incident(state=state) for state in ("closed", "quiet", "resolved"))
EARLIER = Told(0, "first", T0 - 2 * DAY_US, sent=True)
SENT, UNSENT = Told(0, "first", T0, sent=True), Told(0, "first", T0, sent=False)


@pytest.mark.parametrize(
    ("case", "told", "last_us", "now_us", "step"),
    [
        (ONE, None, LAST, T0, Step("first")),
        (ONE, SENT, T0, T0 + 9 * DAY_US, Step(None)),  # nothing new that concerns him
        (ONE, SENT, LAST, T0 + DAY_US - 1, Step(None, again_us=T0 + DAY_US)),
        (ONE, SENT, LAST, T0 + DAY_US, Step("update", 1)),
        (ONE, Told(3, "update", T0, sent=True), LAST, T0 + DAY_US, Step("update", 4)),
        (ONE, UNSENT, LAST, T0 + DAY_US, Step(None, again_us=T0 + 2 * DAY_US)),
        (ONE, SENT, LAST, T0 - 400 * DAY_US, Step(None, again_us=T0 + DAY_US)),  # a clock set back frees nothing
        (QUIET, SENT, LAST, LAST + STOPPED, Step(None, 1, T0 + DAY_US)),  # not two mails of a case in a day
        (QUIET, SENT, LAST, T0 + DAY_US, Step("closing", 1)),
        (QUIET, UNSENT, LAST, T0 + DAY_US, Step(None, 1, T0 + 2 * DAY_US)),
        (QUIET, Told(4, "closing", T0, sent=True), LAST, OVER, Step(None, 5)),
        (QUIET, None, LAST, LAST + STOPPED, Step("first")),
        (FIXED, SENT, LAST, LAST + 1, Step(None, 1, T0 + DAY_US)),
        (FIXED, EARLIER, LAST, LAST + 1, Step(None, 1, LAST + STOPPED)),  # who says so is believed when nothing comes any more
        (FIXED, EARLIER, LAST, LAST + STOPPED, Step("closing", 1)),
        (CLOSED, None, LAST, OVER, Step(None)),
        (CLOSED, SENT, LAST, OVER, Step("closing", 1)),
        (CLOSED, EARLIER, LAST, LAST + STOPPED - 1, Step(None, 1)),  # closed by the desk while it went on
        (CLOSED, UNSENT, LAST, OVER, Step(None, 1)),
        (CLOSED, Told(4, "closing", T0, sent=True), LAST, OVER, Step(None, 5)),
        (incident(state="reopened"), Told(4, "closing", T0, sent=True), LAST + SECOND, T0 + DAY_US, Step("update", 5)),
    ],
)  # fmt: skip
def test_the_next_mail(case, told, last_us, now_us, step):
    assert next_mail(case, told, last_us, now_us) == step
    assert next_mail(case, told, last_us, now_us, EXTENT) == step  # what the last mail told of is not known: there may be more


EXTENT = Extent("address_scan", "medium", 1, 1000, 100)


@pytest.mark.parametrize(
    ("now", "told", "stage"),
    [
        (EXTENT, EXTENT, None),
        (EXTENT._replace(packets=9999), EXTENT, None),
        (EXTENT._replace(packets=10_000), EXTENT, "update"),
        (EXTENT._replace(packets=1000), EXTENT._replace(packets=999), "update"),  # tenfold of what the first mail told of
        (EXTENT._replace(packets=9), EXTENT, None),
        (EXTENT._replace(severity="high"), EXTENT, "update"),
        (EXTENT._replace(severity="low", kind="slow_scan"), EXTENT, None),
        (EXTENT._replace(kind="worm"), EXTENT, "update"),
        (EXTENT._replace(offenders=2), EXTENT, "update"),
    ],
)  # fmt: skip
def test_an_update_tells_of_more(now, told, stage):
    """And whatever it tells, it waits for its day; after a closing mail any sighting is news."""
    said = Told(0, "first", T0, sent=True, extent=told)
    assert next_mail(ONE, said, LAST, T0 + DAY_US, now).stage == stage
    assert next_mail(ONE, said, LAST, T0 + DAY_US - 1, now) == Step(None, again_us=T0 + DAY_US if stage else None)
    assert next_mail(ONE, said._replace(stage="closing"), LAST, T0 + DAY_US, now).stage == "update"
    assert next_mail(QUIET, said, LAST, T0 + DAY_US, now).stage == "closing"
