"""The table in force can be read, by people and by programs."""

import json


def test_own_lines_stand_before_the_shipped_ones_and_the_floors_below(abusewatch, root):
    full = root / "tests/config/good/full.toml"
    shown = abusewatch("policy", "show", "--config", full)
    assert shown.code == 0
    assert shown.lines[1].split()[:3] == ["1", "address_scan", "low"]
    assert "a basis that can be forged" in shown.out
    assert "Europe/Amsterdam" in shown.out
    rows = [json.loads(line) for line in abusewatch("policy", "show", "--config", full, "--json").lines]
    assert [row["told"] for row in rows] == ["operators", "desk", "operators"]


def test_a_broken_configuration_is_one_line(abusewatch, root):
    assert "policy.language" in abusewatch("policy", "show", "--config", root / "tests/config/bad/policy.toml").refused()
