"""Results of an operation on many tasks, by task id, and why some are missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Generic, TypeVar

from inductiva_widgets.formats import safe_text

if TYPE_CHECKING:
    from inductiva_widgets.errors import InductivaWidgetsError

__all__ = ["ByTask", "why_not"]

R = TypeVar("R")


class ByTask(Mapping[str, R], Generic[R]):
    """Results by task id, in the order of the tasks."""

    def __init__(self, results: Mapping[str, R]) -> None:
        self._results = dict(results)

    def __getitem__(self, task_id: str) -> R:
        return self._results[task_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._results)

    def __len__(self) -> int:
        return len(self._results)

    def __repr__(self) -> str:
        return str(self)


def why_not(error: InductivaWidgetsError) -> str:
    """Why a task has no result: a sentence that begins with the kind of error."""
    return f"{type(error).__name__}: {safe_text(error, 1000)}"
