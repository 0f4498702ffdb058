"""Types shell commands into a program's terminal at a person's pace, so that a session looks as a person's does.

usage: typist.py SECONDS COMMAND...   (the command is run on a terminal of its own)
"""

import os
import pty
import random
import select
import sys
import time

WORDS = ("ls -l /etc | head\n", "uptime\n", "df -h\n", "echo the quick brown fox\n", "id\n", "ps | head -5\n", "cat /etc/os-release\n")


def drain(terminal: int, seconds: float) -> bool:
    """Read what the far side prints for a while; False when it hung up."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if select.select([terminal], [], [], left)[0]:
            try:
                if not os.read(terminal, 4096):
                    return False
            except OSError:
                return False
    return True


def main(seconds: float, command: list[str]) -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(command[0], command)
    until = time.monotonic() + seconds
    drain(terminal, 1.5)
    while time.monotonic() < until:
        for letter in random.choice(WORDS):
            os.write(terminal, letter.encode())
            if not drain(terminal, random.uniform(0.08, 0.35)):
                return
        drain(terminal, random.uniform(2, 9))
    os.write(terminal, b"exit\n")
    drain(terminal, 2)
    os.waitpid(child, 0)


main(float(sys.argv[1]), sys.argv[2:])
