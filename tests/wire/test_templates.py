"""Templates as RFC 3954 5.2 and RFC 7011 3.4 have them, as vendors bend them, and as attackers make them."""

import struct

import pytest

from abusewatch.wire.cursor import Cursor
from abusewatch.wire.elements import NETFLOW9, SCOPE
from abusewatch.wire.errors import Reason, WireError
from abusewatch.wire.templates import make_template, read_records, read_templates
from tests.wire import exports_by_hand as wire


def read(body, version=9, *, options=False):
    return list(read_templates(Cursor(body), version, options=options))


def test_several_templates_and_padding():
    found = read(wire.template(256, (8, 4), (12, 4)) + wire.template(300, (1, 8)) + b"\0\0")
    assert [(t.number, t.length, t.fields) for t in found] == [(256, 8, ((0, 8, 4), (0, 12, 4))), (300, 8, ((0, 1, 8),))]


def test_the_top_bit_is_an_enterprise_in_ipfix_and_a_number_in_netflow9():
    assert read(wire.template(256, (1, 8, 29305), (8, 4)), 10)[0].fields == ((29305, 1, 8), (0, 8, 4))
    assert read(wire.template(256, (33002, 2), (8, 4)), 9)[0].fields == ((NETFLOW9, 33002, 2), (0, 8, 4))


def test_options_templates():
    """Lengths in octets in NetFlow v9, counts in IPFIX; scopes have numbers of their own in v9."""
    (nine,) = read(wire.options9(257, [(1, 4)], [(34, 4), (35, 1)]), 9, options=True)
    (ten,) = read(wire.options10(257, [(149, 4)], [(34, 4), (35, 1)]), 10, options=True)
    assert (nine.fields, nine.scopes) == (((SCOPE, 1, 4), (0, 34, 4), (0, 35, 1)), 1)
    assert (ten.fields, ten.scopes, ten.options) == (((0, 149, 4), (0, 34, 4), (0, 35, 1)), 1, True)


def test_fields_of_no_octets_hold_nothing():
    (found,) = read(wire.options9(257, [(1, 0)], [(34, 4), (36, 0)]), 9, options=True)
    assert (found.fields, found.scopes, found.length) == (((0, 34, 4),), 0, 4)


def test_withdrawals_are_ignored():
    """RFC 7011 8.4: over UDP they have no meaning; anyone could send one."""
    assert read(wire.template(256), 10) == []
    assert read(struct.pack(">HH", 257, 0), 10, options=True) == []


@pytest.mark.parametrize("body", [
    wire.template(256),
    wire.template(255, (8, 4)),
    wire.template(256, (8, 0)),
    wire.template(256, (8, 65534), (12, 4)),
    struct.pack(">HH", 256, 257) + wire.spec(*([(8, 1)] * 257)),
    struct.pack(">HH", 256, 3) + wire.spec((8, 4)),
])  # fmt: skip
def test_forms_no_record_can_have(body):
    with pytest.raises(WireError) as caught:
        read(body)
    assert caught.value.reason in {Reason.BAD_TEMPLATE, Reason.TRUNCATED}


@pytest.mark.parametrize("body", [
    struct.pack(">HHH", 257, 2, 0) + wire.spec((149, 4), (34, 4)),
    struct.pack(">HHH", 257, 1, 2) + wire.spec((149, 4), (34, 4)),
    wire.template(256, (8, 4, 2**31)),
])  # fmt: skip
def test_bad_ipfix_forms(body):
    with pytest.raises(WireError):
        read(body, 10, options=body[1] == 1)


def test_good_templates_before_a_bad_one_stand():
    found = []
    with pytest.raises(WireError):
        found.extend(read_templates(Cursor(wire.template(256, (8, 4)) + wire.template(12, (8, 4))), 9, options=False))
    assert found == [] or found[0].number == 256


@pytest.mark.parametrize(("data", "lengths"), [
    (b"\x02ab\x07", [2]),
    (b"\xff\x00\x02ab\x07", [2]),
    (b"\x00\x07\x01x\x08", [0, 1]),
    (b"\xff\x01\x00" + bytes(256) + b"\x07", [256]),
])  # fmt: skip
def test_records_of_variable_length(data, lengths):
    """RFC 7011 7: one octet of length, or 255 and two."""
    template = make_template(256, [(0, 371, 65535), (0, 4, 1)])
    assert [spans[0][1] for spans in read_records(template, data, 0, len(data), 10)] == lengths


@pytest.mark.parametrize("data", [b"\x05ab", b"\xff\x01", b"\xff\xff\xff\x01\x01"])
def test_a_record_that_does_not_fit(data):
    template = make_template(256, [(0, 371, 65535), (0, 4, 1)])
    with pytest.raises(WireError) as caught:
        list(read_records(template, data, 0, len(data), 10))
    assert caught.value.reason is Reason.BAD_RECORD
