"""How one rule of a running engine stands towards one address now: its window as it is, and how near that comes.

Unlike `detect.explain` this sees only what the engine keeps: no row that fails `where`, and of an address below the gate little or nothing. It changes
nothing, and what it looks at is bounded, since it runs between two batches of a busy engine.
"""

import numpy as np

from abusewatch.detect.engine import Engine
from abusewatch.detect.episodes import Owners, exempted
from abusewatch.detect.explain import FIRED, LEFT_OUT, NEAR, NOTHING, SILENCED, Account, idle
from abusewatch.detect.moments import Watch
from abusewatch.detect.rule import Rule

MOST_ROWS = 1 << 16  # of one address in one window; weighing as many takes some 20 ms, and a ring holds two seconds
NEVER_HEARD = -1


def standing(engine: Engine, owners: Owners, rule: Rule, offender: str, slot: int) -> Account:
    """Judge the window of a rule as the engine would have at the last pane; `slot` is that of the offender, -1 when it has none."""
    runner = engine.runner(rule.id)
    if runner is None:
        return idle(rule)
    at = np.array([slot], np.int32)
    held = runner.window.size_of(at) if slot != NEVER_HEARD else 0
    if held > MOST_ROWS:
        return _account(rule, NEAR, f"its window holds {held} rows of it, more than are weighed beside the work", held)
    rows = runner.window.rows_of(at, engine.now_us - runner.window.wait_us) if held else {}
    if not rows:
        return _account(
            rule, NOTHING, "nothing is kept of it: no row passed `where` lately, or too few to open the gate"
        )
    watch = Watch(rule, engine.pane_us, runner)
    weighed = runner.weigh(engine.now_us - runner.window.wait_us, rows)
    watch.look(weighed)
    open_now = bool(np.isin(weighed.rows["group"], engine.episodes.fired(rule.id)).any())
    words = exempted(rule, owners.owner_at(offender, engine.now_us), offender)
    if watch.first is None and not open_now:
        verdict, because = NEAR, "the condition does not hold"
    elif words:
        verdict, because = SILENCED, words
    elif open_now:
        verdict, because = FIRED, watch.because or "an episode is open; the condition does not hold any more"
    else:
        verdict, because = LEFT_OUT, "it is to be judged at the next step"
    return _account(rule, verdict, because, held, watch)


def _account(rule: Rule, verdict: str, because: str, held: int = 0, watch: Watch | None = None) -> Account:
    moments = {"gate": watch.gate, "first": watch.first, "best": watch.strongest or watch.nearest} if watch else {}
    return Account(rule.id, rule.title, rule.status, verdict, because, rule.match.on, held, held, {}, **moments)  # type: ignore[arg-type]  # by name
