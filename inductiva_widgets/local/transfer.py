"""Bytes in and out behind signed URLs: ranges as RFC 9110 § 14 has them, uploads of any length."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import secrets
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, JSONResponse, Response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from starlette.types import Receive, Scope, Send

__all__ = ["ArchiveResponse", "Received", "byte_ranges", "receive_file"]

WRITE_BYTES = 1 << 20  # one hop to a thread for each of these, not for each 64 KB of the network
READ_BYTES = 1 << 18
_RANGES = re.compile(r"bytes=\s*((?:\d+-\d*|-\d+)(?:\s*,\s*(?:\d+-\d*|-\d+))*)\s*", re.ASCII)
MAX_DIGITS = 18


def byte_ranges(header: str, size: int) -> list[tuple[int, int]] | None:
    """Ranges that a `Range` header asks of a file, both ends inclusive.

    Returns:
        `None` for a header that has to be ignored (RFC 9110 § 14.2: another unit, or malformed);
        an empty list if no range can be satisfied, which makes a 416.
    """
    match = _RANGES.fullmatch(header)
    if match is None or any(len(number) > MAX_DIGITS for number in re.findall(r"\d+", header)):
        return None
    found: list[tuple[int, int]] = []
    for part in match[1].split(","):
        first, _, last = part.strip().partition("-")
        if first and last and int(last) < int(first):
            return None
        begin = int(first) if first else max(size - int(last), 0)
        end = min(int(last), size - 1) if first and last else size - 1
        if begin <= end and (first or int(last) > 0):
            found.append((begin, end))
    return found


class ArchiveResponse(FileResponse):
    """A stored file with its checksum as strong ETag; conditions and ranges checked strictly.

    Args:
        path: The file.
        sha256: Checksum of its content.
        name: Name under which a browser saves it.
        status: What `stat` says of it.
    """

    chunk_size = READ_BYTES

    def __init__(self, path: Path, *, sha256: str, name: str, status: os.stat_result) -> None:
        self._etag = f'"{sha256}"'
        self._size = status.st_size
        super().__init__(path, headers={"etag": self._etag}, filename=name, stat_result=status)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the file, the asked part, or why not."""
        headers = Headers(scope=scope)
        kept = MutableHeaders(raw=list(scope["headers"]))
        refusal: Response | None = None
        if "if-match" in headers and not self._matches(headers["if-match"]):
            refusal = JSONResponse(
                {"detail": "The file has changed."}, HTTPStatus.PRECONDITION_FAILED
            )
        elif "if-none-match" in headers and self._matches(headers["if-none-match"]):
            refusal = Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"etag": self._etag})
        elif "range" in headers:
            ranges = self._usable_ranges(scope, headers)
            if ranges == []:
                refusal = JSONResponse(
                    {"detail": "The file has no such range."},
                    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
                    headers={"content-range": f"bytes */{self._size}"},
                )
            del kept["range"]
            if ranges:
                parts = ",".join(f"{begin}-{end}" for begin, end in ranges)
                kept["range"] = f"bytes={parts}"
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        await super().__call__({**scope, "headers": kept.raw}, receive, send)

    def _usable_ranges(self, scope: Scope, headers: Headers) -> list[tuple[int, int]] | None:
        # RFC 9110 § 14.2: for GET only; § 13.1.5: not if the condition names another content.
        if scope["method"] != "GET" or headers.get("if-range", self._etag) != self._etag:
            return None
        return byte_ranges(headers["range"], self._size)

    def _matches(self, condition: str) -> bool:
        return condition.strip() == "*" or self._etag in map(str.strip, condition.split(","))


@dataclass(frozen=True, slots=True)
class Received:
    """A stored upload."""

    size_bytes: int
    sha256: str


async def receive_file(chunks: AsyncIterator[bytes], target: Path, limit_bytes: int) -> Received:
    """Streams a body to the disk; the file appears under its name only when it is complete.

    Raises:
        HTTPException: It is too long (413).
        OSError: It cannot be stored there.
    """
    part = target.with_name(f".{secrets.token_hex(8)}.part")
    await run_in_threadpool(target.parent.mkdir, parents=True, exist_ok=True)
    digest = hashlib.sha256()
    size = 0
    try:
        with part.open("wb") as file:
            buffer = bytearray()
            async for chunk in chunks:
                buffer += chunk
                size += len(chunk)
                if size > limit_bytes:
                    raise HTTPException(
                        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                        f"The file is larger than {limit_bytes} bytes.",
                    )
                if len(buffer) >= WRITE_BYTES:
                    full, buffer = buffer, bytearray()
                    await asyncio.to_thread(_write, file, digest, full)
            await asyncio.to_thread(_write, file, digest, buffer)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return Received(size, digest.hexdigest())


def _write(file: object, digest: object, block: bytearray) -> None:
    file.write(block)  # type: ignore[attr-defined]
    digest.update(block)  # type: ignore[attr-defined]
