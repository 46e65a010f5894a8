"""A download as its caller sees it: a future."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING

from inductiva_widgets.errors import DownloadCancelledError, WaitTimeoutError
from inductiva_widgets.formats import file_size
from inductiva_widgets.outputs.decisions import Order
from inductiva_widgets.outputs.delivery import ArchiveSource, Delivery
from inductiva_widgets.outputs.progress import Board, FileProgress, Progress
from inductiva_widgets.outputs.stop import Pace, Stop
from inductiva_widgets.outputs.transfer import Tuning

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Download", "Order", "Tuning"]

STOP_WITHIN_S = 2.0
# Python does not see a Ctrl-C that comes while a thread begins to wait without end: it looks now
# and then. On Windows it sees none at all in such a wait.
LOOK_S = 0.5


class Download:
    """A download under way: a future. Its threads end when it does.

    Attributes:
        path: The folder written to, absolute.
    """

    def __init__(
        self,
        order: Order,
        source: ArchiveSource,
        *,
        on_progress: Callable[[Progress], object] | None = None,
        tuning: Tuning | None = None,
    ) -> None:
        tuning = tuning or Tuning()
        self.path = order.target.absolute()
        self._stop = Stop()
        self._board = Board(on_progress, tuning.clock)
        self._finished = threading.Event()
        self._error: BaseException | None = None
        self._pace = Pace(order.bytes_per_s, tuning.clock)
        self._delivery = Delivery(order, source, self._board, (self._stop, self._pace, tuning))
        self._thread = threading.Thread(target=self._run, name="inductiva-download", daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether it has ended, well or badly."""
        return self._finished.is_set()

    @property
    def error(self) -> BaseException | None:
        """What `result` raises; `None` while running and after success."""
        return self._error

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return self._board.snapshot()

    @property
    def files(self) -> list[FileProgress]:
        """State of each file; empty until the archive's directory is read."""
        return self._board.files()

    @property
    def is_paused(self) -> bool:
        """Whether `pause` holds it."""
        return self._pace.is_held and not self.done

    def pause(self) -> bool:
        """Receives nothing more until `resume`; `False` when it had ended already."""
        if self.done:
            return False
        self._pace.hold()
        return True

    def resume(self) -> None:
        """Goes on where `pause` held it."""
        self._pace.go_on()

    def cancel(self, *, keep_received: bool = False) -> bool:
        """Stops it, keeping the files that are complete; `False` when it had ended already.

        Args:
            keep_received: Keep what is not complete as well, in a hidden folder: the next download
                of the same continues from there. As Ctrl-C and every failure do.
        """
        if self.done:
            return False
        self._delivery.keeps_received = keep_received
        self._stop.cancel()
        return True

    def result(self, timeout: float | None = None) -> Path:
        """Waits for the end and gives the folder. Ctrl-C cancels the download and is raised again.

        Args:
            timeout: Seconds to wait at most; the download continues beyond them.

        Raises:
            WaitTimeoutError: It did not end in time.
            DownloadError: Something asked for was not delivered; `failed` names it.
            NotFoundError: Names that are not in the archive; the others were delivered.
        """
        try:
            if not self._ends_within(timeout):
                raise WaitTimeoutError(
                    f"The download did not end within {timeout} s; it goes on.",
                    hint="Call result() again, or cancel().",
                )
        except KeyboardInterrupt:
            self.cancel(keep_received=True)
            self._finished.wait(STOP_WITHIN_S)
            raise
        self._thread.join(STOP_WITHIN_S)
        if self._error is not None:
            raise self._error
        return self.path

    def _ends_within(self, timeout: float | None) -> bool:
        give_up_at = math.inf if timeout is None else time.monotonic() + timeout
        while not self._finished.wait(min(LOOK_S, max(0.0, give_up_at - time.monotonic()))):
            if time.monotonic() >= give_up_at:
                return False
        return True

    def __repr__(self) -> str:
        now = self.progress
        return (
            f"<Download {now.state}: {now.files_done} of {now.files} files, "
            f"{file_size(now.bytes_done)} of {file_size(now.bytes)}>"
        )

    def _run(self) -> None:
        try:
            self._delivery.run()
        except DownloadCancelledError as error:
            self._error = error
            self._board.finish("cancelled")
        except BaseException as error:  # noqa: BLE001 - raised again in result()
            self._error = error
            self._board.finish("failed")
        else:
            self._board.finish("done")
        finally:
            self._finished.set()
