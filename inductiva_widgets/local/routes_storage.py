"""Routes of the storage: signed URLs, archive listings, files and folders (`/storage…`)."""

from __future__ import annotations

import asyncio
import zipfile
from datetime import datetime, timezone
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.routing import Route

from inductiva_widgets.errors import NotFoundError, UserInputError
from inductiva_widgets.local import archives
from inductiva_widgets.local.engine import read_json
from inductiva_widgets.local.exchange import Exchange
from inductiva_widgets.local.guard import SIGNED_PREFIX
from inductiva_widgets.local.inquiries import (
    Fault,
    InvalidRequestError,
    StorageQuery,
    export_request,
    operations_page,
    required,
    storage_query,
)
from inductiva_widgets.local.transfer import ArchiveResponse, receive_file
from inductiva_widgets.local.views import REGION

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from inductiva_widgets.local.engine import Engine
    from inductiva_widgets.local.storage import Operation

__all__ = ["storage_routes"]

MOST_EXCHANGES = 8  # of 40 threads: other servers may be slow, and requests are to be answered


def storage_routes(engine: Engine) -> list[Route]:
    """Every route below `/storage`, and the signed URLs."""
    storage = _Bucket(engine)
    return [
        Route("/storage/signed-urls", storage.signed_urls, methods=["GET"]),
        Route("/storage/zip-contents", storage.zip_contents, methods=["GET"]),
        Route("/storage/zip-file-range", storage.zip_file_range, methods=["GET"]),
        Route("/storage/contents", storage.contents, methods=["GET"]),
        Route("/storage/size", storage.size, methods=["GET"]),
        Route("/storage/cost", storage.cost, methods=["GET"]),
        Route("/storage/copy", storage.copy, methods=["POST"]),
        Route("/storage/input_remote", storage.input_remote, methods=["POST"]),
        Route("/storage/export_multipart", storage.export, methods=["POST"]),
        Route("/storage/operations", storage.operations, methods=["GET"]),
        Route("/storage/operations/{operation_id}", storage.operation, methods=["GET"]),
        Route("/storage/", storage.delete, methods=["DELETE"]),
        Route("/storage", storage.delete, methods=["DELETE"]),
        Route(SIGNED_PREFIX + "{token}", storage.download, methods=["GET", "HEAD"]),
        Route(SIGNED_PREFIX + "{token}", storage.upload, methods=["PUT"]),
    ]


class _Bucket:
    def __init__(self, engine: Engine) -> None:
        self._storage = engine.storage
        self._settings = engine.settings
        self._exchange = Exchange(engine.storage, engine.settings.upload_limit_bytes)
        self._exchange_turn = asyncio.Semaphore(MOST_EXCHANGES)

    async def signed_urls(self, request: Request) -> Response:
        required(request.query_params, "operation", "paths")
        operation: Operation
        wanted = request.query_params["operation"]
        paths = request.query_params.getlist("paths")
        if wanted == "download":
            operation = "download"
        elif wanted == "upload":
            operation = "upload"
        else:
            place = ("query", "operation")
            raise InvalidRequestError(Fault(place, "download or upload is required"))
        base = f"http://{request.headers['host']}{SIGNED_PREFIX}"
        tokens = await run_in_threadpool(self._tokens, operation, paths)
        return JSONResponse([base + token for token in tokens])

    def _tokens(self, operation: Operation, paths: list[str]) -> list[str]:
        tokens: list[str] = []
        for path in paths:
            if operation == "upload":
                if not self._storage.normalise(path) or path.endswith("/"):
                    raise UserInputError("A file name is needed for an upload.")
                found = [path]
            elif self._storage.local_path(path).is_dir():
                found = self._storage.files_below(path)
            else:
                self._storage.existing_file(path)
                found = [path]
            tokens += [self._storage.sign(operation, one) for one in found]
        return tokens

    async def download(self, request: Request) -> Response:
        path = self._storage.verify(request.path_params["token"], "download")
        return await run_in_threadpool(self._file_reply, path)

    def _file_reply(self, path: str) -> Response:
        file = self._storage.existing_file(path)
        sha256 = self._storage.sha256(path)
        return ArchiveResponse(file, sha256=sha256, name=file.name, status=file.stat())

    async def upload(self, request: Request) -> Response:
        path = self._storage.verify(request.path_params["token"], "upload")
        target = self._storage.local_path(path)
        limit = self._settings.upload_limit_bytes
        received = await receive_file(request.stream(), target, limit)
        await run_in_threadpool(self._storage.note, path, received.sha256)
        headers = {
            "etag": f'"{received.sha256}"',
            "x-goog-stored-content-length": str(received.size_bytes),
        }
        return JSONResponse({}, headers=headers)

    async def zip_contents(self, request: Request) -> Response:
        (path,) = required(request.query_params, "path")
        folder = request.query_params.get("zip_relative_path", "")
        recursive = request.query_params.get("recursive", "false") == "true"
        return await run_in_threadpool(self._zip_contents_reply, path, folder, recursive=recursive)

    def _zip_contents_reply(self, path: str, folder: str, *, recursive: bool) -> Response:
        archive = self._storage.existing_file(path)
        try:
            contents = archives.list_folder(archive, folder, recursive=recursive)
        except zipfile.BadZipFile as error:
            raise UserInputError(f"{path!r} is not a zip archive.") from error
        return JSONResponse({"size": archive.stat().st_size, "contents": contents})

    async def zip_file_range(self, request: Request) -> Response:
        path, filename = required(request.query_params, "path", "filename")
        folder = request.query_params.get("zip_relative_path", "")
        return await run_in_threadpool(self._zip_file_range_reply, path, folder, filename)

    def _zip_file_range_reply(self, path: str, folder: str, filename: str) -> Response:
        archive = self._storage.existing_file(path)
        try:
            found = archives.member_range(archive, folder, filename)
        except zipfile.BadZipFile as error:
            raise UserInputError(f"{path!r} is not a zip archive.") from error
        if found is None:
            raise NotFoundError(f"The archive holds no file {filename!r} in {folder!r}.")
        return JSONResponse(found)

    async def contents(self, request: Request) -> Response:
        query = storage_query(request.query_params)
        return await run_in_threadpool(self._contents_reply, query)

    def _contents_reply(self, query: StorageQuery) -> Response:
        entries = self._storage.contents(query.path, recursive=query.recursive)
        entries = [entry for entry in entries if query.path_filter in entry["name"]]
        key = {"creation_time": "created_s", "size": "size_bytes", "name": "name"}[query.sort_by]
        entries.sort(key=lambda entry: (entry[key], entry["name"]), reverse=query.descending)
        begin = (query.page - 1) * query.per_page
        shown = entries[begin : begin + query.per_page]
        return JSONResponse(
            {
                "total_files": len(entries),
                "available_regions": [REGION],
                "contents": [_listed(entry) for entry in shown],
            }
        )

    async def size(self, _request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(self._storage.size_bytes))

    async def cost(self, _request: Request) -> Response:
        return JSONResponse({"estimated_monthly_cost": 0.0, "currency": "USD"})

    async def input_remote(self, request: Request) -> Response:
        url, path = required(request.query_params, "url", "path")
        async with self._exchange_turn:
            await run_in_threadpool(self._exchange.fetch, url, path)
        return JSONResponse({})

    async def export(self, request: Request) -> Response:
        export = export_request(await read_json(request, self._settings.json_limit_bytes))
        async with self._exchange_turn:
            await run_in_threadpool(self._exchange.export, export)
        return JSONResponse({})

    async def operations(self, request: Request) -> Response:
        page, per_page = operations_page(request.query_params)
        found = self._exchange.operations()
        return JSONResponse(found[(page - 1) * per_page : page * per_page])

    async def operation(self, request: Request) -> Response:
        return JSONResponse(self._exchange.operation(request.path_params["operation_id"]))

    async def delete(self, request: Request) -> Response:
        (path,) = required(request.query_params, "path")
        await run_in_threadpool(self._storage.delete, path)
        return JSONResponse({})

    async def copy(self, request: Request) -> Response:
        source, target = required(request.query_params, "source", "target")
        await run_in_threadpool(self._storage.copy, source, target)
        return JSONResponse({}, HTTPStatus.OK)


def _listed(entry: dict[str, Any]) -> dict[str, Any]:
    created = datetime.fromtimestamp(entry["created_s"], timezone.utc)
    return {
        "name": entry["name"] if entry["is_directory"] else str(PurePosixPath(entry["name"])),
        "size_bytes": entry["size_bytes"],
        "creation_time": created.isoformat(timespec="microseconds"),
        "is_directory": entry["is_directory"],
        "provider_id": "LOCAL",
        "region": REGION,
    }
