"""The command line: `inductiva-widgets`.

Exit codes: 0 right, 1 failed, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click

from inductiva_widgets import __version__
from inductiva_widgets.errors import InductivaWidgetsError

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="inductiva-widgets")
def cli() -> None:
    """Follow remote simulation tasks; run them on this machine without an account."""


@cli.command()
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 for any free one.")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of its tasks and outputs.",
)
@click.option("--slots", type=click.IntRange(min=1), help="Tasks that run at the same time.")
@click.option("--json", "as_json", is_flag=True, help="Print where it listens as one JSON line.")
@click.option("--stop", is_flag=True, help="Stop the engine of this data folder.")
def serve(
    port: int | None,
    data_dir: Path | None,
    slots: int | None,
    as_json: bool,  # noqa: FBT001 - click passes flags so
    stop: bool,  # noqa: FBT001
) -> None:
    """Run the local engine until Ctrl-C."""
    from inductiva_widgets import local

    if stop:
        stopped = local.stop(data_dir)
        click.echo("The local engine has stopped." if stopped else "No local engine was running.")
        return
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    sys.exit(local.serve(port=port, data_dir=data_dir, slots=slots, json_line=as_json))


def main() -> None:
    """Runs the command line; errors of ours become one line on stderr."""
    try:
        cli(standalone_mode=False)
    except InductivaWidgetsError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
