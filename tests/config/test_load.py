"""A configuration with faults is told all of them at once, where and what to do; a good one means what it says."""

import json
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from abusewatch.config import ConfigError, load, masked
from abusewatch.config.load import MASK, SEARCHED, Credentials, find

HERE = Path(__file__).parent
BAD = sorted((HERE / "bad").glob("*.toml"))
GOOD = sorted((HERE / "good").glob("*.toml"))


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_every_fault_is_told_with_file_line_and_what_to_do(path, monkeypatch):
    monkeypatch.chdir(HERE)
    with pytest.raises(ConfigError) as caught:
        load(path.relative_to(HERE))
    assert "".join(f"{fault}\n" for fault in caught.value.faults) == path.with_suffix(".txt").read_text()


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_no_fault_repeats_a_secret(path):
    assert "hunter2" not in path.with_suffix(".txt").read_text()


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_ones_load(path):
    assert load(path).network.domain == "hosting.example"


def test_a_fresh_install_sends_nothing():
    config = load(HERE / "good/minimal.toml")
    assert config.mail.mode == "shadow"
    assert config.sender == "abuse@hosting.example"


def test_paths_start_at_the_folder_of_the_file():
    config = load(HERE / "good/full.toml")
    assert config.network.inventory == HERE / "good/customers.csv"
    assert config.store.path == HERE / "good/state"


def test_a_loaded_configuration_cannot_be_changed():
    config = load(HERE / "good/minimal.toml")
    with pytest.raises(ValidationError):
        config.mail.mode = "send"


def test_what_is_shown_masks_what_guards_a_secret():
    shown = masked(load(HERE / "good/full.toml"))
    assert shown["mail"]["username"] == MASK
    assert shown["mail"]["password_file"] == MASK
    assert shown["mail"]["smarthost"] == "localhost"
    json.dumps(shown)


def test_a_missing_file_is_an_oserror(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.toml")


def test_secrets_come_from_the_credentials_folder_only(tmp_path, monkeypatch):
    (tmp_path / "smtp-password").write_text("hunter2\n")
    monkeypatch.setenv("smtp-password", "from the environment")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert Credentials().smtp_password is None
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    secret = Credentials().smtp_password
    assert secret is not None
    assert secret.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(secret)


def test_the_file_beside_us_is_taken_when_the_system_has_none(tmp_path, monkeypatch):
    system = tmp_path / "etc" / "abusewatch.toml"
    monkeypatch.setattr(sys.modules[find.__module__], "SEARCHED", (system, SEARCHED[1]))
    monkeypatch.chdir(tmp_path)
    assert find() == system
    Path("abusewatch.toml").touch()
    assert find() == Path("abusewatch.toml")
    system.parent.mkdir()
    system.touch()
    assert find() == system
    assert SEARCHED[0] == Path("/etc/abusewatch/abusewatch.toml")
