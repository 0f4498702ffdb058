"""Folders of rules: the good ones load without a word, each bad one says what its last lines promise, local files tune and no more."""

import re
import shutil
from pathlib import Path

import pytest

from abusewatch.detect.expression import text
from abusewatch.detect.load import MAX_FILE_BYTES, load
from abusewatch.model.kinds import KINDS

RULES = Path(__file__).resolve().parent.parent / "rules"
GOOD = sorted((RULES / "good").glob("*.toml"))
BAD = sorted((RULES / "bad").glob("*.toml"))


@pytest.fixture
def shipped(tmp_path):
    folder = tmp_path / "shipped"
    folder.mkdir()
    shutil.copy(RULES / "good" / "ssh-login-attack.toml", folder)
    return folder


@pytest.fixture
def local(tmp_path):
    """Write a file of one's own beside the shipped ones, and load both."""
    folder = tmp_path / "rules.d"
    folder.mkdir()

    def write(name, content):
        (folder / name).write_text(content)
        return folder

    return write


def test_the_good_rules_load_without_a_word():
    loaded = load([RULES / "good"])
    assert [str(fault) for fault in (*loaded.faults, *loaded.warnings)] == []
    assert [rule.id for rule in loaded.rules] == sorted(path.stem for path in GOOD)


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_each_bad_rule_says_what_is_wrong(path, tmp_path):
    """The file ends in the faults it must give, all of them, in order."""
    shutil.copy(path, tmp_path)
    loaded = load([tmp_path])
    expected = [line.removeprefix("# expect: ") for line in path.read_text().splitlines() if line.startswith("# expect: ")]
    assert [str(fault).removeprefix(f"{tmp_path / path.name}:") for fault in loaded.faults] == expected
    assert expected
    assert loaded.rules == ()


def test_all_faults_of_all_files_at_once():
    assert {Path(fault.file).name for fault in load([RULES / "bad"]).faults} == {path.name for path in BAD}


def test_the_rule_of_the_design():
    rule = next(rule for rule in load([RULES / "good"]).rules if rule.id == "ssh-login-attack")
    match = rule.match
    assert (rule.kind, rule.xarf, rule.status, rule.confidence) == ("login_attack", KINDS["login_attack"].xarf, "stable", 0.9)
    assert (match.window_secs, match.step_secs, match.grace_secs, match.quiet_secs) == (1800, 30, 20, 21600)
    assert text(match.where) == "initiator and protocol = 6 and dst_port in (22, 2222) and outcome = 2 and packets >= 5"
    assert [key.text for key in match.per] == ["src", "dst", "dst_port"]
    assert [key.text for key in rule.identity] == ["src"]
    assert list(rule.measures) == ["sessions", "typical", "alike"]
    assert rule.raises[0].necessary == {"sessions": 20, "alike": 0.6}
    assert rule.exempt.roles == ("monitor",)
    assert [(case.capture, case.expect) for case in rule.tests] == [("ssh-login-attack", "finding"), ("benign-git-poll", "nothing")]
    assert rule.lines["raise.0.when"] == 24


def test_a_local_file_tunes_a_shipped_rule(shipped, local):
    folder = local(
        "ssh-login-attack.toml",
        'id = "ssh-login-attack"\nkind = "login_attack"\nconfidence = 0.5\nstatus = "observe"\n[match]\nwindow = "1h"\n'
        '[[raise]]\nseverity = "high"\nwhen = "sessions >= 50"\n[except]\nprefixes = ["192.0.2.0/24"]\n[sampled]\nuse = "lower_bound"\n',
    )
    loaded = load([shipped, folder])
    assert loaded.faults == ()
    (rule,) = loaded.rules
    assert rule.overridden == ("confidence", "except.prefixes", "match.window", "raise.0.when", "sampled.use", "status")
    assert (rule.confidence, rule.status, rule.match.window_secs, rule.raises[0].text) == (0.5, "observe", 3600, "sessions >= 50")
    assert (rule.exempt.prefixes, rule.exempt.roles, rule.sampled.use) == (("192.0.2.0/24",), ("monitor",), "lower_bound")
    assert rule.raises[0].because.startswith("a person's sessions")


def test_a_local_file_cannot_change_what_a_rule_is(shipped, local):
    folder = local("ssh-login-attack.toml", 'id = "ssh-login-attack"\nkind = "spam"\n[match]\nwhere = "initiator"\n[measure]\nx = "count()"\n')
    loaded = load([shipped, folder])
    assert [(fault.line, fault.message) for fault in loaded.faults] == [
        (2, "kind is no tunable"), (4, "match.where is no tunable"), (5, "measure is no tunable"),
    ]  # fmt: skip


def test_a_fault_in_a_tunable_is_found_in_the_local_file(shipped, local):
    folder = local("ssh-login-attack.toml", 'id = "ssh-login-attack"\n[[raise]]\nseverity = "high"\nwhen = "sesions >= 50"\n')
    (fault,) = load([shipped, folder]).faults
    assert str(fault) == f"{folder}/ssh-login-attack.toml:4:9: there is no measure 'sesions' (did you mean sessions?)"


def test_a_new_local_rule_only_observes_until_it_is_promoted(shipped, local):
    stable = (RULES / "good" / "scan-icmp.toml").read_text()
    folder = local("scan-icmp.toml", stable)

    def status(**options):
        return {rule.id: rule.status for rule in load([shipped, folder], **options).rules}["scan-icmp"]

    assert status() == "observe"
    assert status(promoted={"scan-icmp"}) == "stable"
    local("scan-icmp.toml", stable.replace('status = "stable"\n', ""))
    assert status() == "observe"
    local("scan-icmp.toml", stable.replace('"stable"', '"sandbox"'))
    assert status() == "sandbox"


def test_only_promotion_raises_the_status_of_a_shipped_rule(shipped, local):
    (shipped / "ssh-login-attack.toml").write_text((shipped / "ssh-login-attack.toml").read_text().replace('"stable"', '"observe"'))
    folder = local("ssh-login-attack.toml", 'id = "ssh-login-attack"\nstatus = "stable"\n')
    (fault,) = load([shipped, folder]).faults
    assert (fault.message, fault.hint) == ("a local file cannot raise the status to stable", "use: abusewatch promote")
    assert load([shipped, folder], promoted={"ssh-login-attack"}).rules[0].status == "stable"


def test_what_is_no_file_of_rules(tmp_path):
    (tmp_path / "large.toml").write_text("#" * (MAX_FILE_BYTES + 1))
    (tmp_path / "latin.toml").write_bytes(b'title = "caf\xe9"')
    (tmp_path / "deep.toml").write_text("a = " + "[" * 5000)
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "empty.toml").write_text("")
    faults = load([tmp_path, tmp_path / "missing"]).faults
    messages = {Path(fault.file).name: fault.message for fault in faults if fault.file.endswith("l") or fault.file.endswith("missing")}
    assert messages["large.toml"] == f"the file has {MAX_FILE_BYTES + 1} bytes; {MAX_FILE_BYTES} are allowed"
    assert messages["latin.toml"] == "is not UTF-8 at byte 12"
    assert messages["deep.toml"] == "is not TOML: nested too deep"
    assert messages["folder.toml"] == "cannot be read: Is a directory"
    assert messages["missing"] == "there is no such folder of rules"
    assert "empty.toml" in messages


def test_a_stand_in_with_a_fault_of_its_own_is_known(tmp_path):
    good = (RULES / "good" / "scan-horizontal.toml").read_text()
    (tmp_path / "scan-horizontal.toml").write_text(good)
    (tmp_path / "scan-sampled.toml").write_text("id = 5\n")
    loaded = load([tmp_path])
    assert {Path(fault.file).name for fault in loaded.faults} == {"scan-sampled.toml"}
    assert [rule.id for rule in loaded.rules] == ["scan-horizontal"]


def test_the_examples_of_the_documentation_load(root, tmp_path):
    shipped, tuning = (tmp_path / name for name in ("shipped", "local"))
    examples = re.findall(r"```toml\n(.*?)```", (root / "docs" / "rule-language.md").read_text(), re.DOTALL)
    rule, sets, tuned = examples
    for folder, content in ((shipped, rule.replace("[match]", f"{sets}[match]", 1)), (tuning, tuned)):
        folder.mkdir()
        (folder / "ssh-login-attack.toml").write_text(content)
    loaded = load([shipped, tuning])
    assert [str(fault) for fault in (*loaded.faults, *loaded.warnings)] == []
    assert loaded.rules[0].overridden == ("except.prefixes", "except.roles", "raise.0.when")
