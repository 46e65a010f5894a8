"""The progress line of a cell that waits for many tasks."""

from __future__ import annotations

import time
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CellLine", "PrintedLine"]

SHOWN_EVERY_S = 0.5
PRINTED_EVERY_S = 2.0
_COLOURS = {"succeeded": "#2e7d32", "failed": "#c62828", "killed": "#6b7280", "lost": "#b45309"}


class CellLine:
    """One display in the output of the cell, changed in place. Used on one thread.

    Args:
        standing: Gives a `tasks.endings.Standing`.
        display: `IPython.display.display`.
    """

    def __init__(self, standing: Callable[[], Any], display: Callable[..., Any]) -> None:
        self._standing = standing
        now = standing()
        self._text = str(now)
        self._next = time.monotonic() + SHOWN_EVERY_S
        self._handle = display(_bundle(now), raw=True, display_id=True)

    def show(self, *, is_last: bool = False) -> None:
        """Shows how far they are, if that has changed."""
        if not is_last and time.monotonic() < self._next:
            return
        self._next = time.monotonic() + SHOWN_EVERY_S
        now = self._standing()
        if str(now) != self._text:
            self._text = str(now)
            self._handle.update(_bundle(now), raw=True)


class PrintedLine:
    """Lines on a terminal or in a log, one for each change, but not more often than is readable."""

    def __init__(self, standing: Callable[[], Any], say: Callable[[str], None]) -> None:
        self._standing = standing
        self._say = say
        self._printed = ""
        self._next = 0.0

    def show(self, *, is_last: bool = False) -> None:
        """Reports how far they are, if that has changed."""
        if not is_last and time.monotonic() < self._next:
            return
        self._next = time.monotonic() + PRINTED_EVERY_S
        text = str(self._standing())
        if text != self._printed:
            self._printed = text
            self._say(text)


def _bundle(standing: Any) -> dict[str, str]:  # noqa: ANN401 - of a layer that sends no request
    total = max(standing.total, 1)
    parts = "".join(
        f'<div style="width:{getattr(standing, name) / total:.2%};background:{colour}"></div>'
        for name, colour in _COLOURS.items()
        if getattr(standing, name)
    )
    text = str(standing)
    return {
        "text/plain": text,
        "text/html": (
            '<div style="display:flex;align-items:center;gap:10px;max-width:668px;'
            'font:13px/20px system-ui,sans-serif">'
            '<div style="display:flex;flex:none;width:140px;height:8px;overflow:hidden;'
            f'border-radius:4px;background:rgba(128,128,128,.3)">{parts}</div>'
            f"<div>{escape(text)}</div></div>"
        ),
    }
