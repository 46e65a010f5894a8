"""The archive delivered as one file, `output.zip` or `input.zip`, checked against its listing."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from inductiva_widgets.errors import (
    BadArchiveError,
    CorruptMemberError,
    DestinationError,
    FileConflictError,
    RangeUnsupportedError,
    RemoteChangedError,
)
from inductiva_widgets.outputs.archive import TAIL_BYTES
from inductiva_widgets.outputs.journal import Journal
from inductiva_widgets.outputs.listing import make_listing
from inductiva_widgets.outputs.ranges import ByteRange
from inductiva_widgets.outputs.remote import Version
from inductiva_widgets.outputs.temporary import TemporaryFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from inductiva_widgets.outputs.archive import Layout
    from inductiva_widgets.outputs.decisions import Order
    from inductiva_widgets.outputs.folder import OutputFolder
    from inductiva_widgets.outputs.listing import Listing
    from inductiva_widgets.outputs.transfer import Transfer

__all__ = ["deliver_archive", "spooled_listing"]

READ_BYTES = 1 << 20


def deliver_archive(  # noqa: PLR0913 - called in one place
    transfer: Transfer,
    read_listing: Callable[[], Listing],
    open_folder: Callable[[], OutputFolder],
    order: Order,
    cleanup: ExitStack,
    *,
    keeps_received: Callable[[], bool],
) -> None:
    """Brings the archive under its final name, or raises why not."""
    board = transfer.board
    board.set_files([-1], [order.layout.archive_name], [0])
    listing: Listing | None
    try:
        listing = read_listing()
    except RangeUnsupportedError:
        listing = None
    folder = open_folder()
    parts = _place(folder, order)
    if parts is None:
        board.mark(0, "skipped", "kept as it was")
        return
    journal = Journal.open(folder, f"{listing.revision if listing else ''} packed")
    is_resumable = True

    def stays() -> bool:
        return is_resumable and listing is not None and file.size() > 0 and keeps_received()

    def leave() -> None:
        if stays():
            file.leave()
            journal.close(remove=False)
        else:
            file.discard()
            journal.close(remove=True)

    file = TemporaryFile(folder, (order.layout.archive_name,), number=0)
    cleanup.callback(leave)
    try:
        listing = _fill(transfer, folder, file, journal, listing)
    except RemoteChangedError:
        is_resumable = False
        raise
    is_resumable = False  # what is wrong with it now would be wrong again
    _check(transfer, file, listing, order.layout)
    try:
        file.publish(parts[-1], replace=order.overwrite == "replace", flush=True)
    except FileExistsError:
        raise DestinationError(
            f"{folder.shown(parts)} appeared during the download and is kept.",
            hint='overwrite="replace" replaces it.',
        ) from None
    board.mark(0, "verified")


def _place(folder: OutputFolder, order: Order) -> tuple[str, ...] | None:
    parts: tuple[str, ...] = (order.layout.archive_name,)
    if folder.existing(parts) == "absent" or order.overwrite == "replace":
        return parts
    if order.overwrite == "skip":
        return None
    if order.overwrite == "rename":
        return folder.free_name(parts, set())
    raise FileConflictError(
        f"{folder.shown(parts)} exists.",
        hint='Choose overwrite="skip", "replace" or "rename".',
    )


def _fill(
    transfer: Transfer,
    folder: OutputFolder,
    file: TemporaryFile,
    journal: Journal,
    listing: Listing | None,
) -> Listing | None:
    """Brings all bytes; `None` when they came by one plain request."""
    if listing is not None:
        try:
            _fetch_ranges(transfer, folder, file, journal, listing)
        except RangeUnsupportedError:
            file.clear()
            journal.forget()
        else:
            return listing
    transfer.fetch_whole(folder, file)
    return None


def _fetch_ranges(
    transfer: Transfer,
    folder: OutputFolder,
    file: TemporaryFile,
    journal: Journal,
    listing: Listing,
) -> None:
    total = listing.archive_bytes
    transfer.board.set_files([-1], [listing.layout.archive_name], [total])
    size = file.size()
    done = [part for part in journal.done if part.end <= size]
    chunks = transfer.plan([ByteRange(0, total)], done)
    needed = sum(map(len, chunks))
    folder.check_room(needed)
    transfer.board.expect(needed)
    transfer.board.mark(0, "fetching")

    def received(_: ByteRange, start: int, data: bytes) -> None:
        file.write_at(start, data)
        journal.mark_done(ByteRange(start, start + len(data)))
        transfer.board.add(len(data))

    transfer.run(
        chunks,
        read=transfer.remote.stream,
        take=lambda _, data: transfer.release(len(data)),
        received=received,
    )


def _check(
    transfer: Transfer, file: TemporaryFile, listing: Listing | None, layout: Layout
) -> None:
    version = listing.version if listing is not None else transfer.remote.version
    found = spooled_listing(file, version, layout)
    if listing is not None and found.revision != listing.revision:
        raise BadArchiveError("The archive fetched is not the one that was listed.")
    if transfer.remote.checksum:
        digest = hashlib.md5(usedforsecurity=False)
        position = 0
        while piece := file.read_at(position, READ_BYTES):
            transfer.stop.check()
            digest.update(piece)
            position += len(piece)
        if base64.b64encode(digest.digest()).decode() != transfer.remote.checksum:
            raise CorruptMemberError("The archive does not match the storage's checksum.")


def spooled_listing(spool: TemporaryFile, version: Version | None, layout: Layout) -> Listing:
    """Listing of an archive that is here as a file."""
    total = spool.size()
    size = min(TAIL_BYTES, total)
    return make_listing(
        spool.read_at(total - size, size),
        version or Version(total, None),
        lambda need: spool.read_at(need.start, need.end - need.start),
        layout,
    )
