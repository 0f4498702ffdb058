"""Rules and inventory arrive as they were, detectors included, and a rule that came by letter finds the same."""

from functools import partial

import msgspec

from abusewatch.detect.coded.detector import Gauge, Program
from abusewatch.detect.coded.worker import Worker
from abusewatch.shards import letters
from tests import scenarios as s


def sent(rules, inventory):
    return msgspec.msgpack.decode(msgspec.msgpack.encode(letters.birth(rules, inventory, 5)), type=letters.Birth)


def test_rules_arrive_as_they_were():
    letter = sent(s.shipped(), s.inventory())
    read = letters.rules_of(letter)
    assert read == s.shipped()
    assert [repr(each) for each in read if not each.program] == [repr(each) for each in s.shipped() if not each.program]
    for mine, theirs in zip(read, s.shipped(), strict=True):
        assert (mine.program and mine.program.start) == (theirs.program and theirs.program.start)


def test_a_detector_of_others_is_started_there_by_its_name():
    program = Program(
        "odd", "record", ("packets",), {"oddness": Gauge("plain", "how odd")}, partial(Worker, "odd", "some.where:Odd")
    )
    read = letters._read(msgspec.msgpack.decode(msgspec.msgpack.encode(letters._told(program))))
    assert read == program
    assert read.start.args == program.start.args


def test_the_inventory_arrives_as_it_was():
    known = s.inventory(roles=["monitor"])
    read = letters.inventory_of(sent((), known))
    assert (read.customers, read.prefixes, read.ports) == (known.customers, known.prefixes, known.ports)
    assert read.owner_at("198.51.100.7", 0).roles == ("monitor",)
