"""Literals, each opposite the column it is for."""

import pytest

from abusewatch.detect.columns import CONVERSATION, RECORD
from abusewatch.detect.expression import Name, Number, Prefix, Range, RuleError
from abusewatch.detect.literals import fit, flag_mask, item, number_type, suggestion, value
from abusewatch.detect.units import ADDRESS, BYTES, OUTCOME, PACKETS, PLAIN, PORT, PROTOCOL, SECONDS, Type, code, number


def test_words_and_numbers_of_closed_lists():
    assert value(Name("udp"), PROTOCOL, RECORD) == Number(17)
    assert value(Number(1, "k"), PORT, RECORD) == Number(1000)
    for wrong, kind in ((Name("tcpp"), PROTOCOL), (Name("packets"), OUTCOME), (Number(3), OUTCOME), (Number(1, "s"), PORT), (Number(0.5), PORT)):
        with pytest.raises(RuleError):
            value(wrong, kind, CONVERSATION)


def test_items():
    assert item(Range(Number(1), Number(2, "k")), code(PORT), RECORD) == Range(Number(1), Number(2000))
    assert item(Prefix("::/0"), ADDRESS, RECORD) == Prefix("::/0")
    assert item(Number(5), number(PACKETS), RECORD) == Number(5)
    for wrong, kind in ((Range(Number(2), Number(1)), number()), (Number(1), ADDRESS), (Prefix("::/0"), number()), (Number(5, "s"), number(PACKETS))):
        with pytest.raises(RuleError):
            item(wrong, kind, RECORD)


def test_flags():
    assert [flag_mask(Name(letters)) for letters in ("S", "SA", "FPU", "x", "syn")] == [2, 18, 41, 0, 0]


def test_what_fits():
    plain, seconds = number_type(Number(5)), number_type(Number(5, "m"))
    assert (plain.unit, seconds.unit, seconds.least) == (PLAIN, SECONDS, 300)
    assert fit(number(BYTES), plain, Number(5)) == Type("number", BYTES)
    assert fit(plain, plain, Number(5)).constant
    for left, right in ((number(BYTES), number(PACKETS)), (number(SECONDS), plain), (number(), number(PACKETS))):
        with pytest.raises(RuleError, match="units do not fit"):
            fit(left, right, Number(5))


def test_suggestions():
    assert suggestion("dst_prt", RECORD) == "did you mean dst_port?"
    assert suggestion("sport", RECORD) == "here it is called src_port"
    assert suggestion("sport", {"support": 1}) == "did you mean support?"
    assert suggestion("zzz", RECORD) == ""
