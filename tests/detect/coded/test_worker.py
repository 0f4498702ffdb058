"""Detectors that fail in every way: each costs its own turn, none more, and a good one in its place works (the negative control)."""

import asyncio
import gc
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from abusewatch.detect.coded import worker as workers
from abusewatch.detect.coded.detector import DetectorFault
from abusewatch.detect.coded.worker import Worker
from tests.detect.coded.foreign import GOOD, ROWS, STARTS, install

CATASTROPHE = "import re; re.fullmatch('(a+)+b', 'a' * 40)"


@pytest.fixture
def made(tmp_path, monkeypatch):
    running = []

    def make(line="pass", source=None):
        install(tmp_path, monkeypatch, source, line=line)
        running.append(Worker("acme", "acme:D"))
        return running[-1]

    yield make
    for one in running:
        one.close()


def asked(worker, times):
    for _ in range(times):
        worker.measure(ROWS, STARTS)


def reason_of(worker):
    with pytest.raises(DetectorFault) as fault:
        worker.measure(ROWS, STARTS)
    return fault.value.reason


def test_a_good_one_answers_again_and_again(made):
    worker = made()
    assert worker.describe() == ("conversation", ["packets", "start_us", "dst"], {"n": ("plain", "rows")})
    for _ in range(3):
        assert worker.measure(ROWS, STARTS)["n"].tolist() == [4.0, 6.0]


@pytest.mark.parametrize("line", ["1 / 0", "raise SystemExit", "rows['packets'][0] = 1", "rows['own_hi']"])
def test_one_that_raises_lives_on(made, line):
    worker = made(line)
    died = "SystemExit" in line
    assert reason_of(worker) == ("died" if died else "raised")
    assert reason_of(worker) == ("pause" if died else "raised")


@pytest.mark.parametrize("line", ["while True: pass", CATASTROPHE, "sum(range(10**12))", "import time; time.sleep(60)"], ids=["loop", "regex", "c", "sleep"])
def test_one_that_takes_too_long_is_killed(made, line):
    worker = made(f"{line}\n" if "while" in line else line)
    worker._started()
    process = worker._process
    begun = time.monotonic()
    assert reason_of(worker) == "overran"
    assert time.monotonic() - begun < 20  # it would never end; a busy machine may be late
    assert process.poll() is not None
    assert reason_of(worker) == "pause"


def test_after_a_pause_it_is_tried_again_and_pauses_double(made, monkeypatch):
    worker = made("while True: pass")
    monkeypatch.setattr(workers, "TURN_SECS", 0.05)
    assert reason_of(worker) == "overran"
    worker._again = 0.0
    assert reason_of(worker) == "overran"
    assert worker._again - time.monotonic() > 1.5


def test_what_leaks_memory_is_refused_it_and_lives_on(made, monkeypatch):
    monkeypatch.setattr(workers, "TURN_SECS", 20)
    worker = made("self.kept = [*getattr(self, 'kept', []), np.ones(len(rows['packets']) * 2_000_000)]")
    worker.measure(ROWS, STARTS)
    process = worker._process
    with pytest.raises(DetectorFault, match="MemoryError") as fault:
        asked(worker, 8)
    assert fault.value.reason == "raised"
    assert process.poll() is None


def test_what_leaks_descriptors_gets_no_more(made):
    worker = made("import os\n        for _ in range(100): os.dup(0)")
    assert reason_of(worker) == "raised"


def test_a_worker_is_recycled(made, monkeypatch):
    monkeypatch.setattr(workers, "MOST_TURNS", 2)
    worker = made("self.n = getattr(self, 'n', 0) + 1\n        if self.n > 2: raise ValueError")
    for _ in range(6):
        worker.measure(ROWS, STARTS)


TAMPERING = (
    "os.fork()", "os.posix_spawn('/bin/true', ['true'], {})", "subprocess.run(['true'])", "os.execv('/bin/true', ['true'])",
    "_thread.start_new_thread(print, ())", "socket.socket(socket.AF_INET).connect(('127.0.0.1', 9))", "socket.socket(socket.AF_INET6)",
    "socket.socket(socket.AF_UNIX)", "open('SECRET').read()", "open('/etc/passwd').read()", "open('/proc/self/environ').read()",
    "open('WRITTEN', 'w')", "os.kill(os.getppid(), 0)", "os.listdir('/')", "os.setuid(0)", "os.unlink('SECRET')", "os.mkdir('WRITTEN')",
)  # fmt: skip
ATTEMPT = """
import os, socket, subprocess, _thread
import numpy as np

class D:
    on, columns, measures = "conversation", ("packets", "start_us", "dst"), {"n": ("plain", "1 when it was allowed")}

    def measure(self, rows, starts):
        try:
            %s
        except (OSError, RuntimeError):
            return {"n": np.zeros(2)}
        return {"n": np.ones(2)}
"""


@pytest.mark.parametrize("line", TAMPERING)
def test_what_tampers_is_denied(made, tmp_path, line):
    secret, written = tmp_path.parent / f"{tmp_path.name}-secret", tmp_path.parent / f"{tmp_path.name}-written"
    secret.write_text("hunter2")
    worker = made(source=ATTEMPT % line.replace("SECRET", str(secret)).replace("WRITTEN", str(written)))
    assert worker.measure(ROWS, STARTS)["n"].tolist() == [0, 0]
    assert secret.read_text() == "hunter2"
    assert not written.exists()


@pytest.mark.parametrize("line", ["socket.socket()", "open('SECRET').read()", "os.listdir('/tmp')", "os.kill(os.getppid(), 0)"])
def test_control_without_the_cage_the_same_is_allowed(tmp_path, line):
    (tmp_path / "secret").write_text("hunter2")
    source = ATTEMPT % line.replace("SECRET", str(tmp_path / "secret")) + "print(int(D().measure({}, [])['n'][0]))"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


def test_the_same_at_import(made, tmp_path):
    secret = tmp_path.parent / f"{tmp_path.name}-secret"
    secret.write_text("hunter2")
    for line in (f"open({str(secret)!r}).read()", "import socket; socket.socket()", "import os; os.fork()"):
        (tmp_path / "bad.py").write_text(f"{line}\n{GOOD % 'pass'}")
        sys.path.insert(0, str(tmp_path))
        try:
            worker = Worker("bad", "bad:D")
            with pytest.raises(DetectorFault, match=r"PermissionError|Operation not permitted"):
                worker.describe()
        finally:
            sys.path.remove(str(tmp_path))


def test_it_is_told_nothing_of_its_surroundings(made, monkeypatch):
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/abusewatch")
    worker = made("import os\n        if 'CREDENTIALS_DIRECTORY' in os.environ or len(os.environ) > 8: raise ValueError")
    assert worker.measure(ROWS, STARTS)["n"].tolist() == [4.0, 6.0]


@pytest.mark.parametrize(
    "line",
    [
        "import os; os.write(3, b'x' * 4096)", "import os; os.write(3, b'\\x00\\x00\\x00\\x7f')", "import os; os.write(3, b'\\x01\\x00\\x00\\x00\\xc1')",
        "import os; os.write(3, b'\\x01\\x00\\x00\\x00\\x05')", "return {'n': 'many'}", "return None", "return {'n': [[], [1]]}",
    ],
)  # fmt: skip
def test_nonsense_is_a_fault_and_nothing_else(made, line):
    assert reason_of(made(line)) in {"output", "raised", "overran"}


def test_no_process_stays_behind_when_the_worker_is_forgotten(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch)
    worker = Worker("acme", "acme:D")
    worker.measure(ROWS, STARTS)
    process = worker._process
    assert process.poll() is None
    del worker
    gc.collect()
    assert process.poll() is not None


async def test_the_event_loop_goes_on_while_one_loops(made):
    worker = made(CATASTROPHE)
    worker._started()
    assert await turns(lambda: reason_of(worker)) > 10


async def test_control_in_this_process_the_same_would_stop_it():
    length, took = 16, 0.0
    while took < 0.2:
        begun, length = time.monotonic(), length + 1
        re.fullmatch("(a+)+b", "a" * length)
        took = time.monotonic() - begun
    assert await turns(lambda: re.fullmatch("(a+)+b", "a" * length)) < 10


async def turns(work):
    """How often the event loop comes round while `work` runs in a thread; by count and not by clock, which a busy machine would change."""
    thread, count = threading.Thread(target=work), 0
    thread.start()
    while thread.is_alive():
        await asyncio.sleep(0.002)
        count += 1
    return count


def test_the_process_ends_with_its_parent(tmp_path):
    source = (
        "import sys, os, time; sys.path.insert(0, sys.argv[1])\n"
        "from tests.detect.coded.foreign import GOOD, ROWS, STARTS\n"
        "open(sys.argv[1] + '/acme.py', 'w').write(GOOD % 'pass')\n"
        "from abusewatch.detect.coded.worker import Worker\n"
        "w = Worker('acme', 'acme:D'); w.measure(ROWS, STARTS); print(w._process.pid, flush=True); os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", source, str(tmp_path)], capture_output=True, check=False)
    child = int(done.stdout)
    deadline = time.monotonic() + 5
    while Path(f"/proc/{child}").exists() and "Z" not in Path(f"/proc/{child}/stat").read_text().rpartition(")")[2] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert time.monotonic() < deadline


def test_the_example_of_the_page_runs(tmp_path, monkeypatch, root):
    page = (root / "docs/rule-language.md").read_text()
    install(tmp_path, monkeypatch, re.search(r"```python\n(.*?)```", page, re.DOTALL)[1])
    worker = Worker("acme", "acme:Rhythm")
    assert worker.describe()[0] == "conversation"
    times = np.array([0, 10, 20, 30, 0, 1, 50, 51]) * 1_000_000
    regular, not_so = worker.measure(ROWS | {"start_us": times, "packets": times}, STARTS)["rhythm"]
    assert (regular, not_so < 0.2) == (1.0, True)
    worker.close()
