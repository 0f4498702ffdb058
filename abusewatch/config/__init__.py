"""The file people write, abusewatch.toml: its form, how it is read, and how its faults are told."""

from abusewatch.config.load import ConfigError, Fault, load, masked
from abusewatch.config.model import Config, Source

__all__ = ["Config", "ConfigError", "Fault", "Source", "load", "masked"]
