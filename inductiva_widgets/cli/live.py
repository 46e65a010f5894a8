"""Commands about running tasks: `tasks tail`, `list-files`, `top`, `last-modified-file`; `logs`."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import click

from inductiva_widgets.api.client import check_task_id
from inductiva_widgets.cli.console import is_terminal, json_option, paint, print_json, service
from inductiva_widgets.formats import iso, safe_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inductiva_widgets.live import Live, LiveFiles

__all__ = ["COMMANDS", "live_files", "logs"]

LOGS = ("stdout.txt", "stderr.txt")
MOST_LINES = 10**7

lines_option = click.option(
    "-l", "--lines", type=click.IntRange(0, MOST_LINES), default=10, show_default=True,
    metavar="N", help="Lines of each file to begin with.",
)  # fmt: skip


@click.command()
@click.argument("task_id", metavar="ID")
@click.argument("files", metavar="FILE…", nargs=-1, required=True)
@lines_option
@click.option("-f", "--follow", is_flag=True, help="Go on until the task ends.")
@json_option
def tail(*, task_id: str, files: tuple[str, ...], lines: int, follow: bool, as_json: bool) -> None:
    """Print the last lines of files, also of a task that runs; with --json a line each."""
    checked = check_task_id(task_id)
    with service() as backend:
        _tail(backend.live, checked, files, _Printer(as_json=as_json), lines=lines, follow=follow)


@click.command()
@click.argument("task_id", metavar="ID")
@click.option("--stdout", "only_out", is_flag=True, help="Only stdout.txt.")
@click.option("--stderr", "only_err", is_flag=True, help="Only stderr.txt.")
@click.option("-w", "--wait", is_flag=True, help="Wait for the task to begin.")
@click.option("--no-color", is_flag=True, help="Without colours.")
@lines_option
@json_option
def logs(  # noqa: PLR0913 - one a command line option
    *,
    task_id: str,
    only_out: bool,
    only_err: bool,
    wait: bool,
    no_color: bool,
    lines: int,
    as_json: bool,
) -> None:
    """Follow the logs of a task until it ends; Ctrl-C stops that, the task continues."""
    checked = check_task_id(task_id)
    chosen = LOGS if only_out == only_err else (LOGS[0] if only_out else LOGS[1],)
    printer = _Printer(as_json=as_json, colour=not no_color)
    with service() as backend:
        _tail(backend.live, checked, chosen, printer, lines=lines, follow=True, wait=wait)


def _tail(  # noqa: PLR0913 - what is read, and how
    live: Live,
    task_id: str,
    files: Sequence[str],
    printer: _Printer,
    *,
    lines: int,
    follow: bool,
    wait: bool = False,
) -> None:
    from inductiva_widgets.live.printing import follow_files

    if not follow:
        for name in files:
            with live.tail(task_id, name, lines=lines) as found:
                printer.show(name, list(found), is_all=True)
        return
    printer.labels = len(files) > 1
    ends = follow_files(live, task_id, files, printer.show, lines=lines, wait=wait)
    for end in list(ends.values())[:1]:
        click.echo(safe_text(end), err=True)


class _Printer:
    """Shows lines: framed in a terminal, plain in a pipe, one JSON object a line with --json."""

    def __init__(self, *, as_json: bool, colour: bool = True) -> None:
        self.labels = False
        self._as_json = as_json
        self._colour = colour
        self._last = ""

    def show(self, name: str, lines: Sequence[str], *, is_all: bool = False) -> None:
        """Prints lines of a file."""
        import sys

        from inductiva_widgets.live.printing import framed, harmless

        if self._as_json:
            for line in lines:
                click.echo(json.dumps({"file": name, "line": line}))
        elif is_terminal(sys.stdout):
            has_colour = self._colour and paint("x", fg="red") != "x"
            if self.labels and name != self._last and not is_all:
                click.echo(safe_text(name) + ":")
            click.echo(framed(lines, name, open_ended=not is_all, colour=has_colour))
        else:
            if self.labels and name != self._last:
                click.echo(f"==> {safe_text(name)} <==")
            for line in lines:
                click.echo(harmless(line))
        sys.stdout.flush()
        self._last = name


# -- one look ------------------------------------------------------------------------------------


@click.command("list-files")
@click.argument("task_id", metavar="ID")
@click.option(
    "-w", "--watch", type=click.FloatRange(0.5), metavar="S", help="Again each S seconds."
)
@json_option
def list_files(*, task_id: str, watch: float | None, as_json: bool) -> None:
    """Draw the files of a running task as a tree."""
    while True:
        live_files(task_id, as_json=as_json)
        if watch is None:
            return
        time.sleep(watch)
        click.echo()


def live_files(task_id: str, *, as_json: bool) -> None:
    """Prints the files of a running task."""
    checked = check_task_id(task_id)
    with service() as backend:
        found = backend.live.list_files(checked)
    if as_json:
        print_json(_plain(found))
    else:
        click.echo(str(found))


def _plain(found: LiveFiles) -> dict[str, object]:
    return {
        "as_of": iso(found.as_of),
        "files": [
            {"name": file.name, "size": file.size, "modified_at": iso(file.modified_at)}
            for file in found.files
        ],
    }


@click.command()
@click.argument("task_id", metavar="ID")
@json_option
def top(*, task_id: str, as_json: bool) -> None:
    """Show the processes on the machine of a running task."""
    from inductiva_widgets.live.printing import harmless

    checked = check_task_id(task_id)
    with service() as backend:
        found = backend.live.top(checked)
    if as_json:
        print_json({"top": found})
    else:
        for line in found.splitlines():
            click.echo(harmless(line))


@click.command("last-modified-file")
@click.argument("task_id", metavar="ID")
@json_option
def last_modified_file(*, task_id: str, as_json: bool) -> None:
    """Show which file a running task wrote last, and when."""
    checked = check_task_id(task_id)
    with service() as backend:
        found = backend.live.last_modified_file(checked)
    if as_json:
        moments = {"modified_at": iso(found.modified_at), "now": iso(found.now)}
        print_json({"name": found.name, **moments, "age_s": found.age_s})
    else:
        click.echo(str(found))


COMMANDS = (tail, list_files, top, last_modified_file)
