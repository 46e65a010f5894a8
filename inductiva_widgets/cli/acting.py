"""Commands that act on tasks: `tasks kill`, `submit`, `resubmit`."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

from inductiva_widgets.cli.console import (
    complain,
    confirm,
    json_option,
    print_json,
    service,
    yes_option,
)
from inductiva_widgets.cli.listing import records_of, status_option, tasks_of
from inductiva_widgets.errors import InductivaWidgetsError
from inductiva_widgets.formats import safe_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inductiva_widgets.api.models import TaskRecord
    from inductiva_widgets.backend import Backend
    from inductiva_widgets.submit import DryRun
    from inductiva_widgets.task import Task

__all__ = ["COMMANDS"]

LISTED_IDS = 20  # more are counted, not listed


# -- kill ----------------------------------------------------------------------------------------


@click.command()
@click.argument("ids", metavar="ID…", nargs=-1)
@click.option("--all", "all_tasks", is_flag=True, help="All tasks that have not ended.")
@status_option
@click.option(
    "-w",
    "--wait-timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="S",
    help="Seconds to wait for the confirmation; without it the request is only sent.",
)
@yes_option
@json_option
def kill(  # noqa: PLR0913 - one a command line option
    *,
    ids: tuple[str, ...],
    all_tasks: bool,
    status: str | None,
    wait_timeout: float | None,
    yes: bool,
    as_json: bool,
) -> int:
    """Kill tasks (cancel them). Asks before, and refuses when there is nobody to ask."""
    if sum(map(bool, (ids, all_tasks, status))) != 1:
        raise click.UsageError("Give IDs, or --all, or --status.")
    report = _Report(prints=not as_json, waits=wait_timeout is not None)
    wanted = tasks_of(ids)
    with service() as backend:
        records = _looked_up(backend, wanted, report) if ids else _killable(backend, status)
        alive = [record.task_id for record in records if not record.is_terminated]
        agreed = not alive or confirm(
            _question(alive), yes=yes, err=as_json, otherwise="no task was killed"
        )
        for record in records:
            if record.is_terminated:
                report.note(record.task_id, "already-ended", f"as {record.alias}")
        if agreed:
            _kill(backend, alive, wait_timeout, report)
    for task_id in [] if agreed else alive:
        report.note(task_id, "not-asked")
    if as_json:
        order = wanted or [record.task_id for record in records]
        print_json([{"task_id": i, **report.outcomes[i]} for i in order])
    elif not (report.outcomes and agreed):
        click.echo("No task was killed." if alive else "There are no tasks to kill.")
    return int(report.is_bad)


def _looked_up(backend: Backend, ids: Sequence[str], report: _Report) -> list[TaskRecord]:
    """The tasks as they are now; those that are not available are printed and noted."""
    records, errors = records_of(backend, ids)
    for task_id, error in errors.items():
        report.note(task_id, "failed", error, printed=True)
    return records


def _killable(backend: Backend, status: str | None) -> list[TaskRecord]:
    """Tasks in a state, or in any from which one can be killed; the list may lag behind."""
    from inductiva_widgets.api.client import MAX_PAGE
    from inductiva_widgets.api.models import STATUSES
    from inductiva_widgets.tasks.listing import fetch_records

    states = [status] if status else [code for code, about in STATUSES.items() if about.killable]
    found = {
        record.task_id: record
        for state in states
        for record in fetch_records(backend, None, state, None)
    }
    if status is None:  # states that are new to this package end with `--all` as well
        newest = fetch_records(backend, MAX_PAGE, None, None)
        found.update((r.task_id, r) for r in newest if r.status not in STATUSES)
    return list(found.values())


def _question(ids: Sequence[str]) -> list[str]:
    if len(ids) > LISTED_IDS:
        return [f"You are about to kill {len(ids)} tasks."]
    return ["You are about to kill the following tasks:", *(f"  - {i}" for i in ids)]


def _kill(
    backend: Backend, ids: Sequence[str], wait_timeout: float | None, report: _Report
) -> None:
    """One true outcome a task: all requests first, then one wait for all of them."""
    from inductiva_widgets.task import Task
    from inductiva_widgets.tasks.killing import kill_each

    def note(task_id: str, result: object) -> None:
        is_error = isinstance(result, InductivaWidgetsError)
        word = "failed" if is_error else str(result)
        report.note(task_id, word, str(result) if is_error else "")

    kill_each([Task(i, backend=backend) for i in ids], wait_timeout, note, looks_first=False)


class _Report:
    """The outcome of each task, printed as it happens: Ctrl-C must not hide what was done."""

    def __init__(self, *, prints: bool, waits: bool) -> None:
        self.outcomes: dict[str, dict[str, str]] = {}
        self._prints = prints
        self._waits = waits

    @property
    def is_bad(self) -> bool:
        """Whether a task may still run that should not."""
        bad = {"failed", "not-asked"} | ({"pending"} if self._waits else set())
        return any(one["outcome"] in bad for one in self.outcomes.values())

    def note(self, task_id: str, word: str, detail: str = "", *, printed: bool = False) -> None:
        """Notes an outcome, and prints it unless that was done already."""
        self.outcomes[task_id] = {"outcome": word, "detail": detail}
        if word == "failed" and not printed:
            complain(detail, task_id)
        elif self._prints and word != "failed":
            self._print(task_id, word, detail)

    def _print(self, task_id: str, word: str, detail: str) -> None:
        ended = f" {safe_text(detail)}" if detail else ""
        if word == "already-ended":
            click.echo(f"Task {task_id} had already ended{ended}: nothing to kill.")
        elif word == "pending" and self._waits:
            click.echo(f"Sent kill request for task {task_id}; it has not ended yet.")
        elif word == "killed" and self._waits:
            click.echo(f"Successfully killed task {task_id}.")
        elif word in ("killed", "pending"):
            click.echo(f"Successfully sent kill request for task {task_id}.")


# -- submit, resubmit ----------------------------------------------------------------------------

_OPTIONS = (
    click.option("--simulator", help="Name to show in lists."),
    click.option("--machine-group", metavar="NAME", help="Group of machines."),
    click.option("--container-image", metavar="IMAGE", help="docker://… or inductiva://…"),
    click.option("--project", help="Project to file it under."),
    click.option("--time-to-live", "time_to_live_s", type=float, metavar="S", help="Time limit."),
    click.option("--dry-run", is_flag=True, help="Show what would be sent, and send nothing."),
    json_option,
)


def _submission_options(command: Callable[..., None]) -> Callable[..., None]:
    """What both commands take."""
    return functools.reduce(lambda made, option: option(made), reversed(_OPTIONS), command)


@click.command()
@click.argument("commands", metavar="COMMAND…", nargs=-1, required=True)
@click.option("--input-dir", metavar="DIR", help="Folder whose files the task starts with.")
@_submission_options
def submit(*, commands: tuple[str, ...], as_json: bool, **options: Any) -> None:  # noqa: ANN401 - click's
    """Submit a task: the COMMANDs, each in quotes, run in order in the folder of the inputs."""
    from inductiva_widgets.tasks import submit as send

    with service() as backend:
        made = send(commands, **_named(options), backend=backend)
    _show_submission(made, {}, "", as_json=as_json)


@click.command()
@click.argument("task_id", metavar="ID")
@click.option("--command", "commands", multiple=True, help="Instead of its; may be repeated.")
@click.option("--input-dir", metavar="DIR", help="Instead of its inputs.")
@_submission_options
def resubmit(*, task_id: str, as_json: bool, **options: Any) -> None:  # noqa: ANN401 - click's
    """Submit a task again: same inputs, commands, image and group but for the options named."""
    from inductiva_widgets.task import Task

    with service() as backend:
        made = Task(task_id, backend=backend).resubmit(**_named(options))
    again = f", which is task {task_id} again"
    _show_submission(made, {"resubmitted_from": task_id}, again, as_json=as_json)


def _named(options: dict[str, Any]) -> dict[str, Any]:
    """The options that were given; 0 is a value, to be refused where it makes no sense."""
    return {
        name: value
        for name, value in options.items()
        if value is not None and value is not False and value != ()
    }


def _show_submission(
    made: Task | DryRun, more: dict[str, str], words: str, *, as_json: bool
) -> None:
    from inductiva_widgets.task import Task

    if isinstance(made, Task):
        result = {"task_id": made.id, **more}
        text = f"Submitted task {made.id}{words}."
    else:
        result, text = made.to_dict(), str(made)
    if as_json:
        print_json(result)
    else:
        click.echo(text)


COMMANDS = (submit, kill, resubmit)
