"""The terminal: what it can show, questions, tables, progress; and the service to talk to."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

import click

from inductiva_widgets.errors import ConfigurationError, InductivaWidgetsError, WaitTimeoutError
from inductiva_widgets.formats import safe_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TextIO

    from inductiva_widgets.backend import Backend
    from inductiva_widgets.outputs.download import Download

__all__ = [
    "byte_bar",
    "complain",
    "confirm",
    "follow",
    "is_terminal",
    "json_option",
    "paint",
    "print_json",
    "print_table",
    "service",
    "yes_option",
]

GAP = "   "
POLL_S = 0.2
LONGEST_TEXT = 4096

# Steps that errors name → the same from a shell.
STEPS = {
    "inductiva_widgets.tasks.list() gives": "`inductiva-widgets tasks list --all` shows",
    "inductiva_widgets.tasks.list(last_n=5)": "`inductiva-widgets tasks list -n 5`",
    "task.get_output_info(), task.download_outputs()": "`inductiva-widgets tasks files ID`,"
    " `inductiva-widgets tasks download ID`",
    "task.list_files()": "`inductiva-widgets tasks list-files ID`",
    "task.wait()": "`inductiva-widgets tasks wait ID`",
    "task.resubmit(input_dir=…)": "--input-dir",
    "task.resubmit(commands=[…])": "--command",
    'overwrite="skip", "replace" or "rename"': "--overwrite skip, replace or rename",
    'overwrite="replace"': "--overwrite replace",
    "connect(local=True)": "`inductiva-widgets serve`",
    "machine_group and container_image": "--machine-group and --container-image",
    "machine_group=": "--machine-group",
    "time_to_live_s=None sets no limit.": "Without --time-to-live there is no limit.",
    "time_to_live_s": "--time-to-live",
}

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask.")


@contextlib.contextmanager
def service() -> Iterator[Backend]:
    """The service that settings name, or the local engine that runs; nothing is started.

    Raises:
        ConfigurationError: There is neither.
    """
    from inductiva_widgets import backend as backends

    found = backends.find()
    if found is None:
        raise ConfigurationError(
            "There is no API key, and no local engine runs.",
            hint="`inductiva-widgets auth login` keeps a key; `inductiva-widgets serve` runs an"
            " engine.",
        )
    with contextlib.closing(found):
        if found.is_local and is_terminal(sys.stderr):
            click.echo("These are the tasks of the local engine on this machine.", err=True)
        yield found


# -- what a terminal shows -----------------------------------------------------------------------


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody sits at the other end."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def paint(text: str, **style: Any) -> str:  # noqa: ANN401 - click's own words: fg, bold
    """The text in colour, where colour is wanted: not in pipes, with NO_COLOR, on dumb terminals.

    See https://no-color.org; INDUCTIVA_DISABLE_ANSI is the official client's variable.
    """
    switches = ("NO_COLOR", "INDUCTIVA_DISABLE_ANSI")
    plain = any(os.environ.get(name) for name in switches) or _is_dumb()
    return text if plain or not is_terminal(sys.stdout) else click.style(text, **style)


def _is_dumb() -> bool:
    return os.environ.get("TERM", "") in ("", "dumb", "unknown") and sys.platform != "win32"


def print_json(value: object) -> None:
    """JSON of ASCII alone, so that no terminal is harmed by what names hold."""
    click.echo(json.dumps(value, indent=2, allow_nan=False))


def print_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    style: Callable[[str, str], str] = lambda _, cell: cell,
) -> None:
    """Columns three spaces apart; one block a row in a terminal that is too narrow for that.

    Args:
        header: Names of the columns.
        rows: Cells, already harmless.
        style: Gives a padded cell its colour, by column and cell.
    """
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    line_width = 1 + sum(widths) + len(GAP) * (len(widths) - 1)
    if is_terminal(sys.stdout) and line_width > shutil.get_terminal_size().columns:
        for row in rows:
            click.echo(row[0])
            for name, cell in zip(header[1:], row[1:], strict=True):
                click.echo(f"  {name}: {style(name, cell)}")
        return
    head = GAP.join(name.ljust(width) for name, width in zip(header, widths, strict=True))
    click.echo(" " + paint(head.rstrip(), bold=True))
    for row in rows:
        cells = [
            style(name, cell) + " " * (width - len(cell))
            for name, cell, width in zip(header, row, widths, strict=True)
        ]
        click.echo((" " + GAP.join(cells)).rstrip())


# -- speaking with people ------------------------------------------------------------------------


def complain(error: InductivaWidgetsError | str, task_id: str = "") -> None:
    """An error as one line on stderr, with the task that it is about."""
    about = f"task {task_id}: " if task_id else ""
    click.echo(f"Error: {about}{safe_text(_for_shells(str(error)), LONGEST_TEXT)}", err=True)


def _for_shells(text: str) -> str:
    """What an error says to do next, as it is done from a shell."""
    for python, shell in STEPS.items():
        text = text.replace(python, shell)
    return text


def confirm(lines: Sequence[str], *, yes: bool, err: bool, otherwise: str) -> bool:
    """Says what will happen and asks; the default is no.

    Args:
        lines: What is about to happen.
        yes: Whether it was agreed to beforehand.
        err: Whether to ask on stderr, because stdout carries JSON.
        otherwise: What did not happen, for those who cannot be asked.

    Raises:
        click.UsageError: Nobody is there to answer.
    """
    if yes:
        return True
    if not is_terminal(sys.stdin):
        raise click.UsageError(f"Nobody is here to be asked, so {otherwise}. Add --yes to agree.")
    for line in lines:
        click.echo(line, err=err)
    click.echo("Are you sure you want to proceed (y/[N])? ", nl=False, err=err)
    try:
        answer = sys.stdin.readline()
    except UnicodeDecodeError:
        answer = "no\n"
    if not answer.endswith("\n"):  # the end of the input: the cursor is still behind the question
        click.echo(err=err)
    return answer.strip().lower() in ("y", "ye", "yes")


@contextlib.contextmanager
def byte_bar(label: str) -> Iterator[Any]:
    """A bar of bytes (a tqdm) where stderr can show one, else `None`."""
    if not is_terminal(sys.stderr) or _is_dumb():
        yield None
        return
    from tqdm import tqdm

    # Without tqdm's monitor, a thread that would outlive the download.
    kind: Any = type("Bar", (tqdm,), {"monitor_interval": 0})
    size = {"dynamic_ncols": True} if _has_size() else {"ncols": 80, "nrows": 20}
    with kind(unit="B", unit_scale=True, desc=label, **size) as bar:
        yield bar


def follow(download: Download, label: str) -> None:
    """Waits for a download, with a bar where stderr can show one; Ctrl-C cancels it."""
    with byte_bar(label) as bar:
        if bar is None:
            download.result()
            return
        ended = False
        while not ended:
            ended = download.done  # one that ends after this look is asked once more how it ended
            try:
                download.result(timeout=POLL_S)
            except WaitTimeoutError:
                if ended:
                    raise
            finally:
                now = download.progress
                bar.total = now.bytes
                bar.update(now.bytes_done - bar.n)


def _has_size() -> bool:
    """Whether stderr knows its size; a terminal that says 0 × 0 would get no bar at all."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns > 0
    except (OSError, ValueError):
        return False
