"""`abusewatch version`."""

import platform

import click

import abusewatch
from abusewatch.cli.output import json_option, print_json
from abusewatch.model import compiled


@click.command()
@json_option
def version(*, as_json: bool) -> None:
    """Print the version of abusewatch, of the Python it runs on, and which of its kernels are compiled."""
    kernels = compiled.states()
    if as_json:
        print_json({"abusewatch": abusewatch.__version__, "python": platform.python_version(), "kernels": kernels})
        return
    click.echo(f"abusewatch {abusewatch.__version__} (Python {platform.python_version()})")
    click.echo("kernels: " + "; ".join(f"{name.removeprefix('abusewatch.')} {state}" for name, state in kernels.items()))
