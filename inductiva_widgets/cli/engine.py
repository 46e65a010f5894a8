"""The command of the local engine: `serve`."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from inductiva_widgets.cli.console import print_json

__all__ = ["serve"]


@click.command()
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
    *,
    port: int | None,
    data_dir: Path | None,
    slots: int | None,
    as_json: bool,
    stop: bool,
) -> int:
    """Run the local engine until Ctrl-C."""
    from inductiva_widgets import local

    if stop:
        stopped = local.stop(data_dir)
        if as_json:
            print_json({"stopped": stopped})
        else:
            click.echo(
                "The local engine has stopped." if stopped else "No local engine was running."
            )
        return 0
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    return local.serve(port=port, data_dir=data_dir, slots=slots, json_line=as_json)
