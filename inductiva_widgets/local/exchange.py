"""Files that come from and go to other addresses at the user's request.

The published service does both in the background; here the request lasts as long as the transfer,
so that the reply says how it ended.
"""

from __future__ import annotations

import http.client
import threading
import urllib.error
import urllib.request
import uuid
from collections import OrderedDict
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from inductiva_widgets.errors import NotFoundError, UserInputError

if TYPE_CHECKING:
    from pathlib import Path

    from inductiva_widgets.local.inquiries import Export
    from inductiva_widgets.local.storage import Storage

__all__ = ["Exchange"]

SILENCE_S = 30.0  # longest wait for the next byte of another server
READ_BYTES = 1 << 20
KEPT_OPERATIONS = 500
TROUBLE = (urllib.error.URLError, OSError, http.client.HTTPException, ValueError)


class Exchange:
    """Fetches files into the storage and exports files from it; calls last until all is done.

    Args:
        storage: Where the files are.
        limit_bytes: Largest file that is fetched.
    """

    def __init__(self, storage: Storage, limit_bytes: int) -> None:
        self._storage = storage
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._operations: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def fetch(self, url: str, path: str) -> None:
        """Stores what an address gives; the file appears when it is complete.

        Raises:
            UserInputError: No http address, or it does not give the file.
        """
        _check_address(url)
        target = self._storage.local_path(path)
        if not self._storage.normalise(path) or path.endswith("/"):
            raise UserInputError("A file name is needed to store what is fetched.")
        # Not beside the target: a failure must leave no empty folders.
        part = self._storage.local_path("") / f".{uuid.uuid4().hex}.part"
        try:
            self._receive(url, part)
            target.parent.mkdir(parents=True, exist_ok=True)
            part.replace(target)
        except TROUBLE as error:
            raise UserInputError(f"The file cannot be fetched: {_reason(error)}.") from error
        finally:
            part.unlink(missing_ok=True)

    def _receive(self, url: str, part: Path) -> None:
        size = 0
        with urllib.request.urlopen(url, timeout=SILENCE_S) as reply, part.open("wb") as file:  # noqa: S310 - checked by `_check_address`
            while block := reply.read(READ_BYTES):
                size += len(block)
                if size > self._limit_bytes:
                    raise UserInputError(f"The file is larger than {self._limit_bytes} bytes.")
                file.write(block)
            # A body that ends early raises only when it is read at once.
            announced = reply.headers.get("Content-Length", "")
            if announced.isdecimal() and int(announced) != size:
                raise http.client.IncompleteRead(b"", int(announced) - size)

    def export(self, export: Export) -> None:
        """Sends a file in parts to signed addresses and completes the upload there.

        How it ended is in the operation that this adds to `operations`.
        """
        source = self._storage.existing_file(export.path)
        for url in (*export.part_urls, export.complete_url):
            _check_address(url)
        operation = {
            "id": str(uuid.uuid4()),
            "name": "export",
            "status": "RUNNING",
            "error_message": None,
            "attributes": {"path": export.path},
            "start_time": _now(),
            "end_time": None,
        }
        self._keep(operation)
        error_message = None
        try:
            _send_parts(source, export)
        except TROUBLE as error:
            error_message = _reason(error)
        status = "FAILED" if error_message else "OK"
        self._keep(
            {**operation, "status": status, "error_message": error_message, "end_time": _now()}
        )

    def operations(self) -> list[dict[str, Any]]:
        """Exports since the engine was started, newest first."""
        with self._lock:
            return [*reversed(self._operations.values())]

    def operation(self, operation_id: str) -> dict[str, Any]:
        """One export.

        Raises:
            NotFoundError: There is none with this id.
        """
        with self._lock:
            found = self._operations.get(operation_id)
        if found is None:
            raise NotFoundError(f"There is no operation {operation_id[:100]!r}.")
        return found

    def _keep(self, operation: dict[str, Any]) -> None:
        with self._lock:
            self._operations[operation["id"]] = operation
            while len(self._operations) > KEPT_OPERATIONS:
                self._operations.popitem(last=False)


def _check_address(url: str) -> None:
    try:
        place = urlsplit(url)
        is_fine = place.scheme in ("http", "https") and bool(place.hostname)
    except ValueError:  # half of an IPv6 address, say
        is_fine = False
    if not is_fine:
        raise UserInputError("An http or https address is required.")


def _send_parts(source: Path, export: Export) -> None:
    marks: list[str] = []
    with source.open("rb") as file:
        for url in export.part_urls:
            body = file.read(export.part_bytes)
            marks.append(_send("PUT", url, body).get("ETag", ""))
    parts = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(mark)}</ETag></Part>"
        for number, mark in zip(export.part_numbers, marks, strict=True)
    )
    body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
    _send("POST", export.complete_url, body)


def _send(method: str, url: str, body: bytes) -> http.client.HTTPMessage:
    # No content type: signed addresses are signed without one.
    request = urllib.request.Request(url, body, {"Content-Type": ""}, method=method)  # noqa: S310 - checked by `_check_address`
    with urllib.request.urlopen(request, timeout=SILENCE_S) as reply:  # noqa: S310 - as above
        headers: http.client.HTTPMessage = reply.headers
        return headers


def _reason(error: Exception) -> str:
    """Why, without the address: it is a secret."""
    if isinstance(error, urllib.error.HTTPError):
        return f"the other server answers {error.code}"
    return str(getattr(error, "reason", None) or "the connection failed")[:200]


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="microseconds")
