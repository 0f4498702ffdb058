"""Flow tables: our names and nfdump's, odd spellings, broken rows."""

import pytest

from abusewatch.model import address
from abusewatch.model.flow import concat
from abusewatch.sources.compress import InputError
from abusewatch.sources.files import open_flows
from abusewatch.wire.datagrams import FlowDecoder

HEADER = "start,end,src,dst,sport,dport,proto,pkts,bytes,flags"
ROW = "1767642689.969393,1767642690,198.51.100.7,203.0.113.9,1000,22,6,3,180,2"


@pytest.fixture
def table(tmp_path):
    def table(*lines, end="\n"):
        (tmp_path / "t.csv").write_text(end.join(lines) + end, newline="")
        reading = open_flows(tmp_path / "t.csv", FlowDecoder)
        return reading, concat(list(reading.batches()))

    return table


def first(batch):
    src, dst = (address.text(int(getattr(batch, f"{side}_hi")[0]), int(getattr(batch, f"{side}_lo")[0])) for side in ("src", "dst"))
    return (int(batch.start_us[0]), int(batch.end_us[0]), src, dst, *(int(getattr(batch, n)[0]) for n in ("src_port", "dst_port", "protocol", "packets", "bytes", "flags")))


EXPECTED = (1_767_642_689_969_393, 1_767_642_690_000_000, "198.51.100.7", "203.0.113.9", 1000, 22, 6, 3, 180, 2)


@pytest.mark.parametrize("lines", [
    (HEADER, ROW),
    (HEADER + ",kind", ROW + ",brute"),
    (HEADER.upper().replace(",", ", "), ROW.replace(",", " , ")),
    ('"' + HEADER.replace(",", '","') + '","label"', '"' + ROW.replace(",", '","') + '","a, b"'),
    ("ts,te,td,sa,da,sp,dp,pr,flg,fwd,ipkt,ibyt", "2026-01-05 19:51:29.969393,2026-01-05 19:51:30.000000,0.03,198.51.100.7,203.0.113.9,1000,22,TCP,......S.,0,3,180"),
    (HEADER, ROW.replace(",6,3,180,2", ",tcp,3.0,1.8e2,0x02")),
    ("dst,src,end,start,flags,bytes,pkts,proto,dport,sport", "203.0.113.9,198.51.100.7,1767642690.0,1767642689.969393,S,180,3,6,22,1000"),
    (HEADER, "1767642690,1767642689.969393" + ROW[28:]),
])  # fmt: skip
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_spellings(table, lines, end):
    reading, batch = table(*lines, end=end)
    assert first(batch) == EXPECTED
    assert not reading.problems


def test_ipv6_icmp_and_defaults(table):
    _, batch = table("end,src,dst,sport,dport,proto", "5.5,2001:db8::1,::ffff:10.0.0.1,7,3.1,icmp6")
    assert first(batch) == (5_500_000, 5_500_000, "2001:db8::1", "10.0.0.1", 0, 0x0301, 58, 1, 0, 0)


def test_broken_rows_are_counted_with_their_line(table):
    bad = ["x" + ROW, ROW + ",1", ROW.replace("198.51.100.7", "198.51.100.256"), ROW.replace("198.51.100.7", "198.051.100.7"), ROW.replace(",180,", ",-180,"), ROW.replace(",2", ",Q2"), ROW.replace("22", "22" * 30)]
    reading, batch = table(HEADER, ROW, *bad, "", ROW)
    assert len(batch) == 2
    assert batch.frame.tolist() == [1, 10]
    assert reading.counts["bad_row"] == len(bad)
    assert len(reading.problems) == 5
    assert any("t.csv:3: the row has an unreadable start" in problem for problem in reading.problems)


def test_a_table_of_broken_rows_is_refused(table):
    with pytest.raises(InputError, match=r"none of its 2 rows can be read; .*:2: the row has not 10 fields"):
        table(HEADER, "1,2", "3")


def test_nfdump_summary_ends_the_table(table):
    reading, batch = table(HEADER, ROW, "Summary", "flows,bytes,packets,avg_bps,avg_pps,avg_bpp", "1,180,3,1,1,1")
    assert (len(batch), dict(reading.counts)) == (1, {})


def test_rows_come_by_end_time_stably(table):
    rows = [f"{start},{end},10.0.0.1,10.0.0.2,{n},1,6,1,1,0" for n, (start, end) in enumerate([(5, 9), (1, 3), (2, 9), (0, 3)])]
    _, batch = table(HEADER, *rows)
    assert batch.src_port.tolist() == [1, 3, 0, 2]
    assert batch.frame.tolist() == [2, 4, 1, 3]


def test_an_endless_line_is_refused(table):
    with pytest.raises(InputError, match="lines of at most"):
        table(HEADER, "1" * (5 << 20))
