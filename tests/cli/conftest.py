"""Commands as people run them: a process of its own, its exit code, and both of its streams."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.forks import Forks

ROOT = Path(__file__).resolve().parents[2]

CONFIG = """[network]
organisation = "Example Hosting"
domain = "hosting.example"
prefixes = ["198.51.100.0/24"]

[[source]]
name = "edge"
listen = "127.0.0.1:0"
exporters = ["192.0.2.1"]

[store]
path = "store"

[metrics]
listen = "127.0.0.1:0"
"""


class Ran:
    """What a command left: `code`, `out`, `err`, and the lines of the latter two."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr
        self.lines = self.out.splitlines()

    def refused(self) -> str:
        """One line on stderr, nothing on stdout, exit 2: the line."""
        assert self.code == 2, (self.code, self.err)
        assert self.out == ""
        assert self.err.count("\n") == 1, self.err
        assert "Traceback" not in self.err
        return self.err


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    made = Forks()
    yield made
    made.close()


@pytest.fixture
def abusewatch(tmp_path, forks) -> Callable[..., Ran]:
    def run(*arguments: object, stdin: bytes | None = None) -> Ran:
        done = forks.run([*map(str, arguments)], tmp_path, stdin, 120)
        text = subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
        return Ran(text)

    return run


@pytest.fixture
def attack() -> Path:
    return ROOT / "captures/ssh-login-attack/capture.pcap"


@pytest.fixture
def config(tmp_path) -> Path:
    path = tmp_path / "abusewatch.toml"
    path.write_text(CONFIG)
    return path
