"""A test that cannot run says so in one way, and with CI=true it fails where `.ci` installs what it misses."""

import re
import tomllib

import pytest

from tests import needs

Failed, Skipped = pytest.fail.Exception, pytest.skip.Exception


@pytest.mark.parametrize(
    "ask",
    [lambda: needs.need("sh", "no-such-program"), lambda: needs.library("no_such_package"), lambda: needs.missing("a folder is not there")],
)
def test_what_is_installed_for_the_tests_may_be_missing_anywhere_but_under_ci(ask, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(Skipped, match="is not"):
        ask()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(Failed, match=r"is not .*no test may skip"):
        ask()


def test_a_kernel_that_is_not_compiled_is_missing_unless_numpy_was_asked_for(monkeypatch):
    monkeypatch.setenv("CI", "true")
    monkeypatch.delenv("ABUSEWATCH_COMPILED", raising=False)
    with pytest.raises(Failed):
        needs.kernel("abusewatch.wire._none")
    monkeypatch.setenv("ABUSEWATCH_COMPILED", "no")
    with pytest.raises(Skipped):
        needs.kernel("abusewatch.wire._packets")


def test_what_is_there_is_there():
    needs.need("sh")
    assert needs.library("tomllib") is tomllib


def test_no_other_module_skips(root):
    ways = re.compile(r"pytest\.skip|skipif|importorskip|pytest\.xfail|mark\.xfail|mark\.skip")
    found = [path for path in root.glob("tests/**/*.py") if ways.search(path.read_text())]
    assert [path.relative_to(root).as_posix() for path in sorted(found)] == ["tests/architecture/test_needs.py", "tests/needs.py"]


def test_every_program_that_a_test_needs_is_installed_by_ci(root):
    """By its name in .ci/peers; what Debian always has is left out."""
    asked = {name for path in root.glob("tests/**/*.py") for names in re.findall(r"(?:\bneed|mark\.needs)\(((?:\"[\w-]+\"(?:, )?)+)", path.read_text()) for name in re.findall(r"[\w-]+", names)}
    wanted = set(re.findall(r"^want (\S+) ", (root / ".ci/peers").read_text(), re.MULTILINE))
    assert asked - wanted == {"lint-imports", "no-such-program", "setpriv", "sh", "unshare"}  # of the extra `test`; of nobody; of util-linux and dash
