"""The program of a shard: takes the rows of its addresses pane by pane, decides them, and tells what it found. It ends with who started it."""

import ctypes
import os
import signal
import socket
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import msgspec

from abusewatch.detect.engine import Engine
from abusewatch.model.finding import Detection
from abusewatch.model.rows import Columns
from abusewatch.shards import letters
from abusewatch.shards.letters import Birth, Question, Stands, Told, Turn
from abusewatch.shards.memory import Copies
from abusewatch.shards.post import Post
from abusewatch.shards.share import Share
from abusewatch.windows import heap
from abusewatch.windows.panes import Pane

PARENT_DEATH = 1


@dataclass(slots=True)
class Asked:
    """Stands in for the coverage of exports: notes what is asked, and answers with the number of the question."""

    questions: list[tuple[tuple[int, ...], int, int]] = field(default_factory=list)

    def __call__(self, exporters: Collection[int], first_us: int, last_us: int) -> float:
        """Note it."""
        self.questions.append((tuple(sorted(exporters)), first_us, last_us))
        return float(len(self.questions) - 1)


def main() -> None:
    """Serve until the other end of the socket, whose number is the one argument, is closed."""
    ctypes.CDLL(None).prctl(PARENT_DEATH, signal.SIGKILL, 0, 0, 0)  # also when we are stopped or busy
    heap.settle()
    post = Post(socket.socket(fileno=int(sys.argv[1])))
    messages = heard(post)
    letter = msgspec.msgpack.decode(next(messages, b""), type=Birth)
    rules = {rule.id: rule for rule in letters.rules_of(letter)}
    inventory = letters.inventory_of(letter)
    share = Share(Engine(tuple(rules.values()), inventory, letter.pane_us), inventory)
    copies = Copies()
    decoder = msgspec.msgpack.Decoder(Turn | Question)
    for message in messages:
        asked = decoder.decode(message)
        if isinstance(asked, Question):
            answer: Told | Stands = Stands(share.standing(rules[asked.rule], asked.offender, asked.slot))
        else:
            if asked.behind is not None:
                inventory.learn_behind(asked.behind)
            answer = turned(share, asked, copies.read(asked.layout, post.file() if asked.layout.size else None))
        post.say(msgspec.msgpack.encode(answer))
        post.push()


def heard(post: Post) -> Iterator[bytes]:
    """Give message after message, and end with the other end."""
    while True:
        message = post.heard()
        if message is not None:
            yield message
        elif not post.pull():
            return


def turned(share: Share, turn: Turn, rows: Columns) -> Told:
    """Decide a pane."""
    share.coverage = asked = Asked()
    pane = Pane(turn.end_us, {} if turn.last else rows, last=turn.last, part=turn.part)
    found: list[Detection] = [each for told in share.close(pane, turn.slots) for each in told]
    return Told(found, asked.questions, share.waits, share.shed, share.faults)


if __name__ == "__main__":
    if os.getppid() == 1:
        sys.exit(0)
    main()
