"""Commands that show tasks: `tasks list`, `info`, `files`, `wait`."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import click

from inductiva_widgets.cli.console import (
    complain,
    json_option,
    paint,
    print_json,
    print_table,
    service,
)
from inductiva_widgets.cli.live import live_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from inductiva_widgets.api.models import TaskRecord
    from inductiva_widgets.backend import Backend
    from inductiva_widgets.errors import InductivaWidgetsError

__all__ = ["COMMANDS", "records_of", "status_option", "tasks_of"]

WAIT_POLL_S = 0.2


def _statuses(_context: object, _option: object, begun: str) -> list[str]:
    from inductiva_widgets.api.models import STATUSES

    return [status for status in STATUSES if status.startswith(begun)]


status_option = click.option(
    "-s",
    "--status",
    metavar="STATUS",
    shell_complete=_statuses,
    help="Only tasks in this state, such as success or computation-started.",
)


@click.command("list")
@click.option(
    "-n", "--last-n", type=click.IntRange(1), metavar="N", default=10, show_default=True,
    help="How many at most.",
)  # fmt: skip
@click.option("-a", "--all", "all_tasks", is_flag=True, help="All tasks.")
@click.option("-i", "--id", "ids", multiple=True, metavar="ID", help="This task; may be repeated.")
@click.option("-p", "--project-name", "--project", "project", help="Only tasks of this project.")
@status_option
@click.option("--unknown-status", is_flag=True, help="Accept a STATUS that is not known here.")
@json_option
def list_(  # noqa: PLR0913 - one a command line option
    *,
    last_n: int,
    all_tasks: bool,
    ids: tuple[str, ...],
    project: str | None,
    status: str | None,
    unknown_status: bool,
    as_json: bool,
) -> int:
    """List tasks, newest first. A * marks a time that still grows."""
    from inductiva_widgets.tasks.listing import fetch_records
    from inductiva_widgets.tasks.rows import COLUMNS, row

    if ids and (all_tasks or project or status):
        raise click.UsageError("--id names the tasks; --all, --project and --status choose them.")
    with service() as backend:
        if ids:
            records, errors = records_of(backend, ids)
        else:
            count = None if all_tasks else last_n
            records = fetch_records(backend, count, status, project, unknown_status=unknown_status)
            errors = {}
        now = backend.client.clock.now()
    if as_json:
        print_json([_plain(record) for record in records])
    elif records:
        print_table(COLUMNS, [row(record, now) for record in records], _colour)
    elif not errors:
        click.echo("No tasks found.")
    return int(bool(errors))


def _colour(column: str, cell: str) -> str:
    return paint(cell, fg="green") if column == "STATUS" and cell == "Success" else cell


def _plain(record: TaskRecord) -> Any:  # noqa: ANN401 - JSON
    """The record under the names of the REST contract; its history is in `info`."""
    import msgspec

    value = msgspec.to_builtins(record)
    for name in ("status_history", "machine_operations", "steps"):
        del value[name]
    return value


def tasks_of(ids: Iterable[str]) -> list[str]:
    """The ids, checked, each once.

    Raises:
        UserInputError: One is not an id; nothing was sent.
    """
    from inductiva_widgets.api.client import check_task_id

    return list(dict.fromkeys(check_task_id(task_id) for task_id in ids))


def records_of(backend: Backend, ids: Iterable[str]) -> tuple[list[TaskRecord], dict[str, str]]:
    """Records of the tasks, and why others are not available, which is printed as well.

    Raises:
        InductivaWidgetsError: What concerns all tasks alike: no connection, a refused key.
    """
    from inductiva_widgets.tasks.details import records_by_id

    records, errors = records_by_id(backend, tasks_of(ids))
    for task_id, error in errors.items():
        complain(error, task_id)
    return records, errors


@click.command()
@click.argument("task_id", metavar="ID")
@json_option
def info(*, task_id: str, as_json: bool) -> None:
    """Show everything about a task: its phases, commands, sizes and costs."""
    from inductiva_widgets.cli.summary import summary

    (checked,) = tasks_of([task_id])
    with service() as backend:
        if as_json:
            print_json(backend.client.task_dict(checked))
        else:
            click.echo(summary(backend.client.task(checked), backend.client.clock.now()))


@click.command()
@click.argument("task_id", metavar="ID")
@click.option("--live", is_flag=True, help="Of a running task, as they are now.")
@json_option
def files(*, task_id: str, live: bool, as_json: bool) -> None:
    """List the output files of a task with their sizes."""
    from inductiva_widgets.task import Task

    if live:
        live_files(task_id, as_json=as_json)
        return
    with service() as backend:
        outputs = Task(task_id, backend=backend).get_output_info()
    if as_json:
        contents = [
            {"name": one.name, "size": one.size, "compressed_size": one.compressed_size}
            for one in outputs.contents
        ]
        print_json({"size": outputs.size, "contents": contents})
    else:
        click.echo(str(outputs))
    if outputs.difference:
        click.echo(outputs.difference, err=True)


@click.command()
@click.argument("ids", metavar="ID…", nargs=-1, required=True)
@click.option("--timeout", type=click.FloatRange(min=0), metavar="S", help="Seconds to wait.")
@json_option
def wait(*, ids: tuple[str, ...], timeout: float | None, as_json: bool) -> int:
    """Wait until tasks have ended; fails unless all end in success. Ctrl-C kills nothing."""
    wanted = tasks_of(ids)
    with service() as backend:
        try:
            errors = _wait(backend, wanted, timeout, quiet=as_json)
        except KeyboardInterrupt:
            click.echo("Stopped waiting; the tasks go on.", err=True)
            raise
        ends = [_end(backend, task_id, errors.get(task_id)) for task_id in wanted]
    if as_json:
        print_json(ends)
    for end in ends:
        if end["error"]:
            complain(end["error"], str(end["task_id"]))
    return int(any(end["status"] != "success" for end in ends))


def _wait(
    backend: Backend, ids: Sequence[str], timeout: float | None, *, quiet: bool
) -> dict[str, InductivaWidgetsError]:
    """Waits for all; returns why some cannot be waited for, by task id."""
    from inductiva_widgets.ending import StatusLines
    from inductiva_widgets.task import Task
    from inductiva_widgets.tasks.endings import Endings

    until = None if timeout is None else time.monotonic() + timeout
    with contextlib.ExitStack() as stack:
        with backend.watcher.together():
            endings = stack.enter_context(Endings([Task(i, backend=backend) for i in ids]))
            for task_id in () if quiet else ids:
                lines = StatusLines(click.echo, task_id)
                watched = backend.watcher.watch(task_id, lines, is_brief=True)
                stack.callback(watched.close)
        while endings.left:
            endings.next(WAIT_POLL_S)
            if until is not None and time.monotonic() >= until:
                break
    return endings.errors


def _end(
    backend: Backend, task_id: str, error: InductivaWidgetsError | None
) -> dict[str, str | None]:
    seen = backend.watcher.latest(task_id)
    record = seen.record if seen else None
    text: str | None = None
    if error is not None:
        text = str(error)
    elif record is None or not record.is_terminated:
        text = "It did not end in time; it goes on."
    elif record.status != "success":
        text = f"It ended as {record.alias}. {record.error_detail or ''}".rstrip()
    return {"task_id": task_id, "status": record.status if record else None, "error": text}


COMMANDS = (list_, info, files, wait)
