"""Several processes that decide panes together, each for its own part of the addresses; what they find comes pane by pane and in the order of one."""

import select
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np
from msgspec.structs import replace

from abusewatch.detect.episodes import Coverage, complete
from abusewatch.detect.explain import Account
from abusewatch.detect.rule import Rule
from abusewatch.inventory import Inventory
from abusewatch.model import rows as r
from abusewatch.model.finding import Detection
from abusewatch.shards import letters, split
from abusewatch.shards.hand import Hand, Owed
from abusewatch.shards.letters import Question, Told, Turn
from abusewatch.shards.share import Faults, in_order
from abusewatch.windows.panes import SECOND, Pane

MOST_AHEAD = 2
"""Panes that a shard may owe before who gives them waits: enough that none stands idle, and few, since each lies in memory."""
TROUBLE_SECS = 300.0
"""How long the loss of a shard's windows is told as a problem: the windows of most rules are full again by then."""


class Crew:
    """The deciding half of a pipeline in `workers` processes. All counts are of panes that every shard has decided, so no total goes back and forth."""

    def __init__(self, rules: Sequence[Rule], inventory: Inventory, workers: int, pane_us: int = 5 * SECOND) -> None:
        """Start them. ValueError names rules that cannot be divided by address."""
        if whole := split.inseparable(rules):
            raise ValueError(
                f"rules that bring several own addresses together cannot run in several processes: {', '.join(whole)}"
            )
        self.coverage: Coverage = complete
        self._inventory = inventory
        letter = msgspec.msgpack.encode(letters.birth(rules, inventory, pane_us))
        self.hands = [Hand(number, letter) for number in range(workers)]
        self._open: deque[Owed] = deque()
        self._latest: dict[int, Told] = {}
        self._found: deque[list[Detection]] = deque()

    def close(self, pane: Pane, slots: int) -> Iterator[Sequence[Detection]]:
        """Give every shard its part of a pane, also when it has none: their clocks go alike."""
        owed = Owed({hand.number for hand in self.hands})
        self._open.append(owed)
        shards = len(self.hands)
        rows = pane.rows if pane.rows and r.length(pane.rows) else r.empty()
        numbered = rows | {"slot": rows["slot"] // np.int32(shards)}
        behind = self._inventory.behind
        for hand, at in zip(self.hands, split.places(rows["slot"], shards), strict=True):
            hand.revive()
            news = behind if len(behind) > hand.knows else None
            hand.knows = len(behind)
            hand.give(
                Turn(pane.end_us, pane.last, pane.part, split.count(slots, hand.number, shards), news),
                numbered,
                at,
                owed,
            )
        self._move(lambda: all(hand.ahead <= MOST_AHEAD for hand in self.hands))
        return self._given()

    def ready(self) -> Iterator[Sequence[Detection]]:
        """Give what has come meanwhile."""
        if self._open:
            self._move(lambda: True)
        return self._given()

    def settled(self) -> Iterator[Sequence[Detection]]:
        """Wait for every pane."""
        self._move(lambda: not any(hand.ahead for hand in self.hands))
        return self._given()

    @property
    def processes(self) -> int:
        """How many decide."""
        return len(self.hands)

    @property
    def waits(self) -> bool:
        """Whether time alone may bring something to one of them; then it passes for all."""
        self._move(lambda: not any(hand.ahead for hand in self.hands))
        return any(hand.waits for hand in self.hands)

    @property
    def shed(self) -> dict[str, int]:
        """The sum of what their tables gave up."""
        return dict(sum((Counter(told.shed) for told in self._latest.values()), Counter()))

    @property
    def faults(self) -> Faults:
        """The sum of the turns that their detectors gave nothing for."""
        found: Faults = {}
        for told in self._latest.values():
            for rule, reasons in told.faults.items():
                found[rule] = dict(Counter(found.get(rule, {})) + Counter(reasons))
        return found

    @property
    def ends(self) -> int:
        """How many of their processes have ended by themselves."""
        return sum(hand.ends for hand in self.hands)

    @property
    def lost_rows(self) -> int:
        """Rows that were with one that ended, or came while there was none."""
        return sum(hand.lost_rows for hand in self.hands)

    @property
    def trouble(self) -> str:
        """Say which of them was lost lately; empty when none was."""
        now = time.monotonic()
        for hand in self.hands:
            if hand.ends and (not hand.pid or now - hand.ended < TROUBLE_SECS):
                state = "began anew with empty windows" if hand.pid else "does not run"
                return f"engine process {hand.number + 1} of {len(self.hands)} was lost {now - hand.ended:.0f} s ago and {state}"
        return ""

    def standing(self, rule: Rule, offender: str, slot: int) -> Account:
        """Ask the shard of an address. RuntimeError when it ends meanwhile."""
        number, there = split.within(slot, len(self.hands))
        hand = self.hands[number]
        if hand.ask(msgspec.msgpack.encode(Question(rule.id, offender, there))):
            self._move(lambda: bool(hand.answers))
            if answer := hand.answers.popleft():
                return answer.account
        raise RuntimeError("the engine process of this address has just ended")

    def stop(self) -> None:
        """End them."""
        for hand in self.hands:
            hand.stop()

    def _move(self, done: Callable[[], bool]) -> None:
        """Let messages go to and fro, at least once, until something is so."""
        while True:
            for hand in self.hands:
                hand.revive()
                hand.move()
            while self._open and not self._open[0].waiting:
                self._found.append(self._finished(self._open.popleft()))
            if done():
                return
            poll = select.poll()
            for hand in self.hands:
                if hand.post:
                    poll.register(hand.post.socket, select.POLLIN | (select.POLLOUT if hand.post.full else 0))
            poll.poll()

    def _given(self) -> Iterator[list[Detection]]:
        while self._found:
            yield self._found.popleft()

    def _finished(self, owed: Owed) -> list[Detection]:
        """Bring together what all say of a pane."""
        self._latest |= owed.told
        return in_order([self._covered(each, told) for told in owed.told.values() for each in told.found])

    def _covered(self, detection: Detection, told: Told) -> Detection:
        share = self.coverage(*told.asked[int(detection.finding.coverage)])
        return replace(detection, finding=replace(detection.finding, coverage=share))
