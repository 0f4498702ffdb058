"""Exit codes and streams are the same for every command."""

import subprocess
import sys

import pytest

import abusewatch as package


def test_version_starts_fast_and_loads_neither_numpy_nor_pydantic():
    code = "import sys; from abusewatch.cli import main\ntry: main(['version'])\nexcept SystemExit as e: print(e.code, {'numpy', 'pydantic', 'aiohttp'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, kernels, last = done.stdout.splitlines()
    assert first == f"abusewatch {package.__version__} (Python {sys.version.split()[0]})"
    assert kernels.startswith("kernels: ")
    assert " sources._flow_cache " in kernels
    assert last == "0 set()"


def test_no_command_is_help_and_2(abusewatch):
    ran = abusewatch()
    assert ran.code == 2
    assert "Commands:" in ran.err


def test_help_lists_every_command(abusewatch):
    from abusewatch.cli import COMMANDS

    ran = abusewatch("--help")
    assert ran.code == 0
    for command in COMMANDS:
        assert f"  {command} " in ran.out


def test_an_unknown_command_is_one_line(abusewatch):
    assert "there is no command 'nonsense'" in abusewatch("nonsense").refused()


def test_an_unknown_option_is_one_line(abusewatch):
    assert "--nonsense" in abusewatch("flows", "--nonsense", "x").refused()


def test_a_reader_that_leaves_is_no_fault(attack):
    command = f"{sys.executable} -m abusewatch.cli flows {attack}"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} | head -1"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1


def test_what_is_in_a_name_does_not_reach_the_terminal(abusewatch):
    line = abusewatch("flows", "no\x1b[31mfile\nabusewatch: forged").refused()
    assert "\x1b" not in line


def test_the_unforeseen_is_one_line(monkeypatch, capsys):
    from abusewatch import cli

    monkeypatch.setattr(cli.group, "main", lambda *_, **__: 1 / 0)
    monkeypatch.delenv("ABUSEWATCH_DEBUG", raising=False)
    with pytest.raises(SystemExit) as ended:
        cli.main([])
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "unforeseen ZeroDivisionError" in captured.err
