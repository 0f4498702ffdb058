"""The fuzzed functions hold for what fuzzing begins with, and for every input that ever broke one of them (crashes/TARGET-NAME)."""

from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

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
