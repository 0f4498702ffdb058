"""One whole file a message, the same file for the same message."""

import stat

from abusewatch.outbox import Maildir
from tests.cases import message


async def test_writes_what_was_composed_into_new(tmp_path):
    one, two = message(1), message(2)
    outcomes = [o.kind async for o in Maildir(tmp_path / "mail").send([one, two, one])]
    assert outcomes == ["accepted"] * 3
    files = sorted((tmp_path / "mail" / "new").iterdir())
    assert {f.read_bytes() for f in files} == {one.raw, two.raw}
    assert len(files) == 2
    assert all(f.suffix == ".eml" and stat.S_IMODE(f.stat().st_mode) == 0o600 for f in files)
    assert list((tmp_path / "mail" / "tmp").iterdir()) == []


async def test_a_folder_that_cannot_be_written_defers(tmp_path):
    (tmp_path / "mail").write_text("a file stands where the folder should be")
    (outcome,) = [o async for o in Maildir(tmp_path / "mail").send([message(1)])]
    assert outcome.kind == "deferred"
    assert "cannot write" in outcome.text
