"""One real mail goes the configured way, in shadow mode too, and the command says what became of it."""

import json
from email import message_from_bytes


def test_a_test_mail_into_the_maildir_says_that_nothing_else_leaves(abusewatch, config, tmp_path):
    ran = abusewatch("mail", "test", "--to", "me@hosting.example", "--config", config)
    assert ran.code == 0
    assert "accepted" in ran.lines[0]
    assert "shadow: nothing but this mail leaves" in ran.out
    (file,) = (tmp_path / "store/maildir/new").iterdir()
    assert message_from_bytes(file.read_bytes())["To"] == "me@hosting.example"


def test_a_smart_host_that_is_not_there_is_exit_1(abusewatch, config):
    config.write_text(config.read_text() + '[mail]\nmode = "send"\nsmarthost = "127.0.0.1"\nport = 1\ntls = "none"\n')
    ran = abusewatch("mail", "test", "--to", "me@hosting.example", "--config", config, "--json")
    assert ran.code == 1
    told = json.loads(ran.out)
    assert (told["outcome"], told["mode"]) == ("deferred", "send")


def test_no_plain_address_is_one_line(abusewatch, config):
    assert "--to is not of the form" in abusewatch("mail", "test", "--to", "me", "--config", config).refused()
    assert abusewatch("mail", "test", "--to", "a@b.example,c@d.example", "--config", config).code == 2
