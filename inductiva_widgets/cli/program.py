"""The program `inductiva-widgets`: its commands and exit codes."""

from __future__ import annotations

import contextlib
import io
import sys
from typing import TYPE_CHECKING, NoReturn

import click

from inductiva_widgets import __version__
from inductiva_widgets.cli import acting, auth, demo, engine, fetching, listing, live
from inductiva_widgets.cli.console import complain
from inductiva_widgets.errors import InductivaWidgetsError, UserInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["cli", "main"]

PROGRAM = "inductiva-widgets"
FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name=PROGRAM)
def cli() -> None:
    """Follow remote simulation tasks; run them on this machine without an account.

    Exit codes: 0 all is right, 1 something failed, 2 wrong usage, 130 interrupted.
    """


@cli.group("tasks")
def tasks() -> None:
    """List, submit, follow, fetch, kill and resubmit tasks."""


@cli.group("auth")
def key() -> None:
    """Keep, drop and explain the API key."""


for command in (*listing.COMMANDS, *fetching.COMMANDS, *acting.COMMANDS, *live.COMMANDS):
    tasks.add_command(command)
for command in auth.COMMANDS:
    key.add_command(command)
cli.add_command(live.logs)
cli.add_command(engine.serve)
cli.add_command(demo.demo)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command line and ends the process; errors of ours become one line on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the terminal has no letters for
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    try:
        code = cli.main(args=arguments, prog_name=PROGRAM, standalone_mode=False)
    except UserInputError as error:
        complain(error)
        return WRONG_USAGE
    except InductivaWidgetsError as error:
        complain(error)
        return FAILED
    except (click.exceptions.Abort, KeyboardInterrupt):
        with contextlib.suppress(OSError):
            click.echo("Interrupted.", err=True)
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return WRONG_USAGE if isinstance(error, click.UsageError) else error.exit_code
    return code if isinstance(code, int) else 0
