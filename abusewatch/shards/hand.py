"""One shard as seen from the process that started it: its process, what it owes, and what becomes of that when it dies."""

import os
import socket
import subprocess
import sys
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog
from msgspec.structs import replace

from abusewatch.model.rows import Columns
from abusewatch.shards.letters import Stands, Told, Turn
from abusewatch.shards.memory import Files, Layout
from abusewatch.shards.post import Post
from abusewatch.windows.order import Index

LEAST_PAUSE_SECS, MOST_PAUSE_SECS = 1.0, 60.0
LONG_SECS = 60.0
"""Who has lived this long did not die of being started."""
STOP_SECS = 5.0
PASSED = ("PYTHONHASHSEED", "ABUSEWATCH_COMPILED", "LANG", "PATH")


@dataclass(slots=True, eq=False)
class Owed:
    """A pane that is being decided: who has not answered yet, and what the others said."""

    waiting: set[int]
    told: dict[int, Told] = field(default_factory=dict)


class Hand:
    """A process that is given turns. When it ends, what it owed is lost and counted, and another begins with empty windows, after a pause if it died young."""

    def __init__(self, number: int, letter: bytes) -> None:
        """Start it."""
        self.number = number
        self.ends = self.lost_rows = 0
        self.ended = 0.0
        self.waits = False
        self.knows = 0
        """How many interfaces it has been told of (`letters.Turn`)."""
        self.post: Post | None = None
        self.answers: deque[Stands | None] = deque()
        self._letter = letter
        self._owed: deque[tuple[Owed, Layout]] = deque()
        self._asked = 0
        self._last = self._base = Told([], [], waits=False, shed={}, faults={})
        self._decoder = msgspec.msgpack.Decoder(Told | Stands)
        self._began = self._again = 0.0
        self._pause_secs = LEAST_PAUSE_SECS
        self._closing: Callable[[], Any] = lambda: None
        self._log = structlog.get_logger()
        self._start()

    @property
    def ahead(self) -> int:
        """How many turns it owes."""
        return len(self._owed)

    @property
    def pid(self) -> int:
        """The number of its process, 0 when there is none."""
        return self._pid if self.post else 0

    def revive(self) -> None:
        """Start a process that has ended again, unless it is to pause."""
        if self.post is None and time.monotonic() >= self._again:
            self._start()

    def give(self, turn: Turn, columns: Columns, at: Index, owed: Owed) -> None:
        """Put a turn with some rows in line; without a process they are lost."""
        if self.post is None:
            self._lose(owed, len(at))
            return
        try:
            layout, file = self._files.write(columns, at)
        except OSError as error:
            self._log.error("no memory for a pane, its rows are lost", shard=self.number, error=str(error), rows=len(at))
            self._lose(owed, len(at))
            return
        self._owed.append((owed, layout))
        self.post.say(msgspec.msgpack.encode(replace(turn, layout=layout)), file)

    def ask(self, message: bytes) -> bool:
        """Put a question in line, whose answer will be in `answers`; False without a process."""
        if self.post is None:
            return False
        self._asked += 1
        self.post.say(message)
        return True

    def move(self) -> None:
        """Let messages go to and fro as far as they do without waiting."""
        post = self.post
        if post is None:
            return
        alive = True
        try:
            post.push()
        except OSError:
            alive = False
        alive = post.pull() and alive
        for message in _all(post):
            self._take(self._decoder.decode(message))
        if not alive:
            self._bury()

    def stop(self) -> None:
        """End it in order: it ends when it is spoken to no more."""
        self.post = None
        self._closing()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        environment = {name: value for name in PASSED if (value := os.environ.get(name)) is not None}
        environment |= {
            "PYTHONPATH": os.pathsep.join(folder for folder in sys.path if folder),
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "abusewatch.shards.child", str(theirs.fileno())],
                pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=environment, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            ours.close()
            self._pause(f"it cannot be started: {error}")
            return
        finally:
            theirs.close()
        ours.settimeout(0)
        self._files, self.knows = Files(), 0
        self.post, self._pid, self._began = Post(ours), process.pid, time.monotonic()
        self._closing = weakref.finalize(self, _end, process, self.post)
        self.post.say(self._letter)

    def _bury(self) -> None:
        self.post = None
        self._closing()
        owed = list(self._owed)
        self._owed.clear()
        for each, layout in owed:
            self._lose(each, layout.rows)
        self.answers.extend([None] * self._asked)
        self._asked = 0
        self._base, self.waits = self._last, False
        self._pause("it ended")

    def _pause(self, why: str) -> None:
        now = time.monotonic()
        self.ends += 1
        self.ended = now
        lived = now - self._began if self._began else 0.0
        self._pause_secs = LEAST_PAUSE_SECS if lived > LONG_SECS else min(2 * self._pause_secs, MOST_PAUSE_SECS)
        self._again = now if lived > LONG_SECS else now + self._pause_secs
        self._log.error(
            "engine process lost, its windows begin empty", shard=self.number, why=why, lost_rows=self.lost_rows
        )

    def _lose(self, owed: Owed, rows: int) -> None:
        self.lost_rows += rows
        owed.waiting.discard(self.number)

    def _take(self, answer: Told | Stands) -> None:
        if isinstance(answer, Stands):
            self._asked -= 1
            self.answers.append(answer)
            return
        owed, layout = self._owed.popleft()
        self._files.free(layout.file)
        owed.waiting.discard(self.number)
        self.waits = answer.waits
        shed = Counter(self._base.shed) + Counter(answer.shed)
        faults = {
            rule: dict(Counter(self._base.faults.get(rule, {})) + Counter(reasons))
            for rule, reasons in (self._base.faults | answer.faults).items()
        }
        self._last = owed.told[self.number] = Told(answer.found, answer.asked, answer.waits, dict(shed), faults)


def _all(post: Post) -> Iterator[bytes]:
    while (message := post.heard()) is not None:
        yield message


def _end(process: subprocess.Popen[bytes], post: Post) -> None:
    post.close()
    try:
        process.wait(STOP_SECS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
