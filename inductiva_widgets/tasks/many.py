"""Acts on many tasks at once: wait for them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from inductiva_widgets.task import Task

__all__ = ["wait_all"]


def wait_all(tasks: Iterable[Task], timeout: float | None = None) -> list[str]:
    """Waits until all tasks have ended; their statuses in the order given.

    Raises:
        WaitTimeoutError: Not all ended within `timeout` seconds.
    """
    end = None if timeout is None else time.monotonic() + timeout
    return [task.wait(None if end is None else max(0.0, end - time.monotonic())) for task in tasks]
