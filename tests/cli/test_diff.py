"""diff: a finding lost, one won, one changed, and silence when nothing differs."""

import json
import shutil

import pytest

SSH = "captures/ssh-login-attack/capture.pcap"


@pytest.fixture
def folders(root, tmp_path):
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        shutil.copy(root / "rules/ssh-login-attack.toml", tmp_path / name)
        text = (tmp_path / name / "ssh-login-attack.toml").read_text().replace('use = "login-attack-sampled"', 'use = "none"')
        (tmp_path / name / "ssh-login-attack.toml").write_text(text)
    return tmp_path


def changed(folder, old, new):
    file = folder / "ssh-login-attack.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def differences(abusewatch, root):
    return abusewatch("diff", "--rules", "old", "new", str(root / SSH), "--own", "198.51.100.0/24", "--json")


def test_the_same_rules_differ_in_nothing(abusewatch, folders, root):
    ran = differences(abusewatch, root)
    assert ran.code == 0
    assert not ran.out


@pytest.mark.parametrize(("folder", "word"), [("new", "lost"), ("old", "new")])
def test_a_finding_lost_or_won_and_which_measure_decided(abusewatch, folders, root, folder, word):
    changed(folders / folder, "sessions >= 20", "sessions >= 2000")
    ran = differences(abusewatch, root)
    assert ran.code == 1
    (line,) = ran.lines
    told = json.loads(line)
    assert (told["change"], told["rule"], told["offender"]) == (word, "ssh-login-attack", "198.51.100.10")
    assert told["reason"] == "sessions 81 of 2000 (4.0 %)"


def test_a_finding_lost_to_where_or_to_a_role_or_with_its_rule(abusewatch, folders, root):
    changed(folders / "new", "dst_port in (22, 222, ", "dst_port in (222, ")
    assert json.loads(differences(abusewatch, root).out)["reason"] == "none of 162 conversations counts (162 fail `dst_port in (222, 2022, 2222, 22022, 22222)`)"
    (folders / "new/ssh-login-attack.toml").unlink()
    shutil.copy(root / "rules/syn-flood.toml", folders / "new")
    assert json.loads(differences(abusewatch, root).out)["reason"] == "the other rules have none of that name"


def test_other_measures_are_a_change(abusewatch, folders, root):
    changed(folders / "new", "median(packets)", "max(packets)")
    told = json.loads(differences(abusewatch, root).out)
    assert told["change"] == "changed"
    assert told["reason"].startswith("typical 14 -> ")


def test_the_page_has_the_reason_below(abusewatch, folders, root):
    changed(folders / "new", "sessions >= 20", "sessions >= 2000")
    ran = abusewatch("diff", "--rules", "old", "new", str(root / SSH), "--own", "198.51.100.0/24")
    assert ran.lines == ["lost     ssh-login-attack: 198.51.100.10, high, 2 target(s), from 2026-11-23T04:17:17.361Z", "         sessions 81 of 2000 (4.0 %)"]
    assert "1 findings before, 0 after, 1 difference(s)" in ran.err


def test_another_severity_is_a_change(abusewatch, folders, root):
    changed(folders / "new", 'severity = "high"', 'severity = "low"')
    (line,) = differences(abusewatch, root).lines
    assert json.loads(line)["change"] == "changed"
    assert "high" in line


def test_without_a_network_it_is_refused(abusewatch, folders, root):
    assert "whose network" in abusewatch("diff", "--rules", "old", "new", str(root / SSH)).refused()
