"""roles suggest: proposes with numbers, applies nothing."""

import json


def test_a_server_of_names_is_proposed_with_its_numbers(abusewatch, tmp_path):
    rows = ["start,end,src,dst,sport,dport,proto,pkts,bytes,flags,kind"]
    for n in range(30):
        rows += [
            f"{n},{n},203.0.113.{n + 1},198.51.100.53,{5000 + n},53,17,1,60,0,",
            f"{n}.1,{n}.1,198.51.100.53,203.0.113.{n + 1},53,{5000 + n},17,1,200,0,",
        ]
    (tmp_path / "asked.csv").write_text("\n".join(rows) + "\n")
    ran = abusewatch("roles", "suggest", "asked.csv", "--own", "198.51.100.0/24", "--json")
    assert ran.code == 0, ran.err
    (found,) = [json.loads(line) for line in ran.lines]
    assert found["role"] == "dns_authoritative"
    assert found["address"] == "198.51.100.53"
    assert "30 hosts asked" in found["because"]
    assert "none applied" in ran.err


def test_a_bad_prefix_is_one_line(abusewatch, tmp_path):
    assert "--own nonsense" in abusewatch("roles", "suggest", "x.csv", "--own", "nonsense").refused()
