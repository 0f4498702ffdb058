"""A process that has imported every command and forks for each that a test runs, so that a command costs milliseconds where its imports cost a second.

Each is still a process of its own, with its own streams, folder and environment, and runs as `python -m abusewatch.cli` does. What differs: the modules of
all commands are there already, and siblings share the seed of hashes. The daemon, the demonstration and `version` are started for real (test_run, test_demo,
test_main).
"""

import gc
import importlib
import json
import os
import random
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile


class Forks:
    """The tests' end: starts the process, and has it run commands until it is closed."""

    def __init__(self):
        self._door, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, __file__, str(theirs.fileno())]
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def close(self):
        self._door.close()
        self._process.wait(10)

    def run(self, arguments, cwd, stdin, timeout):
        """Run one command with the environment as it is now; what `subprocess.run` gives."""
        order = json.dumps([arguments, str(cwd), dict(os.environ)]).encode()
        told, tell = os.pipe()
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, os.fdopen(told) as answer:
            given.write(stdin or b"")
            given.seek(0)
            socket.send_fds(self._door, [order], [given.fileno(), out.fileno(), err.fileno(), tell])
            os.close(tell)
            pid = int(answer.readline())
            if not select.select([answer], [], [], timeout)[0]:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(arguments, timeout)
            code = int(answer.readline())
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(arguments, code, out.read(), err.read())


def serve(door):
    """Fork for each order until nobody can give any."""
    from abusewatch.cli import COMMANDS

    for module in set(COMMANDS.values()):
        importlib.import_module(f"abusewatch.cli.{module}")
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        order, files, _, _ = socket.recv_fds(door, 1 << 18, 4)
        if not order:
            return
        if not os.fork():
            keep(door, json.loads(order), *files)
            return
        for file in files:
            os.close(file)


def keep(door, order, stdin, stdout, stderr, told):
    """Be the parent of one command: say who it is and how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    door.close()
    pid = os.fork()
    if not pid:
        os.close(told)
        become(order, stdin, stdout, stderr)
        return
    os.write(told, f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    os.write(told, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def become(order, *streams):
    """Be the command; ends as it does."""
    arguments, cwd, environment = order
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    random.seed()
    sys.argv, sys.path[0] = ["abusewatch", *arguments], cwd
    runpy.run_module("abusewatch.cli", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
