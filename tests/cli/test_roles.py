"""roles suggest: proposes with numbers, applies nothing."""

import json

from abusewatch.inventory import load


def test_a_server_of_names_is_proposed_with_its_numbers(abusewatch, tmp_path):
    rows = ["start,end,src,dst,sport,dport,proto,pkts,bytes,flags,kind"]
    for n in range(30):
        rows += [
            f"{n},{n},203.0.113.{n + 1},198.51.100.53,{5000 + n},53,17,1,60,0,",
            f"{n}.1,{n}.1,198.51.100.53,203.0.113.{n + 1},53,{5000 + n},17,1,100,0,",
        ]
    (tmp_path / "asked.csv").write_text("\n".join(rows) + "\n")
    ran = abusewatch("roles", "suggest", "asked.csv", "--own", "198.51.100.0/24", "--json")
    assert ran.code == 0, ran.err
    (found,) = [json.loads(line) for line in ran.lines]
    assert found["role"] == "dns_authoritative"
    assert found["address"] == "198.51.100.53"
    assert "30 hosts asked" in found["because"]
    assert "none applied" in ran.err


def asked(tmp_path):
    rows = ["start,end,src,dst,sport,dport,proto,pkts,bytes,flags,kind"]
    for n in range(30):
        rows += [f"{n},{n},203.0.113.{n + 1},198.51.100.53,{5000 + n},53,17,1,60,0,", f"{n}.1,{n}.1,198.51.100.53,203.0.113.{n + 1},53,{5000 + n},17,1,100,0,"]
    (tmp_path / "asked.csv").write_text("\n".join(rows) + "\n")


CUSTOMERS = """
[[customer]]
id = "C-1"
prefixes = ["198.51.100.0/24"]
contacts = ["a@customer.example"]
language = "de"
roles = ["backup"]
"""


def test_what_it_prints_is_pasted_into_the_inventory(abusewatch, tmp_path):
    """Then that address has the role beside those its customer has, its neighbours do not, and nothing is proposed any more."""
    asked(tmp_path)
    (tmp_path / "customers.toml").write_text(CUSTOMERS)
    ran = abusewatch("roles", "suggest", "asked.csv", "--inventory", "customers.toml", "--toml")
    assert (tmp_path / "customers.toml").read_text() == CUSTOMERS
    (tmp_path / "customers.toml").write_text(CUSTOMERS + ran.out)
    inventory = load(tmp_path / "customers.toml")
    one, other = (inventory.owner_at(address, 0) for address in ("198.51.100.53", "198.51.100.54"))
    assert (one.id, one.contacts, one.language, one.roles) == ("C-1", ("a@customer.example",), "de", ("backup", "dns_authoritative"))
    assert (other.id, other.roles) == ("C-1", ("backup",))
    assert "0 proposal" in abusewatch("roles", "suggest", "asked.csv", "--inventory", "customers.toml").err


def test_of_an_unknown_customer_the_table_stands_for_the_address(abusewatch, tmp_path):
    asked(tmp_path)
    (tmp_path / "new.toml").write_text(abusewatch("roles", "suggest", "asked.csv", "--own", "198.51.100.0/24", "--toml").out)
    assert [(c.id, c.prefixes, c.roles) for c in load(tmp_path / "new.toml").customers] == [("198.51.100.53", ("198.51.100.53/32",), ("dns_authoritative",))]


def test_no_network_of_ours_is_one_line(abusewatch, tmp_path):
    asked(tmp_path)
    assert "--own PREFIX or --inventory FILE" in abusewatch("roles", "suggest", "asked.csv").refused()
    assert "missing.toml" in abusewatch("roles", "suggest", "asked.csv", "--inventory", "missing.toml").refused()


def test_a_bad_prefix_is_one_line(abusewatch, tmp_path):
    assert "--own nonsense" in abusewatch("roles", "suggest", "x.csv", "--own", "nonsense").refused()
