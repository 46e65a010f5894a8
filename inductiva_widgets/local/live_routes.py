"""Files of a running task by plain requests, for clients that cannot have WebRTC.

An addition of this engine to the service's interface, which has live files over WebRTC only.
"""

from __future__ import annotations

import json
import os
import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from inductiva_widgets.errors import NotFoundError
from inductiva_widgets.local.engine import Engine, detail
from inductiva_widgets.local.inquiries import Fault, InvalidRequestError, required
from inductiva_widgets.local.live_files import (
    LiveFolder,
    is_log,
    last_lines_start,
    load_of_machine,
    read_part,
)
from inductiva_widgets.local.log_ring import head_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

__all__ = ["live_routes", "newest_file"]

MOST_BYTES = 1 << 20  # of one read
LARGEST_NUMBER = 2**63 - 1


def live_routes(engine: Engine) -> list[Route]:
    """Routes below `/tasks/{id}/live`."""
    live = _Live(engine)
    return [
        Route("/tasks/{task_id}/live/files", live.files, methods=["GET"]),
        Route("/tasks/{task_id}/live/file", live.file, methods=["GET"]),
        Route("/tasks/{task_id}/live/top", live.top, methods=["GET"]),
        Route("/tasks/{task_id}/live/last-modified-file", live.newest, methods=["GET"]),
    ]


class _Live:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def files(self, request: Request) -> Response:
        return await self._answer(request, lambda folder: JSONResponse(_listing(folder)))

    async def file(self, request: Request) -> Response:
        """Bytes from `start`, or from where the last `lines` lines begin."""
        (name,) = required(request.query_params, "name")
        start = _number(request, "start") or 0
        lines = _number(request, "lines")
        head = head_bytes(self._engine.settings.log_limit_bytes) if is_log(name) else None
        return await self._answer(request, lambda folder: _part(folder, name, start, lines, head))

    async def top(self, request: Request) -> Response:
        return await self._answer(request, lambda _: PlainTextResponse(load_of_machine()))

    async def newest(self, request: Request) -> Response:
        task_id = str(request.path_params["task_id"])
        return await self._answer(request, lambda folder: _newest(folder, task_id))

    async def _answer(self, request: Request, work: Callable[[LiveFolder], Response]) -> Response:
        task_id = str(request.path_params["task_id"])
        return await run_in_threadpool(self._answer_now, task_id, work)

    def _answer_now(self, task_id: str, work: Callable[[LiveFolder], Response]) -> Response:
        if self._engine.store.status(task_id) is None:
            raise NotFoundError(f"There is no task {task_id[:100]!r}.")
        folder = LiveFolder(self._engine.settings.work_path / task_id)
        if not folder.exists():
            return detail(HTTPStatus.CONFLICT, "The task is not running.")
        try:
            return work(folder)
        except NotFoundError:
            if folder.exists():
                raise
            return detail(HTTPStatus.CONFLICT, "The task is not running.")  # any more


def _number(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > 19 or int(text) > LARGEST_NUMBER:
        raise InvalidRequestError(Fault(("query", name), "a whole number is required"))
    return int(text)


def _listing(folder: LiveFolder) -> dict[str, object]:
    files = [
        {
            "name": entry.name + "/" * entry.is_folder,
            "size": entry.size,
            "modified": entry.modified_s,
        }
        for entry in folder.entries()
    ]
    return {"now": time.time(), "files": files}


def _part(
    folder: LiveFolder, name: str, start: int, lines: int | None, head: int | None
) -> Response:
    """A line of JSON that says what was read, then the bytes themselves.

    For a log it also says how much of its beginning is kept permanently, and how many of the
    requested bytes are gone.
    """
    ring = head is not None
    with folder.open_text(name) as file:
        begin = start if lines is None else last_lines_start(file, lines, ring=ring)
        piece = read_part(file, begin, MOST_BYTES, ring=ring)
        state = os.fstat(file.fileno())
    about = {"file": f"{state.st_dev}-{state.st_ino}", "size": state.st_size, "start": piece.start}
    if ring:
        about |= {"head": head, "left_out": piece.left_out}
    return Response(
        json.dumps(about).encode() + b"\n" + piece.data, media_type="application/octet-stream"
    )


def _newest(folder: LiveFolder, task_id: str) -> Response:
    found = newest_file(folder, task_id)
    if found is None:
        raise NotFoundError("The task has not written a file yet.")
    return JSONResponse(found)


def newest_file(folder: LiveFolder, task_id: str) -> dict[str, object] | None:
    """The file that was written last, in the form of the service."""
    entry = folder.newest()
    if entry is None:
        return None
    now_s = time.time()
    return {
        # The path that machines of the service have; the one on this machine is nobody's business.
        "most_recent_file": f"/workdir/{task_id}/{entry.name}",
        "most_recent_timestamp": entry.modified_s,
        "now_timestamp": now_s,
        "time_since_last_mod": max(0.0, now_s - entry.modified_s),
    }
