"""Files of a task that has ended, read line by line from its output archive."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from inductiva_widgets.api.stored import StoredLink
from inductiva_widgets.errors import NotFoundError
from inductiva_widgets.live.replies import no_file, no_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from inductiva_widgets.api.client import Client
    from inductiva_widgets.outputs.files import OutputFile

__all__ = ["EndedFile"]

SAMPLE_BYTES = 8192


class EndedFile:
    """A text file in the output archive of a task. Every method waits for the network.

    Raises:
        NotFoundError: There is no such file, or no archive.
        UserInputError: It is not text.
    """

    def __init__(self, client: Client, task_id: str, filename: str) -> None:
        from inductiva_widgets.outputs.engine import Outputs

        link = StoredLink(client, lambda: client.task(task_id).output_place)
        files = Outputs(client.links, link).files()
        try:
            found: OutputFile = files[filename]
        except NotFoundError:
            raise no_file(filename) from None
        if b"\0" in found.head(min(SAMPLE_BYTES, found.size)):
            raise no_text(filename)
        self._file = found

    @property
    def size(self) -> int:
        """Bytes."""
        return self._file.size

    def lines(self, start: int = 0) -> Iterator[str]:
        """Lines without their ends, from an offset in bytes on."""
        with self._file.open() as file:
            file.seek(start)
            for line in file:
                yield line.removesuffix(b"\n").decode("utf-8", "replace")

    def last_lines(self, count: int) -> list[str]:
        """The last lines."""
        return list(deque(self.lines(), maxlen=count))
