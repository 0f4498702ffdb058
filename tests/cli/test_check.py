"""check tells every fault of every file, and nothing starts with one."""

import json


def test_a_good_configuration_is_0(abusewatch, config):
    ran = abusewatch("check", "--config", config)
    assert ran.code == 0
    assert "mail mode shadow" in ran.out


def test_five_faults_are_five_lines_and_1(abusewatch, root):
    path = root / "tests/config/bad/five-faults.toml"
    ran = abusewatch("check", "--config", path)
    assert ran.code == 1
    assert len(ran.lines) == 6
    assert all(line.startswith(f"{path}:") for line in ran.lines)
    assert "hunter2" not in ran.out + ran.err


def test_faults_of_all_files_are_told_at_once(abusewatch, config, tmp_path):
    (tmp_path / "customers.toml").write_text("[[customer]]\nid = 3\n")
    (tmp_path / "operators.csv").write_text("network,who\n")
    (tmp_path / "rules.d").mkdir()
    (tmp_path / "rules.d/mine.toml").write_text('id = "mine"\n')
    text = config.read_text().replace("[[source]]", 'inventory = "customers.toml"\n[[source]]', 1)
    config.write_text(text + '[contacts]\ntable = "operators.csv"\n[rules]\nlocal = "rules.d"\n')
    ran = abusewatch("check", "--config", config, "--json")
    assert ran.code == 1
    named = {fault.partition(":")[0].rpartition("/")[2] for fault in json.loads(ran.out)["faults"]}
    assert named == {"customers.toml", "operators.csv", "mine.toml"}


def test_show_masks_secrets(abusewatch, root):
    ran = abusewatch("check", "--config", root / "tests/config/good/full.toml", "--show")
    shown = json.loads(ran.out)
    assert shown["mail"]["username"] == "********"
    assert shown["mail"]["mode"] == "send"


def test_a_rule_to_disable_that_is_none_is_a_fault(abusewatch, config):
    config.write_text(config.read_text() + '[rules]\ndisable = ["ssh-attack"]\n')
    ran = abusewatch("check", "--config", config)
    assert ran.code == 1
    assert "there is no rule 'ssh-attack'" in ran.out


def test_reference_is_the_page(abusewatch, root):
    assert abusewatch("check", "--reference").out == (root / "docs/configuration.md").read_text()


def test_no_configuration_is_a_fault_with_its_name(abusewatch):
    ran = abusewatch("check", "--config", "none.toml")
    assert ran.code == 1
    assert "none.toml:1: cannot be read" in ran.out


LINES = """
[policy]
[[policy.line]]
customer = ["C-1", "C-9"]
tell = "desk"
[[policy.line]]
tell = "desk"
[[policy.line]]
kind = ["worm"]
tell = "customer"
"""


def test_a_line_for_nobody_is_a_fault_and_one_never_asked_a_warning(abusewatch, config, tmp_path):
    config.write_text(config.read_text() + LINES)
    ran = abusewatch("check", "--config", config)
    assert ran.code == 1
    place = config.read_text().splitlines().index('customer = ["C-1", "C-9"]') + 1
    assert ran.lines == [f"{config}:{place}: policy.line[0].customer: the inventory has no customer {name!r}" for name in ("C-1", "C-9")]
    config.write_text(config.read_text().replace('customer = ["C-1", "C-9"]\n', 'basis = ["unknown"]\n'))
    ran = abusewatch("check", "--config", config)
    assert ran.code == 0
    assert "policy.line[2].tell: is never asked: line 2 takes all that it fits" in ran.err


def test_a_rule_can_be_made_to_observe(config):
    from abusewatch.config.assemble import assemble

    config.write_text(config.read_text() + '[rules]\nobserve = ["ssh-login-attack"]\n')
    status = {rule.id: rule.status for rule in assemble(config).rules}
    assert status["ssh-login-attack"] == "observe"
    assert "stable" in status.values()
