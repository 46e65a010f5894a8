"""Progress bars: in a cell or on a terminal; none in a pipe or a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inductiva_widgets.notebook.session import in_kernel

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
        # A cell's output is not a terminal, but shows bars.
        self._bar = kind(disable=False if in_kernel() else None, **options)

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
    """Shows one download's progress, in packed bytes; closes itself with the download.

    There is no bar while, and where, there is nothing to fetch.
    """
    bar: ProgressBar | None = None

    def show(progress: Progress) -> None:
        nonlocal bar
        if bar is None and progress.bytes:
            bar = ProgressBar(unit="B", unit_scale=True)
        if bar is None:
            return
        bar.show(progress.bytes_done, progress.bytes)
        if progress.state != "running":
            bar.close()

    return show
