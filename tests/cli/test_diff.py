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
def test_a_finding_lost_or_won(abusewatch, folders, root, folder, word):
    changed(folders / folder, "sessions >= 20", "sessions >= 2000")
    ran = differences(abusewatch, root)
    assert ran.code == 1
    (line,) = ran.lines
    assert json.loads(line)["change"] == word
    assert json.loads(line)["offender"] == "198.51.100.10"


def test_another_severity_is_a_change(abusewatch, folders, root):
    changed(folders / "new", 'severity = "high"', 'severity = "low"')
    (line,) = differences(abusewatch, root).lines
    assert json.loads(line)["change"] == "changed"
    assert "high" in line


def test_without_a_network_it_is_refused(abusewatch, folders, root):
    assert "whose network" in abusewatch("diff", "--rules", "old", "new", str(root / SSH)).refused()
