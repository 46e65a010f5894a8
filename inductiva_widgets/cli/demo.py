"""The command `demo`: a small notebook in JupyterLab, on the local engine."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from inductiva_widgets.cli.console import complain, json_option, print_json

if TYPE_CHECKING:
    from inductiva_widgets.local import EngineInfo

__all__ = ["demo"]

NOTEBOOK = "demo.ipynb"

# A plucked string by finite differences: half a minute of work, and files that come one by one.
SIMULATION = '''\
"""A plucked string: u_tt = u_xx on [0, 1], fixed at both ends; one CSV file a period."""

import pathlib
import time

POINTS, PERIODS = 101, 30
out = pathlib.Path("string")
out.mkdir(exist_ok=True)
u = [min(i, POINTS - 1 - i) / (POINTS - 1) for i in range(POINTS)]
before = u[:]
for period in range(PERIODS):
    for _ in range(2 * (POINTS - 1)):
        after = [0.0] * POINTS
        for i in range(1, POINTS - 1):
            after[i] = u[i - 1] + u[i + 1] - before[i]
        before, u = u, after
    rows = (f"{i / (POINTS - 1):.2f},{height:.6f}" for i, height in enumerate(u))
    (out / f"period_{period:02d}.csv").write_text("x,height\\n" + "\\n".join(rows) + "\\n")
    print(f"period {period + 1} of {PERIODS}", flush=True)
    time.sleep(1)
'''
CELLS = (
    "import inductiva_widgets as iw\n\niw.connect(local=True)",
    'task = iw.tasks.submit(["python plucked.py"], "inputs", simulator="string")\ntask',
    "task.wait()  # interrupting only stops the waiting",
    'task.download_outputs(["string/period_2*.csv"])',
    "iw.tasks.list(last_n=5)",
)


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), required=False)
@click.option("--no-lab", is_flag=True, help="Write the notebook and end; open nothing.")
@click.option("--no-browser", is_flag=True, help="Only print JupyterLab's address.")
@json_option
def demo(*, folder: Path | None, no_lab: bool, no_browser: bool, as_json: bool) -> int:
    """Open a small notebook in JupyterLab; its tasks run on this machine.

    The notebook is written to FOLDER (inductiva_demo), where changed files are left alone.
    """
    place = (folder or Path("inductiva_demo")).absolute()
    try:
        _write(place)
    except OSError as error:
        complain(f"The folder {place} cannot be written: {error.strerror}.")
        return 1
    has_lab = importlib.util.find_spec("jupyterlab") is not None
    if as_json:
        print_json({"notebook": str(place / NOTEBOOK), "has_jupyterlab": has_lab})
    else:
        click.echo(f"The notebook is {place / NOTEBOOK}")
    if no_lab:
        return 0
    if not has_lab:
        complain("JupyterLab is not installed: pip install 'inductiva_widgets[demo]'.")
        return 1
    return _open(place, no_browser=no_browser)


def _write(place: Path) -> None:
    notebook = {
        "cells": [
            {
                "cell_type": "code",
                "id": f"cell-{number}",
                "metadata": {},
                "execution_count": None,
                "outputs": [],
                "source": source,
            }
            for number, source in enumerate(CELLS)
        ],
        "metadata": {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    inputs = place / "inputs"
    inputs.mkdir(parents=True, exist_ok=True)
    for path, text in (
        (place / NOTEBOOK, json.dumps(notebook, indent=1) + "\n"),
        (inputs / "plucked.py", SIMULATION),
    ):
        if not path.exists():
            path.write_text(text, encoding="utf-8")


def _open(place: Path, *, no_browser: bool) -> int:
    """Runs JupyterLab until it ends; an engine that was started for it ends as well."""
    from inductiva_widgets import local

    running: EngineInfo | None = local.find()
    if running is None:
        local.start()
    command = [sys.executable, "-m", "jupyterlab", str(place / NOTEBOOK)]
    environment = {**os.environ, "INDUCTIVA_WIDGETS_LOCAL": "1"}
    try:
        lab = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command + ["--no-browser"] * no_browser, env=environment
        )
        while True:
            try:
                return int(lab.wait() != 0)
            except KeyboardInterrupt:  # JupyterLab got it too, and asks by itself
                continue
    finally:
        if running is None:
            local.stop()
