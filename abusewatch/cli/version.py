"""`abusewatch version`."""

import platform

import click

import abusewatch
from abusewatch.cli.output import json_option, print_json


@click.command()
@json_option
def version(*, as_json: bool) -> None:
    """Print the version of abusewatch and of the Python it runs on."""
    if as_json:
        print_json({"abusewatch": abusewatch.__version__, "python": platform.python_version()})
    else:
        click.echo(f"abusewatch {abusewatch.__version__} (Python {platform.python_version()})")
