"""Progress bars: in the cell, or on the terminal; a pipe or a file gets none."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from inductiva_widgets.outputs.progress import Progress

__all__ = ["ProgressBar", "download_bar"]


class ProgressBar:
    """A bar whose total may grow. Used by one thread at a time; the options are those of tqdm."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - as tqdm takes them
        from tqdm.auto import tqdm

        # Without tqdm's monitor, a thread that would outlive the work.
        kind: Any = type("Bar", (tqdm,), {"monitor_interval": 0})
        self._bar = kind(disable=False if _is_kernel() else None, **options)

    def show(self, done: float, total: float | None = None, note: str = "") -> None:
        """How far it is now; it may go back."""
        bar = self._bar
        if bar.disable:
            return
        if total is not None and bar.total != total:
            # In a cell only a reset gives the bar its width and end; it forgets what was done.
            past = {name: getattr(bar, name) for name in ("n", "last_print_n", "start_t")}
            bar.reset(total=total)
            for name, value in past.items():
                setattr(bar, name, value)
        if note:
            bar.set_postfix_str(note, refresh=False)
        bar.update(done - bar.n)

    def close(self) -> None:
        """Leaves it as it is."""
        self._bar.close()


def download_bar() -> Callable[[Progress], None]:
    """Shows one download's progress, in packed bytes; closes itself with the download."""
    bar = ProgressBar(unit="B", unit_scale=True)

    def show(progress: Progress) -> None:
        bar.show(progress.bytes_done, progress.bytes)
        if progress.state != "running":
            bar.close()

    return show


def _is_kernel() -> bool:
    """A cell's output is no terminal, but shows bars."""
    core = sys.modules.get("IPython")
    shell = core.get_ipython() if core is not None else None
    return getattr(shell, "kernel", None) is not None
