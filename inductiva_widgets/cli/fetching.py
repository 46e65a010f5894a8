"""Commands about files: `tasks download`, `check`."""

from __future__ import annotations

import contextlib
import re
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inductiva_widgets.cli.console import (
    byte_bar,
    complain,
    follow,
    json_option,
    print_json,
    service,
)
from inductiva_widgets.cli.listing import tasks_of
from inductiva_widgets.errors import InductivaWidgetsError, NotFoundError, UserInputError
from inductiva_widgets.formats import counted, file_size, safe_text, short_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from inductiva_widgets.backend import Backend
    from inductiva_widgets.outputs.download import Download
    from inductiva_widgets.outputs.engine import Outputs
    from inductiva_widgets.task import Task

__all__ = ["COMMANDS", "split_names"]

_ID = re.compile(r"[a-z0-9]{25}|\d{15,}")  # what the service makes, now and formerly


# -- download ------------------------------------------------------------------------------------


@click.command()
@click.argument("words", metavar="ID… [FILE…]", nargs=-1, required=True)
@click.option("-f", "--filenames", "names", multiple=True, metavar="FILE", help="May be repeated.")
@click.option("--dir", "root", metavar="DIR", help="Root: files go to DIR/ID/outputs/.")
@click.option("--to", "target", metavar="DIR", help="Files of the one task go straight to DIR.")
@click.option("-i", "--inputs", is_flag=True, help="What the tasks were given, to DIR/ID/inputs/.")
@click.option("--zip", "as_zip", is_flag=True, help="Keep the whole archive as output.zip.")
@click.option(
    "--overwrite",
    type=click.Choice(["error", "skip", "replace", "rename"]),
    default="error",
    show_default=True,
    help="What to do with existing files of other content.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be fetched, and fetch nothing.")
@json_option
def download(  # noqa: PLR0913 - one a command line option
    *,
    words: tuple[str, ...],
    names: tuple[str, ...],
    root: str | None,
    target: str | None,
    inputs: bool,
    as_zip: bool,
    overwrite: str,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Download output files: all, or the names, folders and globs given after the IDs.

    The first word is an ID, and so are those after it that look like one (25 letters and digits);
    all others are FILEs. With --filenames all words are IDs. Quote globs: 'vtk/*.vtk'.
    """
    ids, filenames = split_names(words, names)
    if target is not None and (len(ids) > 1 or root is not None):
        raise click.UsageError("--to is for one task, and instead of --dir.")
    if as_zip and filenames:
        raise click.UsageError("--zip keeps the archive as a whole: name no FILEs.")
    _refuse_empty(root, target)
    how = {"filenames": filenames, "uncompress": not as_zip, "overwrite": overwrite}
    order = _Order("inputs" if inputs else "outputs", root, target, how)
    with service() as backend:
        tasks = _tasks(backend, ids)
        if dry_run:
            results = [_rehearse(task, order, quiet=as_json) for task in tasks]
        elif len(tasks) == 1:
            results = [_download(tasks[0], order, quiet=as_json)]
        else:
            results = _Several(tasks, order, quiet=as_json).run()
    if as_json:
        print_json(results)
    return int(any(result["error"] for result in results))


@dataclass(frozen=True)
class _Order:
    """What is fetched of each task, and where to."""

    kind: str  # inputs, outputs
    root: str | None
    target: str | None
    how: dict[str, Any]

    def folder(self, task: Task) -> Path:
        """Where the files of one task go."""
        if self.target is not None:
            return Path(self.target).expanduser().absolute()
        root = task.backend.config.output_dir if self.root is None else Path(self.root).expanduser()
        return (root / task.id / self.kind).absolute()

    def archive(self, task: Task) -> Outputs:
        """Where they come from."""
        from inductiva_widgets.task.files import inputs_of, outputs_of

        return inputs_of(task) if self.kind == "inputs" else outputs_of(task)


def _tasks(backend: Backend, ids: Sequence[str]) -> list[Task]:
    from inductiva_widgets.task import Task

    return [Task(task_id, backend=backend) for task_id in ids]


def _refuse_empty(*folders: str | None) -> None:
    if any(folder is not None and not folder.strip() for folder in folders):
        raise UserInputError("The output folder is empty.", hint="Leave it out, or name it.")


def split_names(words: Sequence[str], names: Sequence[str]) -> tuple[list[str], list[str] | None]:
    """Ids and file names of a command line; `None` for all files.

    Raises:
        UserInputError: An id is none, or a name that no output can have.
    """
    from inductiva_widgets.outputs.listing import check_filenames

    count = len(words)
    if not names:
        count = 1
        while count < len(words) and _ID.fullmatch(words[count]):
            count += 1
    filenames = [*words[count:], *names]
    return tasks_of(words[:count]), check_filenames(filenames) if filenames else None


def _download(
    task: Task,
    order: _Order,
    *,
    quiet: bool,
    follow: Callable[[Download, str], None] = follow,
    output: Callable[[Callable[[], None]], None] = lambda show: show(),
) -> dict[str, Any]:
    """Downloads files of one task, and prints the outcome.

    Args:
        task: The task.
        order: What, and where to.
        quiet: Whether to print failures only.
        follow: Waits for the download.
        output: Calls what prints, when printing is possible.
    """
    result: dict[str, Any] = {
        "task_id": task.id,
        "path": None,
        "files": 0,
        "bytes": 0,
        "missing": [],
        "error": None,
    }
    place = order.folder(task)
    output(lambda: click.echo(f"Downloading to {safe_text(place, 4096)}", err=True))
    try:
        begun = order.archive(task).start_download(place, **order.how)
        try:
            follow(begun, short_id(task.id))
        finally:
            delivered = [file for file in begun.files if file.state in ("verified", "skipped")]
            result["path"] = str(begun.path) if delivered else None
            result["files"] = len(delivered)
            result["bytes"] = sum(file.size for file in delivered)
    except KeyboardInterrupt:
        click.echo("Stopped: the same command goes on from here.", err=True)
        raise
    except NotFoundError as error:
        result["missing"] = list(error.missing)
        result["error"] = str(_why_missing(task, order.kind, error))
    except InductivaWidgetsError as error:
        result["error"] = str(error)
    output(lambda: _show_result(result, quiet=quiet))
    return result


def _show_result(result: Mapping[str, Any], *, quiet: bool) -> None:
    if result["error"]:
        complain(result["error"], result["task_id"])
    elif not quiet:
        click.echo(
            f"Downloaded {counted(result['files'], 'file')} ({file_size(result['bytes'])}) of task"
            f" {result['task_id']} to {safe_text(result['path'], 4096)}"
        )


class _Several:
    """Downloads of several tasks at the same time.

    The main thread alone prints, so that lines and bar do not break one another.
    """

    def __init__(self, tasks: Sequence[Task], order: _Order, *, quiet: bool) -> None:
        from inductiva_widgets.tasks.downloading import SideBySide

        self._tasks = tasks
        self._together = SideBySide(tasks)
        how = {**order.how, "connections": self._together.connections}
        self._order = replace(order, how=how)
        self._quiet = quiet
        self._results: dict[str, dict[str, Any]] = {}
        self._to_show: deque[Callable[[], None]] = deque()

    def run(self) -> list[dict[str, Any]]:
        with byte_bar(f"{len(self._tasks)} tasks") as bar:
            try:
                self._together.each(self._one, lambda: self._look(bar))
            except KeyboardInterrupt:
                self._look(bar)
                done = sum(not one["error"] for one in [*self._results.values()])
                click.echo(
                    f"Stopped: {done} of {len(self._tasks)} tasks are complete; "
                    "the same command goes on with the rest.",
                    err=True,
                )
                raise
        return [self._results[task.id] for task in self._tasks]

    def _one(self, task: Task) -> None:
        self._results[task.id] = _download(
            task,
            self._order,
            quiet=self._quiet,
            follow=lambda download, _label: self._together.follow(download),
            output=self._to_show.append,
        )

    def _look(self, bar: Any) -> None:  # noqa: ANN401 - a tqdm, or None
        with contextlib.nullcontext() if bar is None else bar.external_write_mode():
            while self._to_show:
                self._to_show.popleft()()
        if bar is None:
            return
        now = self._together.standing()
        bar.total = now.bytes
        bar.update(now.bytes_done - bar.n)


def _rehearse(task: Task, order: _Order, *, quiet: bool) -> dict[str, Any]:
    result: dict[str, Any] = {"task_id": task.id, "error": None}
    try:
        plan = order.archive(task).plan_download(order.folder(task), **order.how)
    except InductivaWidgetsError as error:
        result["error"] = str(_why_missing(task, order.kind, error))
        complain(result["error"], task.id)
        return result
    if not quiet:
        click.echo(str(plan))
    if not plan.is_clear:
        result["error"] = "Not everything asked for would be delivered."
        complain(result["error"], task.id)
    return {**result, **plan.to_dict()}


def _why_missing(task: Task, kind: str, error: InductivaWidgetsError) -> InductivaWidgetsError:
    """A missing archive as what it means for the task."""
    from inductiva_widgets.tasks.downloading import of_task

    return error if kind == "inputs" else of_task(task, error)


# -- check ---------------------------------------------------------------------------------------


@click.command()
@click.argument("ids", metavar="ID…", nargs=-1, required=True)
@click.option("--dir", "root", metavar="DIR", help="Root: looks at DIR/ID/outputs/.")
@click.option("--to", "target", metavar="DIR", help="Looks at DIR itself, for the one task.")
@json_option
def check(*, ids: tuple[str, ...], root: str | None, target: str | None, as_json: bool) -> int:
    """Compare local folders with the outputs: missing, different and extra files.

    By size and CRC-32; no file is fetched. Fails unless everything of the archives is there.
    """
    wanted = tasks_of(ids)
    if target is not None and (len(wanted) > 1 or root is not None):
        raise click.UsageError("--to is for one task, and instead of --dir.")
    _refuse_empty(root, target)
    order = _Order("outputs", root, target, {})
    results: list[dict[str, Any]] = []
    is_complete = True
    with service() as backend:
        for task in _tasks(backend, wanted):
            try:
                report = task.check(order.folder(task))
            except InductivaWidgetsError as error:
                complain(error, task.id)
                results.append({"task_id": task.id, "error": str(error)})
                is_complete = False
                continue
            results.append({"task_id": task.id, "error": None, **report.to_dict()})
            is_complete = is_complete and report.is_complete
            if not as_json:
                click.echo(str(report))
    if as_json:
        print_json(results)
    return int(not is_complete)


COMMANDS = (download, check)
