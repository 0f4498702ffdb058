"""A setup as the daemon gets it, from a configuration that a test may add to."""

import pytest

from abusewatch.config.assemble import assemble

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
"""


@pytest.fixture
def setup_of(tmp_path):
    def made(more=""):
        path = tmp_path / "abusewatch.toml"
        path.write_text(CONFIG + more)
        return assemble(path)

    return made
