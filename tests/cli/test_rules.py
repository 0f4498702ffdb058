"""rules: list, show, lint, and test both ways."""

import json
import shutil

import pytest


def test_list_names_the_first_eight(abusewatch):
    names = {json.loads(line)["id"] for line in abusewatch("rules", "list", "--json").lines}
    assert names >= {
        "address-scan", "port-scan", "ssh-login-attack", "telnet-worm", "syn-flood", "udp-flood", "amplification-trigger", "smtp-spam",
    }  # fmt: skip


def test_show_says_why_and_what_may_leave(abusewatch):
    out = abusewatch("rules", "show", "ssh-login-attack").out
    assert "because a person's sessions differ in length" in out
    assert "operator sees: src, " in out


def test_show_of_none_is_one_line(abusewatch):
    assert "there is no rule 'nonsense'" in abusewatch("rules", "show", "nonsense").refused()


def test_the_shipped_rules_lint_without_fault(abusewatch):
    ran = abusewatch("rules", "lint", "--json")
    assert ran.code == 0, ran.out
    assert json.loads(ran.out)["faults"] == []


def test_a_rule_without_evidence_is_refused_with_its_line(abusewatch, root, tmp_path):
    text = (root / "rules/ssh-login-attack.toml").read_text()
    start = text.index("[evidence]")
    broken = text[:start] + text[text.index("[except]") :]
    (tmp_path / "rules.d").mkdir()
    (tmp_path / "rules.d/no-evidence.toml").write_text(broken.replace('id = "ssh-login-attack"', 'id = "no-evidence"'))
    ran = abusewatch("rules", "lint", "--rules", "rules.d")
    assert ran.code == 1
    faults = [line for line in ran.lines if "[warning]" not in line]
    assert len(faults) == 1
    assert "no-evidence.toml" in faults[0]
    assert "evidence" in faults[0]
    assert abusewatch("rules", "list", "--rules", "rules.d").refused()


@pytest.mark.parametrize("rule", ["ssh-login-attack", "udp-flood"])
def test_a_rule_passes_its_own_captures(abusewatch, rule):
    ran = abusewatch("rules", "test", rule)
    assert ran.code == 0, ran.out


def test_a_rule_that_misses_fails_its_test(abusewatch, root, tmp_path):
    shutil.copytree(root / "captures", tmp_path / "captures", ignore=shutil.ignore_patterns("lab", "__pycache__"))
    shutil.copy(root / "captures/benign-web/capture.pcap", tmp_path / "captures/ssh-login-attack/capture.pcap")
    ran = abusewatch("rules", "test", "ssh-login-attack", "--captures", "captures")
    assert ran.code == 1, ran.err
    assert "must find ssh-login-attack by 198.51.100.10" in ran.out


def test_a_capture_that_is_not_there_is_one_line(abusewatch, tmp_path):
    (tmp_path / "captures").mkdir()
    assert "expect.toml" in abusewatch("rules", "test", "ssh-login-attack", "--captures", "captures").refused()
