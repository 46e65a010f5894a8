"""Waiting for a condition, the only way in which tests wait."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

DEADLINE_S = 20.0  # against hangs only: no test is about this figure


def wait_until(condition: Callable[[], Any], deadline_s: float = DEADLINE_S) -> Any:
    """First true value of the condition, asked every few milliseconds."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"not within {deadline_s:g} s")
