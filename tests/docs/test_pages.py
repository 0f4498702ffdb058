"""The pages say what the program does: every command, option, metric and dependency stands in them, and README's examples run."""

import re
import shlex
import subprocess
import sys
import tomllib

import click
import pytest

from abusewatch.cli import COMMANDS, group
from abusewatch.telemetry import Telemetry


def commands(command, path=()):
    """Every command with its words."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), (*path, name))


ALL = [(path, command) for path, command in commands(group) if path]


@pytest.mark.parametrize(("path", "command"), ALL, ids=[" ".join(path) for path, _ in ALL])
def test_every_command_and_option_is_explained(path, command, root):
    page = (root / "docs/cli.md").read_text()
    _, found, section = page.partition(f"\n## {path[0]}\n")
    assert found, f"docs/cli.md has no section {path[0]}"
    section = section.split("\n## ")[0]
    if len(path) > 1:
        assert f"abusewatch {' '.join(path)}" in section
    for parameter in command.params:
        for option in parameter.opts:
            if option.startswith("--") and option not in {"--help", "--version"}:
                assert option in section or option in page.split("\n## ")[0], f"{' '.join(path)} {option}"


def test_the_page_names_no_command_that_does_not_exist(root):
    page = (root / "docs/cli.md").read_text()
    assert set(re.findall(r"^## (\S+)", page, re.MULTILINE)) == set(COMMANDS)


def test_every_metric_stands_in_the_page_and_no_other(root):
    page = (root / "docs/metrics.md").read_text()
    listed = set(re.findall(r"^\| `(abusewatch_\w+)`", page, re.MULTILINE))
    text = Telemetry().exposition().decode()
    real = {
        name for name in re.findall(r"^# TYPE (abusewatch_\w+) ", text, re.MULTILINE) if not name.endswith("_created")
    }
    assert listed == real


def test_every_metric_named_anywhere_exists(root):
    text = Telemetry().exposition().decode()
    for page in (root / "docs").glob("*.md"):
        for name in re.findall(r"`(abusewatch_\w+)`", page.read_text()):
            assert f"# TYPE {name} " in text, f"{page.name}: {name}"


def test_every_dependency_has_its_sentence_and_no_other(root):
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    extras = [name for some in project["optional-dependencies"].values() for name in some]
    declared = {re.match(r"[\w-]+", one)[0].lower() for one in [*project["dependencies"], *extras]}
    rows = [line for line in (root / "docs/dependencies.md").read_text().splitlines() if line.startswith("| `")]
    explained = {name for row in rows for name in re.findall(r"`([\w-]+)`", row.split("|")[1])}
    assert explained == declared


def test_readme_commands_exist_and_its_output_is_real(root):
    readme = (root / "README.md").read_text()
    for command in re.findall(r"abusewatch ([a-z]+) (?:-|\w+/)", readme):
        assert command in COMMANDS
    makefile = (root / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", readme, re.MULTILINE):
        assert f"\n{target}:" in makefile
    ((command, printed),) = re.findall(r"\$ \.venv/bin/abusewatch (.*)\n((?:.+\n)+)```", readme)
    done = subprocess.run(
        [sys.executable, "-m", "abusewatch.cli", *shlex.split(command)],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == printed


def test_links_lead_somewhere(root):
    for page in (root / "README.md", *(root / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
