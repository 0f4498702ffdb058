"""The shape of the code: imports go one way, nothing is unfinished, broad excepts live at edges only, tests mirror the source."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.needs import need

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "abusewatch").rglob("*.py"))
MODULES = [path for path in SOURCES if path.name != "__init__.py"]

EDGES = {
    "cli/__init__.py": "the command line: one line instead of a traceback",
    "detect/coded/child.py": "a detector of others: whatever it raises is the answer",
    "detect/coded/seat.py": "a coded detector: its turn is lost, nothing else",
    "service/intake.py": "the flow side: a batch is lost, thread and daemon are not",
    "service/desk.py": "the case side: the turn is repeated",
    "digests.py": "one digest cannot be written, each case still has its own mail",
    "casework.py": "one mail cannot be written, the others of the case can",
}
"""Where `except Exception` may stand, and what survives it. The list may only shrink."""

NO_MIRROR = tomllib.loads((Path(__file__).parent / "mirror.toml").read_text())


def name(path: Path) -> str:
    return path.relative_to(ROOT / "abusewatch").as_posix()


def test_imports_go_down_the_river_only():
    need("lint-imports", path=str(Path(sys.executable).parent))
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_nothing_is_left_unfinished(path):
    text = path.read_text()
    assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", text)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Raise) and "NotImplementedError" in ast.unparse(node):
            enclosing = text[: text.index("raise NotImplementedError")]
            assert "class Reading" in enclosing, f"{path} raises NotImplementedError"


def broad(path):
    """The handlers that take whatever is raised."""
    handlers = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ExceptHandler))
    return [one for one in handlers if one.type is None or {"Exception", "BaseException"} & {getattr(each, "id", "") for each in ast.walk(one.type)}]


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_broad_excepts_live_at_the_edges(path):
    kept = [one.lineno for one in broad(path) if ast.unparse(one.body[-1]) != "raise"]
    if kept:
        assert name(path) in EDGES, f"{path}:{kept[0]}: a broad except away from the edges"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_every_broad_except_says_why(path):
    lines = path.read_text().splitlines()
    for one in broad(path):
        reason = re.sub(r"# noqa: [A-Z0-9, ]+", "", lines[one.lineno - 1]).partition("#")[2]
        assert len(reason.split()) > 3, f"{path}:{one.lineno}: why is everything caught here?"


def test_every_edge_listed_is_one():
    for edge in EDGES:
        assert "except Exception" in (ROOT / "abusewatch" / edge).read_text()


def test_every_module_says_what_it_is_for():
    for path in SOURCES:
        assert ast.get_docstring(ast.parse(path.read_text())), f"{path} has no docstring"


def test_every_module_has_its_test_file():
    missing = [
        name(path)
        for path in MODULES
        if name(path) not in NO_MIRROR and path.relative_to(ROOT).parts[1] != "model" and not mirror(path).exists()
    ]
    assert missing == [], "write the test file, or say where the module is tested"


def test_the_exceptions_from_that_are_real():
    for module, where in NO_MIRROR.items():
        path = ROOT / "abusewatch" / module
        assert path.exists(), module
        assert (ROOT / "tests" / where).exists(), where
        assert not mirror(path).exists(), f"{module} has its test file now: take it off the list"


def mirror(path: Path) -> Path:
    inside = path.relative_to(ROOT / "abusewatch")
    return ROOT / "tests" / inside.parent / f"test_{inside.name}"


def test_nothing_runs_a_shell_or_unpickles():
    for path in SOURCES:
        text = path.read_text()
        assert "shell=True" not in text
        assert not re.search(r"^\s*(import|from) (pickle|marshal|shelve|telnetlib)\b", text, re.MULTILINE)
        assert "os.system(" not in text


def test_the_daemon_does_not_need_what_only_tests_need():
    code = "import sys, abusewatch.service.daemon; print({'scapy', 'pyshark', 'duckdb', 'pytest', 'netflow'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
