"""A stored archive of one task: listed, read in place, compared, and downloaded."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from inductiva_widgets.formats import counted, file_size
from inductiva_widgets.outputs.archive import OUTPUTS
from inductiva_widgets.outputs.check import FolderReport, check_folder
from inductiva_widgets.outputs.download import Download, Order, Tuning
from inductiva_widgets.outputs.files import FileInfo, OutputFiles, OutputInfo
from inductiva_widgets.outputs.listing import Listing, check_filenames, read_listing
from inductiva_widgets.outputs.rehearsal import DownloadPlan, rehearse
from inductiva_widgets.outputs.remote import LinkSource, RemoteArchive, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from inductiva_widgets.api.links import LinkTransport
    from inductiva_widgets.outputs.archive import Layout
    from inductiva_widgets.outputs.folder import Overwrite
    from inductiva_widgets.outputs.progress import Progress
    from inductiva_widgets.outputs.stop import Stop

__all__ = ["Outputs"]


class Outputs:
    """One archive behind a signed link. Safe to share between threads.

    Everything read through one object belongs to one version of the archive; when the storage has
    another one, `RemoteChangedError` is raised once and the next call starts with the new version.

    Args:
        transport: Reads behind signed links.
        source: Gives the link.
        layout: Whether the archive holds outputs or inputs.
        retry: How often and how patiently requests are tried again.
        tuning: Figures of downloads.
    """

    def __init__(
        self,
        transport: LinkTransport,
        source: LinkSource,
        *,
        layout: Layout = OUTPUTS,
        retry: RetryPolicy | None = None,
        tuning: Tuning | None = None,
    ) -> None:
        self._transport = transport
        self._source = source
        self._layout = layout
        self._retry = retry
        self._tuning = tuning or Tuning()
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._known: tuple[RemoteArchive, Listing] | None = None

    def __repr__(self) -> str:
        """What is known of it, without a request."""
        with self._lock:
            known = self._known
        if known is None:
            return f"<{self._layout.archive_name}: not listed yet>"
        listing = known[1]
        size = file_size(listing.archive_bytes)
        return f"<{self._layout.archive_name}: {counted(len(listing.names), 'file')}, {size}>"

    def directory(self, *, refresh: bool = False) -> Listing:
        """What the archive holds; read once, and again with `refresh` or after it was replaced.

        Raises:
            NotFoundError: There is no archive behind the link.
            BadArchiveError: It is not a zip archive.
            RangeUnsupportedError: The storage ignores ranges, and the archive is not small.
        """
        return self._opened(refresh=refresh)[1]

    def info(self) -> OutputInfo:
        """The files with their sizes; `str()` prints them as the official pages do."""
        listing = self.directory()
        rows = zip(listing.names, listing.sizes, listing.packed_sizes, strict=True)
        return OutputInfo(listing.archive_bytes, [FileInfo(*row) for row in rows])

    def files(self) -> OutputFiles:
        """The files, to be read where they are."""
        return OutputFiles(*self._opened())

    def check(self, folder: Path) -> FolderReport:
        """What a local folder has of the archive, by sizes and CRC-32; no member is fetched."""
        return check_folder(self.directory(), folder)

    def start_download(  # noqa: PLR0913 - the words of the official pages
        self,
        target: Path,
        *,
        filenames: Sequence[str] | None = None,
        indices: Sequence[int] | None = None,
        uncompress: bool = True,
        overwrite: str = "error",
        bytes_per_s: float | None = None,
        connections: int | None = None,
        on_progress: Callable[[Progress], object] | None = None,
    ) -> Download:
        """Starts a download and returns at once.

        Args:
            target: Folder to write to; made when absent.
            filenames: Names, folders or globs; see `listing.select`.
            indices: Rows of `directory()`, instead of names.
            uncompress: `False` keeps the archive as `output.zip`.
            overwrite: What to do with existing files of other content: `error`, `skip`, `replace`
                or `rename`. Identical files are never fetched again.
            bytes_per_s: Limit on the rate of receiving; `None` for none.
            connections: How many to use at most, where several downloads share the line.
            on_progress: Called on a worker thread, at most five times a second and once at the end.

        Raises:
            UserInputError: Invalid names or options; nothing was sent.
        """
        order = Order(
            target,
            check_filenames(filenames),
            indices,
            uncompress,
            cast("Overwrite", overwrite),
            bytes_per_s,
            self._layout,
        )
        tuning = self._tuning
        if connections is not None:
            tuning = replace(tuning, connections=connections)
        return Download(order, self, on_progress=on_progress, tuning=tuning)

    def plan_download(
        self,
        target: Path,
        *,
        filenames: Sequence[str] | None = None,
        uncompress: bool = True,
        overwrite: str = "error",
    ) -> DownloadPlan:
        """What `start_download` would do with the same arguments; nothing is written.

        Raises:
            UserInputError: Invalid names or options; nothing was sent.
        """
        order = Order(
            target,
            check_filenames(filenames),
            uncompress=uncompress,
            overwrite=cast("Overwrite", overwrite),
            layout=self._layout,
        )
        return rehearse(self.directory(), order)

    # As `delivery.ArchiveSource`:

    def remote(self) -> RemoteArchive:
        """The archive, or the one that took its place."""
        known = self._current()
        return known[0] if known is not None else self._new_remote()

    def listing(self, remote: RemoteArchive, stop: Stop) -> Listing:
        """What an archive holds, as known or read with the download's own stop."""
        known = self._current()
        if known is not None and known[0] is remote:
            return known[1]
        return self._remember(remote, read_listing(remote, stop, self._layout))[1]

    def _opened(self, *, refresh: bool = False) -> tuple[RemoteArchive, Listing]:
        with self._reading:  # views that open at once read the directory once
            known = self._current()
            if known is not None and not refresh:
                return known
            remote = self._new_remote()
            return self._remember(remote, read_listing(remote, layout=self._layout))

    def _current(self) -> tuple[RemoteArchive, Listing] | None:
        with self._lock:
            if self._known is not None and self._known[0].is_replaced:
                self._known = None
            return self._known

    def _remember(self, remote: RemoteArchive, listing: Listing) -> tuple[RemoteArchive, Listing]:
        with self._lock:
            self._known = (remote, listing)
            return self._known

    def _new_remote(self) -> RemoteArchive:
        return RemoteArchive(self._transport, self._source, retry=self._retry)
