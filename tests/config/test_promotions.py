"""A promotion is of a rule as it was then; a change of the file ends it."""

from abusewatch.config.promotions import NAME, read, write


def test_a_rule_is_promoted_as_it_is_and_no_longer_when_it_changed(tmp_path):
    assert read(None) == read(tmp_path) == (frozenset(), ())
    for name in ("one", "two"):
        (tmp_path / f"{name}.toml").write_text(name)
        write(tmp_path, name, at="2026-11-01T10:00:00.000Z", by="jo", reason="looked, at a week")
    assert read(tmp_path) == ({"one", "two"}, ())
    (tmp_path / "one.toml").write_text("changed")
    assert read(tmp_path) == ({"two"}, ("one",))
    write(tmp_path, "one", at="2026-11-02T10:00:00.000Z", by="jo", reason="again")
    assert read(tmp_path) == ({"one", "two"}, ())
    assert len((tmp_path / NAME).read_text().splitlines()) == 3
    (tmp_path / "two.toml").unlink()
    assert read(tmp_path) == ({"one"}, ("two",))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.toml", NAME]


def test_a_list_that_is_none_promotes_nothing(tmp_path):
    (tmp_path / NAME).write_text("nonsense\n1,2,3\n")
    assert read(tmp_path) == (frozenset(), ())
