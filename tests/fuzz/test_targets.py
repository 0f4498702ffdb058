"""The fuzzed functions hold for what fuzzing begins with, and for every input that ever broke one of them (crashes/TARGET-NAME)."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.found import found
from tests.fuzz.targets import CONTROLS, TARGETS
from tests.needs import library

CRASHES = sorted((Path(__file__).parent / "crashes").glob("*-*"))


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_every_cut_of_them(name):
    target, seeds = TARGETS[name]
    for seed in seeds:
        for end in {len(seed), *range(0, len(seed), 1 + len(seed) // 40)}:
            target(seed[:end])


def test_what_once_broke_holds():
    for path in CRASHES:
        TARGETS[path.name.partition("-")[0]][0](path.read_bytes())


@pytest.mark.corpus
def test_exports_and_captures_of_others(corpus, monkeypatch):
    monkeypatch.setenv("ABUSEWATCH_CORPUS", str(corpus))
    seeds = found()
    for name, inputs in seeds.items():
        for data in inputs:
            TARGETS[name][0](data)
    assert {"netflow5", "netflow9", "ipfix", "sflow", "pcap"} <= set(seeds)


@pytest.mark.fuzz
@pytest.mark.parametrize("name", CONTROLS)
def test_the_fuzzer_sees_what_breaks_hangs_and_dawdles(name, root, tmp_path):
    """Negative control. The fuzzer itself comes with `make test` and `make fuzz-quick`; elsewhere it may be missing."""
    library("atheris")
    command = [sys.executable, "-m", "tests.fuzz", "--seconds", "3", "--out", tmp_path, name]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, timeout=120, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert ("slow" if name == "dawdles" else "crashed") in done.stdout
