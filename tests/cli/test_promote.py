"""A local rule causes mail only after its tests and a person; a change takes that back."""

import json

import pytest

RULE = "my-ssh"


@pytest.fixture
def local(config, tmp_path, root):
    folder = tmp_path / "rules.d"
    folder.mkdir()
    text = (root / "rules/ssh-login-attack.toml").read_text().replace('id = "ssh-login-attack"', f'id = "{RULE}"')
    text = text[: text.index("[[test]]")] + '[[test]]\ncapture = "benign-git-poll"\nexpect = "nothing"\n'
    (folder / f"{RULE}.toml").write_text(text)
    config.write_text(config.read_text() + '[rules]\nlocal = "rules.d"\n')
    return folder


def status(abusewatch, config):
    rows = [json.loads(line) for line in abusewatch("rules", "list", "--config", config, "--json").lines]
    return next(row["status"] for row in rows if row["id"] == RULE)


def test_it_observes_until_promoted_and_again_when_changed(abusewatch, config, local):
    assert status(abusewatch, config) == "observe"
    ran = abusewatch("promote", RULE, "--reason", "a week without a false one", "--author", "jo", "--config", config)
    assert ran.code == 0, ran.err
    assert "1 test(s) passed; promoted by jo" in ran.out
    assert status(abusewatch, config) == "stable"
    path = local / f"{RULE}.toml"
    path.write_text(path.read_text() + "# changed\n")
    assert status(abusewatch, config) == "observe"
    assert "changed since it was promoted" in abusewatch("check", "--config", config).err


def test_a_rule_whose_test_fails_is_not_promoted(abusewatch, config, local):
    path = local / f"{RULE}.toml"
    path.write_text(path.read_text().replace('"benign-git-poll"', '"ssh-login-attack"'))
    ran = abusewatch("promote", RULE, "--reason", "x", "--config", config)
    assert ran.code == 1
    assert "must find nothing" in ran.err
    assert status(abusewatch, config) == "observe"


def test_what_cannot_be_promoted(abusewatch, config, local):
    assert "shipped rules need no promotion" in abusewatch("promote", "ssh-login-attack", "--reason", "x", "--config", config).refused()
    assert "needs a reason" in abusewatch("promote", RULE, "--reason", " ", "--config", config).refused()
    path = local / f"{RULE}.toml"
    whole = path.read_text()
    path.write_text(whole.replace('status = "stable"', 'status = "sandbox"'))
    assert "asks for status" in abusewatch("promote", RULE, "--reason", "x", "--config", config).refused()
    path.write_text(whole[: whole.index("[[test]]")])
    assert abusewatch("promote", RULE, "--reason", "x", "--config", config).code == 2
