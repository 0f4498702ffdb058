"""Several processes find what one finds, to the byte and in the same order; one that is killed is noticed, told and replaced, and the others lose nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from abusewatch.pipeline import Pipeline
from abusewatch.shards.crew import Crew
from tests import scenarios as s
from tests.flows import flows
from tests.shards.traffic import fresh, of_captures
from tests.test_pipeline import behind_port, mixture


@contextmanager
def crew(workers, inventory, rules=None):
    """A crew that ends with the block, and none (one process) for one worker of 0."""
    made = Crew(s.shipped() if rules is None else rules, inventory, workers) if workers else None
    try:
        yield made
    finally:
        if made:
            made.stop()


def fed(records, inventory, workers, size, *, rules=None, coverage=None):
    """What the sink was told pane by pane, as bytes, and the pipeline."""
    lists = []
    with crew(workers, inventory, rules) as decider:
        spine = Pipeline(s.shipped() if rules is None else rules, inventory, lists.append, decider=decider)
        if coverage:
            spine.decider.coverage = coverage
        for begin in range(0, len(records), size):
            spine.feed(records.take(slice(begin, begin + size)))
        spine.flush()
    return [[msgspec.json.encode(each) for each in found] for found in lists if found], spine


@pytest.fixture(scope="module")
def expected():
    records, known = of_captures()
    told, spine = fed(records, fresh(known), 0, 5000)
    assert sum(map(len, told)) > 80
    return told, {table: total for table, total in spine.decider.shed.items() if total}


@pytest.fixture(scope="module")
def mixed():
    return fed(mixture(), s.inventory(), 0, 500)[0]


@pytest.mark.parametrize(("workers", "size"), [(1, 100_000), (2, 5000), (2, 777), (3, 20_000), (4, 2000)])
def test_the_captures_at_once_are_told_of_to_the_byte_whatever_the_workers_and_batches(expected, workers, size):
    records, known = of_captures()
    told, spine = fed(records, fresh(known), workers, size)
    assert told == expected[0]
    assert spine.decider.shed["followed"] == expected[1]["followed"]
    assert (spine.decider.ends, spine.decider.lost_rows, spine.decider.trouble) == (0, 0, "")


@pytest.mark.parametrize(("workers", "size"), [(2, 7), (3, 1000), (4, 100_000)])
def test_the_mixture_is_too(mixed, workers, size):
    assert fed(mixture(), s.inventory(), workers, size)[0] == mixed


def test_the_hash_seed_changes_nothing(root):
    program = (
        "import hashlib, tests.scenarios as s\n"
        "from tests.test_pipeline import mixture\n"
        "from tests.shards.test_crew import fed\n"
        "print(hashlib.sha256(repr(fed(mixture(), s.inventory(), 2, 500)[0]).encode()).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            check=True,
            capture_output=True,
            cwd=root,
            env=os.environ | {"PYTHONHASHSEED": str(seed), "PYTHONPATH": str(root)},
        ).stdout
        for seed in range(3)
    }
    assert len(found) == 1


def test_what_two_routers_export_is_left_out_before_it_is_divided():
    one = flows(*s.login_attack(60), *s.login_attack(60, 22))
    twice = [one.with_columns(exporter=np.full(len(one), number, np.uint32)) for number in (1, 2)]
    records = s_concat(twice)
    told, spine = fed(records, s.inventory(), 2, 100)
    assert {json.loads(each)["finding"]["rule"] for found in told for each in found} >= {"login-attack", "ssh-login-attack"}
    assert told == fed(records, s.inventory(), 0, 100)[0]
    assert spine.twins.dropped > 100


def s_concat(batches):
    from abusewatch.model.flow import concat

    both = concat(batches)
    return both.take(np.argsort(both.end_us, kind="stable"))


def test_a_customer_behind_a_port_is_known_to_the_process_that_finds_him():
    lines = [f"{k / 10} {k / 10} 192.0.2.{k % 50}:999 {s.host(k)}:80 tcp 2 80 S" for k in range(60)]
    told, _ = fed(behind_port(*lines), s.inventory(), 3, 10)
    found = [json.loads(each)["finding"] for each in told[-1]]
    assert [(each["rule"], each["customer"], each["basis"]) for each in found] == [
        ("spoofed-source", "C-2", "anchored")
    ]
    assert told == fed(behind_port(*lines), s.inventory(), 0, 10)[0]


def test_coverage_is_asked_of_who_knows_it():
    asked = []

    def coverage(exporters, first_us, last_us):
        asked.append((tuple(sorted(exporters)), first_us, last_us))
        return 0.5 + len(exporters) / 10

    records = mixture()
    records = records.with_columns(exporter=(np.arange(len(records)) % 3).astype(np.uint32))
    one, _ = fed(records, s.inventory(), 0, 500, coverage=coverage)
    before, asked = sorted(asked), []
    several, _ = fed(records, s.inventory(), 2, 500, coverage=coverage)
    assert several == one
    assert sorted(asked) == before
    assert {json.loads(each)["finding"]["coverage"] for found in several for each in found} <= {0.6, 0.7, 0.8}


def test_silence_is_waited_out_by_all_alike():
    """Time goes on for everybody while one of them waits for an outcome, though the others had nothing."""
    records = flows(
        *s.address_scan(25),
        *s.slow_scan(70),
        *[s.ask(40_000 + k * 37, s.host(k), 8443, src="198.51.100.20") for k in range(70)],
    )
    records = records.take(np.argsort(records.end_us, kind="stable"))
    assert fed(records, s.inventory(), 3, 1)[0] == fed(records, s.inventory(), 0, 1)[0]


def test_a_rule_that_cannot_be_divided_is_refused():
    (plain,) = [each for each in s.shipped() if each.id == "spoofed-source"]
    odd = replace(plain, id="odd", match=replace(plain.match, where=None))
    with pytest.raises(ValueError, match="in several processes: odd"):
        Crew([odd], s.inventory(), 2)


@pytest.mark.parametrize("workers", [0, 3])
def test_how_a_rule_stands_is_asked_of_the_process_of_the_address(workers):
    with crew(workers, known := s.inventory()) as decider:
        spine = Pipeline(s.shipped(), known, lambda _: None, decider=decider)
        spine.feed(
            flows(
                *s.address_scan(15),
                *[s.ask(k, s.host(k), 8443, src="198.51.100.20") for k in range(5)],
                *s.address_scan(60, src="198.51.100.21"),
            )
        )
        spine.advance((1_767_571_200 + 100) * 1_000_000)
        (rule,) = [each for each in s.shipped() if each.id == "address-scan"]
        held = {}
        for offender in (s.OWN, "198.51.100.20", "198.51.100.21", "198.51.100.3"):
            slot = known.slots.find(*s_parse(offender))
            account = spine.decider.standing(rule, offender, slot)
            held[offender] = account.verdict, account.matched
        assert held == {
            s.OWN: ("near", 15),
            "198.51.100.20": ("near", 5),
            "198.51.100.21": ("fired", 60),
            "198.51.100.3": ("nothing", 0),
        }


def s_parse(text):
    from abusewatch.model import address

    return address.parse(text)


def scans(after, seconds, sources, first=0):
    """A scan by each source, one host a second."""
    return flows(
        *[s.ask(after + k, s.host(first + k), 8443, src=f"198.51.100.{n}") for k in range(seconds) for n in sources]
    )


def lost_and_found(kill):
    """Two addresses scan before, two others half before and half after, two after one of the two processes is killed, if it is; who is found, and how it stood."""
    found = []
    with crew(2, known := s.inventory()) as decider:
        spine = Pipeline(
            s.shipped(), known, lambda told: found.extend(each.finding.offender for each in told), decider=decider
        )
        spine.feed(scans(0, 60, (1, 2)))
        spine.settle()
        before, first = set(found), decider.hands[0].pid
        spine.feed(scans(80, 14, (3, 4)))  # not enough by themselves
        spine.feed(scans(94, 50, (9, 10)))
        spine.settle()
        if kill:
            os.kill(first, signal.SIGKILL)
            until(lambda: not running(first))
        spine.feed(scans(144, 30, (9, 10)))
        spine.settle()
        lost, trouble = decider.lost_rows, decider.trouble
        if kill:
            time.sleep(2.2)  # the pause of one that died young
        spine.feed(scans(174, 14, (3, 4), 14))
        spine.feed(scans(190, 60, (7, 8)))
        spine.flush()
        report = decider.ends, lost, trouble, decider.trouble, decider.hands[0].pid != first
    return before, set(found), report


def until(condition):
    give_up = time.monotonic() + 10
    while not condition() and time.monotonic() < give_up:
        time.sleep(0.01)


def running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_process_that_is_killed_is_noticed_told_and_replaced_and_the_other_loses_nothing():
    before, found, (ends, lost, trouble, later, replaced) = lost_and_found(kill=True)
    assert before == {"198.51.100.1", "198.51.100.2"}
    assert ends == 1
    assert lost > 0
    assert "engine process 1 of 2 was lost 0 s ago and does not run" in trouble
    assert "began anew with empty windows" in later
    assert replaced
    assert {"198.51.100.7", "198.51.100.8"} <= found, "the new process finds what comes after"
    assert len(found & {"198.51.100.3", "198.51.100.4"}) == 1, (
        "the windows of one were lost, those of the other were not"
    )


def test_nobody_is_lost_when_nobody_is_killed():
    before, found, (ends, lost, trouble, later, replaced) = lost_and_found(kill=False)
    assert (ends, lost, trouble, later, replaced) == (0, 0, "", "", False)
    assert found >= before | {f"198.51.100.{n}" for n in (3, 4, 7, 8, 9, 10)}


@pytest.mark.parametrize("frozen", [False, True])
def test_no_process_outlives_who_started_it(root, frozen):
    program = (
        "import sys, time\nfrom abusewatch.shards.crew import Crew\nfrom tests import scenarios as s\n"
        "crew = Crew(s.shipped(), s.inventory(), 2)\nprint(*(hand.pid for hand in crew.hands), flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
    ) as parent:
        pids = [int(word) for word in parent.stdout.readline().split()]
        time.sleep(1.0)  # until they have begun
        assert len(pids) == 2
        assert all(map(running, pids))
        if frozen:
            os.kill(pids[0], signal.SIGSTOP)
        parent.kill()
    until(lambda: not any(map(running, pids)))
    assert not any(map(running, pids))
