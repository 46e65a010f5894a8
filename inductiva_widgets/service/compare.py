"""Two tasks side by side: their facts, and their inputs by name and content."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec

from inductiva_widgets.api.client import check_task_id
from inductiva_widgets.errors import InductivaWidgetsError, NotFoundError, UserInputError
from inductiva_widgets.formats import safe_text
from inductiva_widgets.service.protocol import ComparedInputs, InputDifference, TaskComparison
from inductiva_widgets.service.summaries import service_error
from inductiva_widgets.service.tasks import state_of
from inductiva_widgets.submit import inputs_missing
from inductiva_widgets.task import Task
from inductiva_widgets.task.files import inputs_of

if TYPE_CHECKING:
    from inductiva_widgets.backend import Backend
    from inductiva_widgets.service.details import DetailCommands
    from inductiva_widgets.service.protocol import TaskDetails, TaskSummary

__all__ = ["CompareCommands"]

MOST_DIFFERENCES = 200  # files named; the rest is counted
LONGEST_NAME = 300

Files = dict[str, tuple[int, int]]  # name → size and CRC-32


class CompareCommands:
    """Compares two tasks of one backend.

    Args:
        backend: Where the tasks run.
        details: Gives commands, machine and notes of each.
    """

    def __init__(self, backend: Backend, details: DetailCommands) -> None:
        self._backend = backend
        self._details = details

    def compare(self, params: dict[str, Any]) -> dict[str, Any]:
        """Summary and details of both tasks, and how their inputs differ.

        Of the inputs only the directories of the archives are read, by range. When one cannot be
        read, `inputs` states why, and the rest is there all the same.

        Raises:
            UserInputError: `task_ids` are not two different ids.
            InductivaWidgetsError: One of the tasks is not known, or the service does not answer.
        """
        ids = _two_ids(params.get("task_ids"))
        # As quick as one task: each side is three requests, one after the other.
        with ThreadPoolExecutor(2, thread_name_prefix="inductiva-compare") as pool:
            facts = list(pool.map(self._facts, ids))
            inputs = list(pool.map(self._inputs, ids))
        comparison: dict[str, Any] = msgspec.to_builtins(
            TaskComparison(
                tasks=[task for task, _ in facts],
                details=[details for _, details in facts],
                inputs=_compared(*inputs),
            )
        )
        return comparison

    def _facts(self, task_id: str) -> tuple[TaskSummary, TaskDetails]:
        return state_of(self._backend, task_id), self._details.of(task_id)

    def _inputs(self, task_id: str) -> Files | InductivaWidgetsError:
        try:
            listing = inputs_of(Task(task_id, backend=self._backend)).directory()
        except NotFoundError:
            return inputs_missing(task_id)
        except InductivaWidgetsError as error:
            return error
        crcs = (listing.directory.crcs[member] for member in listing.members)
        return dict(zip(listing.names, zip(listing.sizes, crcs, strict=True), strict=True))


def _compared(
    one: Files | InductivaWidgetsError, other: Files | InductivaWidgetsError
) -> ComparedInputs:
    if isinstance(one, InductivaWidgetsError):
        return ComparedInputs(error=service_error(one))
    if isinstance(other, InductivaWidgetsError):
        return ComparedInputs(error=service_error(other))
    names = sorted({*one, *other})
    differing = [name for name in names if one.get(name) != other.get(name)]
    return ComparedInputs(
        same=len(names) - len(differing),
        differences=[
            InputDifference(safe_text(name, LONGEST_NAME), [_size(one, name), _size(other, name)])
            for name in differing[:MOST_DIFFERENCES]
        ],
        left_out=max(0, len(differing) - MOST_DIFFERENCES),
    )


def _size(files: Files, name: str) -> int | None:
    found = files.get(name)
    return None if found is None else found[0]


def _two_ids(given: object) -> list[str]:
    ids = list(dict.fromkeys(map(check_task_id, given))) if isinstance(given, list) else []
    if len(ids) != 2:
        raise UserInputError("task_ids must be two different ids.")
    return ids
