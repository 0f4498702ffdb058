"""The commands. Data goes to stdout, messages to stderr; exit 0 fine, 1 findings or faults found, 2 could not do it.

Whatever goes wrong is one line that says why, never a traceback; ABUSEWATCH_DEBUG=1 shows one to developers.
"""

import importlib
import os
import sys
from collections.abc import Sequence

import click

import abusewatch

COMMANDS = {
    "demo": "demo",
    "run": "run",
    "capture-helper": "capture_helper",
    "check": "check",
    "replay": "replay",
    "cut": "cut",
    "inspect": "dissect",
    "flows": "flows",
    "export": "export",
    "rules": "rules",
    "promote": "promote",
    "roles": "roles",
    "diff": "diff",
    "status": "status",
    "policy": "policy",
    "sources": "sources",
    "top": "top",
    "allow": "allow",
    "case": "moves",
    "outbox": "moves",
    "mail": "mail",
    "contacts": "contacts",
    "privacy": "privacy",
    "ledger": "privacy",
    "version": "version",
}
"""Each command and its module, imported when it is called: `abusewatch version` must not load numpy."""


class Lazy(click.Group):
    """The top command; finds the others by their table."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # the interface's argument
        """List the commands in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command."""
        if cmd_name not in COMMANDS:
            ctx.fail(f"there is no command {cmd_name!r}; there are {', '.join(COMMANDS)}")
        module = importlib.import_module(f"abusewatch.cli.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(abusewatch.__version__, message="abusewatch %(version)s")
def group() -> None:
    """Find the attacks that leave your own network, and tell the two parties who must know."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and turn whatever happens into an exit code and one line."""
    try:
        code = group.main(arguments, prog_name="abusewatch", standalone_mode=False) or 0
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "", err=True)
        code = 2
    except click.ClickException as error:
        code = _say(error.format_message(), error.exit_code)
    except click.Abort:
        code = _say("interrupted", 130)
    except (BrokenPipeError, SystemExit):
        # The reader has seen enough (`| head`), which click makes a SystemExit of and nothing else does. Point stdout
        # away, so that the interpreter's last flush is quiet too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except OSError as error:
        code = _say(f"{error.filename or 'input or output'}: {error.strerror or error}", 2)
    except Exception as error:  # the last edge: nothing survives it but the promise of one line
        if os.environ.get("ABUSEWATCH_DEBUG"):
            raise
        code = _say(f"unforeseen {type(error).__name__}: {error}; ABUSEWATCH_DEBUG=1 shows where, please report it", 2)
    sys.exit(code)


def _say(text: str, code: int) -> int:
    """Write one line to stderr, whatever is in the text."""
    line = " ".join(text.split())
    click.echo(f"abusewatch: {''.join(c if c.isprintable() else '?' for c in line)}", err=True)
    return code
