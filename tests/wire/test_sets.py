"""What a datagram told in front of its data and is told again octet for octet is not read anew, and nobody can tell."""

import random

import pytest

from abusewatch.wire.datagrams import FlowDecoder
from abusewatch.wire.sets import SetReader
from tests.wire import exports_by_hand as wire

FIELDS = ((8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (6, 1), (2, 4), (1, 4))
FEWER = ((12, 4), (8, 4), (7, 2), (11, 2), (4, 1), (6, 1), (2, 4), (1, 4))
"""The ends the other way round: read with the wrong one of the two, attacker and victim change places."""


def told(fields=FIELDS, rate=100):
    return [
        wire.fset(0, wire.template(256, *fields)),
        wire.fset(1, wire.options9(300, ((1, 4),), ((34, 4),))),
        wire.fset(300, bytes(4) + rate.to_bytes(4, "big")),
    ]


FLOWS = wire.fset(256, wire.flow4(), wire.flow4(packets=9))


@pytest.fixture
def read_again(monkeypatch):
    """Count the datagrams that were known again."""
    seen = []
    again = SetReader._again

    def counted(*arguments):
        walk = again(*arguments)
        seen.append(walk is not None)
        return walk

    monkeypatch.setattr(SetReader, "_again", staticmethod(counted))
    return seen


def decoded(datagrams, at_once):
    decoder = FlowDecoder()
    parts = [datagrams] if at_once else [[each] for each in datagrams]
    found = [wire.feed(decoder, part) for part in parts]
    return [row for each in found for row in wire.rows(each)], sum(each.records for each in found), list(decoder.accounts)


@pytest.mark.parametrize("behind", [[], [FLOWS]], ids=["alone", "with records"])
def test_what_is_told_again_is_known_again(behind, read_again):
    datagrams = [wire.v9(*told(), *behind, sequence=n) for n in range(5)]
    rows, records, _ = decoded(datagrams, at_once=False)
    assert read_again == [False, False, True, True, True]
    assert records == 5 * (1 + 2 * len(behind))
    assert {row["sampling_rate"] for row in rows} == ({100} if behind else set())


@pytest.mark.parametrize("change", [told(fields=FEWER), told(rate=7), [wire.fset(0, wire.template(256, *FEWER))]], ids=["layout", "rate", "layout alone"])
def test_what_has_changed_in_between_is_read(change, read_again):
    datagrams = [wire.v9(*sets, FLOWS, sequence=n) for n, sets in enumerate([told(), told(), told(), change, told()])]
    decoded(datagrams, at_once=False)
    assert read_again == [False, False, True, False, False]


def test_any_mixture_reads_as_it_does_without(monkeypatch):
    random.seed(5)
    kinds = [told(), told(rate=7), told(fields=FEWER), [], [wire.fset(0, wire.template(256, *FEWER))], [wire.fset(0, wire.template(257, *FIELDS))]]
    mixtures = [[wire.v9(*random.choice(kinds[:2] * 4 + kinds), *random.choice([[], [FLOWS]]), sequence=n) for n in range(40)] for _ in range(30)]
    found = [decoded(mixture, at_once) for mixture in mixtures for at_once in (False, True)]
    monkeypatch.setattr(SetReader, "_again", staticmethod(lambda *_: None))
    assert found == [decoded(mixture, at_once) for mixture in mixtures for at_once in (False, True)]
