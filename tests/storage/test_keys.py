"""Keys are made once, are nobody else's to read, and stay what they are."""

import pytest

from abusewatch.storage.keys import key_of


def test_a_key_is_made_once_and_kept(tmp_path):
    folder = tmp_path / "state"
    key = key_of(folder, "evidence")
    assert len(key) == 32
    assert key_of(folder, "evidence") == key
    assert key_of(folder, "other") != key
    assert (folder / "evidence.key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in sorted(folder.iterdir())] == ["evidence.key", "other.key"]


def test_a_named_file_comes_before_a_credential_and_that_before_the_folder(tmp_path):
    named = tmp_path / "named"
    named.write_bytes(b"from the file\n")
    assert key_of(tmp_path, "a", named, "from systemd") == b"from the file"
    assert key_of(tmp_path, "a", None, "from systemd\n") == b"from systemd"
    assert not (tmp_path / "a.key").exists()


def test_a_named_file_that_is_not_there_is_a_fault_and_no_other_key_is_used(tmp_path):
    with pytest.raises(FileNotFoundError):
        key_of(tmp_path, "a", tmp_path / "named")


def test_a_link_in_its_place_is_not_written_through(tmp_path):
    target = tmp_path / "elsewhere"
    (tmp_path / "a.key").symlink_to(target)
    key_of(tmp_path, "a")
    assert not target.exists()
