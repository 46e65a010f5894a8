"""Tasks as the service lists them: as a list, as a frame, as records."""

from __future__ import annotations

import datetime as dt
import warnings
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, overload

from inductiva_widgets import backend as backends
from inductiva_widgets.api.client import MAX_PAGE
from inductiva_widgets.errors import UserInputError
from inductiva_widgets.formats import text_table
from inductiva_widgets.task import Task
from inductiva_widgets.task.host import views
from inductiva_widgets.tasks import paging, rows
from inductiva_widgets.tasks.choice import (
    Choice,
    check_last_n,
    check_status,
    check_text,
    moment_of,
)
from inductiva_widgets.tasks.chosen import several
from inductiva_widgets.tasks.details import records_by_id, unread_sentence
from inductiva_widgets.tasks.paging import PAGE_LIMIT, Page

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import SupportsIndex

    import pandas as pd

    from inductiva_widgets.api.models import TaskRecord
    from inductiva_widgets.backend import Backend
    from inductiva_widgets.history.frames import Chunk

__all__ = ["TaskList", "fetch_records", "frame", "get"]

SHOWN = 20  # tasks of a list as text


class TaskList(list[Task]):
    """Tasks, newest first. A notebook shows it as a live table; a slice of it is one too.

    Args:
        tasks: What it holds.
        listed: What the service said of them when it listed them, by id.
        as_of: When that was, by the service's clock.
    """

    def __init__(
        self,
        tasks: Iterable[Task] = (),
        *,
        listed: Mapping[str, TaskRecord] | None = None,
        as_of: dt.datetime | None = None,
    ) -> None:
        super().__init__(tasks)
        self.listed = listed or {}
        self.as_of = as_of

    @overload
    def __getitem__(self, place: SupportsIndex) -> Task: ...

    @overload
    def __getitem__(self, place: slice) -> TaskList: ...

    def __getitem__(self, place: SupportsIndex | slice) -> Task | TaskList:
        found = super().__getitem__(place)
        if isinstance(found, Task):
            return found
        return TaskList(found, listed=self.listed, as_of=self.as_of)

    def to_dataframe(self) -> pd.DataFrame:
        """The frame of `tasks.list` for these tasks, as of now: one request each, 16 at a time.

        Ids that are not available are in `attrs["errors"]`.

        Raises:
            UserInputError: The tasks run on several services.
        """
        from inductiva_widgets.history import frames

        owners = list(dict.fromkeys(task.backend for task in self))
        if len(owners) > 1:
            raise UserInputError(
                "These tasks run on several services.", hint="Make a frame for each."
            )
        if not owners:
            now = dt.datetime.now(dt.timezone.utc)
            return frames.task_frame([], now, {"ids": []})
        return _frame_of(owners[0], [task.id for task in self], metadata=False)

    def __repr__(self) -> str:
        """The first tasks as the command line lists them; of what was said of them, no request."""
        if not self:
            return "<no tasks>"
        said = {task.id: self._said_of(task) for task in self[:SHOWN]}
        more = [f"… and {len(self) - SHOWN} more"] if len(self) > SHOWN else []
        if not any(said.values()):
            return f"TaskList of {len(self)}: {', '.join([*said, *more])}"
        now = self.as_of or dt.datetime.now(dt.timezone.utc)
        unknown = (rows.MISSING,) * (len(rows.COLUMNS) - 1)
        lines = [
            rows.row(record, now) if record else (task_id, *unknown)
            for task_id, record in said.items()
        ]
        return "\n".join([text_table(rows.COLUMNS, lines), *more])

    def _said_of(self, task: Task) -> TaskRecord | None:
        """What was said of a task last: when it was listed, or since."""
        seen, listed = task._seen(), self.listed.get(task.id)  # noqa: SLF001 - asks for nothing
        if seen is None or seen.record is None:
            return listed
        is_older = listed is not None and self.as_of is not None and seen.as_of <= self.as_of
        return listed if is_older else seen.record

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:  # noqa: ANN401 - IPython's protocol
        return views().list_bundle(self, **kwargs)


def get(
    last_n: int | None = 10,
    status: str | None = None,
    project: str | None = None,
    *,
    unknown_status: bool = False,
    backend: Backend | None = None,
) -> TaskList:
    """The newest tasks, newest first.

    Args:
        last_n: How many at most; `None` for all.
        status: Only tasks in this state.
        project: Only tasks of this project.
        unknown_status: Whether `status` may be one that this package does not know.
        backend: Where to look; the default backend when not given.

    Raises:
        UserInputError: `last_n` is not a positive number, or the status is unknown.
    """
    chosen = backend or backends.default()
    records = fetch_records(chosen, last_n, status, project, unknown_status=unknown_status)
    return TaskList(
        (Task(record.task_id, backend=chosen) for record in records),
        listed={record.task_id: record for record in records},
        as_of=chosen.client.clock.now(),
    )


def frame(  # noqa: PLR0913 - one a way of choosing
    last_n: int | None = 10,
    status: str | None = None,
    project: str | None = None,
    *,
    since: str | dt.date | dt.timedelta | None = None,
    until: str | dt.date | dt.timedelta | None = None,
    simulator: str | None = None,
    machine_type: str | None = None,
    metadata: bool = False,
    ids: Iterable[str | Task] | pd.DataFrame | None = None,
    unknown_status: bool = False,
    backend: Backend | None = None,
) -> pd.DataFrame:
    """The task history as a frame: one row per task, index `task_id`, newest first.

    Columns and dtypes are always the same. All stamps are UTC; what is not known is NaT or NA.
    `attrs` holds `as_of` (the service's clock), `query`, and where there were any `warnings` and
    `errors` (id → reason).

    Args:
        last_n: How many at most; `None` for all.
        status: Only tasks in this state.
        project: Only tasks of this project.
        since: Only tasks made at this moment or later: a text in ISO 8601, a date (its first
            moment), a datetime, or a timedelta (so long ago). Without a zone it is UTC.
        until: Only tasks made before this moment.
        simulator: Only tasks of this simulator.
        machine_type: Only tasks that ran on this type of machine.
        metadata: Whether the tasks' own notes become columns `metadata.<key>`; the list has them
            already, so this asks for nothing more.
        ids: Exactly these tasks, or those of a frame, in this order, by one request each, 16 at a
            time; `last_n` is ignored then. Ids that are not available are in `attrs["errors"]`.
        unknown_status: Whether `status` may be one that this package does not know.
        backend: Where to look; the default backend when not given.

    Raises:
        UserInputError: An argument is invalid; nothing was sent.
    """
    choice = _choice(last_n, status, project, since, until, simulator, machine_type, unknown_status)
    if ids is not None and (status or project or choice.is_ours):
        raise UserInputError(
            "ids names the tasks; status, project, since and the like choose them: give one.",
            hint="Filter the frame: df[df['status'] == 'success'].",
        )
    wanted = None if ids is None else _ids(ids)
    chosen = backend or backends.default()
    if wanted is not None:
        return _frame_of(chosen, wanted, metadata=metadata)
    return _listed_frame(chosen, choice, metadata=metadata)


def _choice(  # noqa: PLR0913, PLR0917 - one a way of choosing
    last_n: int | None,
    status: str | None,
    project: str | None,
    since: object,
    until: object,
    simulator: str | None,
    machine_type: str | None,
    unknown_status: bool,  # noqa: FBT001 - passed through as given
) -> Choice:
    check_last_n(last_n)
    _check_status(status, unknown_status=unknown_status)
    texts = {"project": project, "simulator": simulator, "machine_type": machine_type}
    for name, value in texts.items():
        check_text(name, value)
    begin, end = moment_of("since", since), moment_of("until", until)
    if begin and end and begin >= end:
        raise UserInputError("since is not before until: no task can lie between them.")
    return Choice(last_n, status, project, begin, end, simulator, machine_type)


def _ids(tasks: object) -> list[str]:
    """Ids, each once; invalid ones are reported in `errors`."""
    if not isinstance(tasks, Iterable):
        raise UserInputError(f"ids is a list of ids or tasks, not {type(tasks).__name__}.")
    named = several(tasks)
    return [*dict.fromkeys(one.id if isinstance(one, Task) else str(one) for one in named)]


def _check_status(status: object, *, unknown_status: bool) -> None:
    if not unknown_status or not isinstance(status, str) or not status:
        check_status(status)


def _listed_frame(backend: Backend, choice: Choice, *, metadata: bool) -> pd.DataFrame:
    from inductiva_widgets.history import frames

    def ask(number: int, per_page: int) -> Page[Chunk]:
        lost: list[str] = []
        page = backend.client.task_rows(
            page=number,
            per_page=per_page,
            status=choice.status,
            project=choice.project,
            lost=lost,
        )
        rows = [row for row in page.tasks if row.task_id]
        lost.extend(["task_id"] * (len(page.tasks) - len(rows)))
        chunk = frames.chunk_of(rows, metadata=metadata, lost=lost)
        return Page(page.total_size, chunk.ids, len(page.tasks), chunk)

    # What is left out here makes room for older tasks: then the number of pages is not known.
    wanted = None if choice.is_ours else choice.last_n
    per_page = MAX_PAGE if wanted is None else min(MAX_PAGE, wanted)
    stop = _Enough(choice)
    pages = paging.read(ask, per_page, wanted, stop, page_limit=PAGE_LIMIT)
    chunks = [page.content for page in pages]
    query = {**choice.query(), "backend": backend.name}
    mask = choice.mask if choice.is_ours else None
    now = backend.client.clock.now()
    found = frames.join(chunks, now, query, choose=mask, limit=choice.last_n)
    _warn(found, _lost_cells(chunks))
    return found


class _Enough:
    """Whether the pages so far hold all that is requested; called with each page in order."""

    def __init__(self, choice: Choice) -> None:
        self._choice = choice
        self._found = 0

    def __call__(self, page: Page[Chunk]) -> bool:
        from inductiva_widgets.history import frames

        choice = self._choice
        if not choice.is_ours:
            return False
        columns = frames.peek(page.content)
        self._found += int(choice.mask(columns).sum())
        oldest = columns["created_at"].min()
        # The list is in the order of `created_at`, newest first.
        too_old = choice.since is not None and len(columns) > 0 and oldest < choice.since
        return too_old or (choice.last_n is not None and self._found >= choice.last_n)


def _frame_of(backend: Backend, ids: list[str], *, metadata: bool) -> pd.DataFrame:
    """The frame of some tasks by their ids, with the reasons why others are not in it."""
    from inductiva_widgets.history import frames

    records, errors = records_by_id(backend, ids)
    chunk = frames.chunk_of(records, metadata=metadata)
    query = {"ids": ids, "backend": backend.name}
    found = frames.join([chunk], backend.client.clock.now(), query)
    sentences = _lost_cells([chunk])
    if errors:
        found.attrs["errors"] = errors
        sentences.append(unread_sentence(errors, len(ids)))
    _warn(found, sentences)
    return found


def _lost_cells(chunks: list[Chunk]) -> list[str]:
    counts = Counter(name for chunk in chunks for name in chunk.lost)
    if not counts:
        return []
    named = ", ".join(f"{name} ({number})" for name, number in counts.most_common(5))
    return [f"{counts.total()} cells of the task list could not be read and are empty: {named}."]


def _warn(found: pd.DataFrame, sentences: list[str]) -> None:
    if sentences:
        found.attrs["warnings"] = sentences
    for sentence in sentences:
        warnings.warn(sentence, stacklevel=4)


def fetch_records(
    backend: Backend,
    last_n: int | None,
    status: str | None,
    project: str | None,
    *,
    unknown_status: bool = False,
) -> list[TaskRecord]:
    """Records of the newest tasks, each id once, however tasks arrive meanwhile."""
    check_last_n(last_n)
    _check_status(status, unknown_status=unknown_status)
    check_text("project", project)

    def ask(number: int, per_page: int) -> Page[list[TaskRecord]]:
        page = backend.client.tasks(page=number, per_page=per_page, status=status, project=project)
        records = [record for record in page.tasks if record.task_id]
        ids = [record.task_id for record in records]
        return Page(page.total_size, ids, len(page.tasks), records)

    per_page = MAX_PAGE if last_n is None else min(MAX_PAGE, last_n)
    found: dict[str, Any] = {}
    for page in paging.read(ask, per_page, last_n, page_limit=PAGE_LIMIT):
        for record in page.content:
            found.setdefault(record.task_id, record)
    return [*found.values()][:last_n]
