"""A task while it runs: its files, its logs as they grow, its machine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from inductiva_widgets.task.files import TaskFiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inductiva_widgets.live import LastModified, LiveFiles, LiveLines

__all__ = ["TaskLive"]


class TaskLive(TaskFiles):
    """A task with its live files and machine; see `Backend.live` for how, and for errors.

    Every method needs a running task, except `tail`, which reads the outputs of an ended one.
    """

    def tail(
        self, filename: str, lines: int = 10, *, follow: bool = False, wait: bool = False
    ) -> LiveLines:
        """The last lines of a file and, with `follow`, new ones until the task ends.

        For `for` and for `async for`. `print()` shows the lines that are there without `follow`.

        Args:
            filename: Relative to the outputs, e.g. `stdout.txt`.
            lines: How many lines to begin with.
            follow: Whether to continue.
            wait: Whether a task or a file that is not there yet is waited for.

        Raises:
            LiveUnavailableError: The machine cannot be asked; `.cause` says why.
            NotFoundError: There is no such file.
            UserInputError: The file is not text.
        """
        return self.backend.live.tail(self._id, filename, lines=lines, follow=follow, wait=wait)

    async def tail_async(self, filename: str, lines: int = 10) -> LiveLines:
        """Like `tail()` without `follow`, for `await`."""
        return await self.backend.live.tail_async(self._id, filename, lines=lines)

    def tail_files(
        self,
        tail_files: Sequence[str],
        lines: int = 10,
        *,
        follow: bool = False,
        fout: TextIO | None = None,
        wait: bool = False,
    ) -> None:
        """Prints the last lines of files and, with `follow`, new ones; see `tail`.

        Args:
            tail_files: Names of files.
            lines: How many lines of each to begin with.
            follow: Whether to continue until the task ends; Ctrl-C stops it.
            fout: Where to; stdout when not given.
            wait: Whether a task or files that are not there yet are waited for.
        """
        from inductiva_widgets.live.printing import follow_files, framed

        target = sys.stdout if fout is None else fout
        if not follow:
            for name in tail_files:
                print(framed(list(self.tail(name, lines)), name), file=target, flush=True)
            return
        follow_files(
            self.backend.live,
            self._id,
            tail_files,
            lambda name, found: print(
                framed(found, name, open_ended=True), file=target, flush=True
            ),
            lines=lines,
            wait=wait,
        )

    def list_files(self) -> LiveFiles:
        """The files of the running task as they are now; `print()` draws them as a tree.

        Raises:
            LiveUnavailableError: The machine cannot be asked; `.cause` says why.
        """
        return self.backend.live.list_files(self._id)

    async def list_files_async(self) -> LiveFiles:
        """Like `list_files()`, for `await`."""
        return await self.backend.live.list_files_async(self._id)

    def top(self) -> str:
        """The output of `top -b -H -n 1` on the machine of the running task.

        Raises:
            LiveUnavailableError: The machine cannot be asked; `.cause` says why.
        """
        return self.backend.live.top(self._id)

    async def top_async(self) -> str:
        """Like `top()`, for `await`."""
        return await self.backend.live.top_async(self._id)

    def last_modified_file(self) -> LastModified:
        """The file that the running task wrote last; `print()` describes it.

        Raises:
            LiveUnavailableError: The machine cannot be asked; `.cause` says why.
        """
        return self.backend.live.last_modified_file(self._id)

    async def last_modified_file_async(self) -> LastModified:
        """Like `last_modified_file()`, for `await`."""
        return await self.backend.live.last_modified_file_async(self._id)
