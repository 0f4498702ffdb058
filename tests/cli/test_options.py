"""A time may be written in three ways, and all mean the same moment."""

import click
import pytest

from abusewatch.cli.options import Time


@pytest.mark.parametrize("text", ["1793527200.5", "2026-11-01T10:00:00.5Z", "2026-11-01T11:00:00.5+01:00", "2026-11-01 10:00:00.5"])
def test_a_time(text):
    assert Time().convert(text, None, None) == 1_793_527_200_500_000


def test_no_time_says_how_to_write_one():
    with pytest.raises(click.BadParameter, match="'yesterday' is no time; write 2026-11-01T10:00:00Z or seconds since 1970"):
        Time().convert("yesterday", None, None)
