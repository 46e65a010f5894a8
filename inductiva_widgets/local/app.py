"""The application: every route, and the errors in the form of the service."""

from __future__ import annotations

import errno
import logging
import sqlite3
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse

from inductiva_widgets.errors import NotFoundError, UserInputError
from inductiva_widgets.local.disk import is_disk_full
from inductiva_widgets.local.engine import Engine, detail
from inductiva_widgets.local.guard import Guard
from inductiva_widgets.local.inquiries import InvalidRequestError
from inductiva_widgets.local.live_peer import Peers
from inductiva_widgets.local.live_routes import live_routes
from inductiva_widgets.local.mailbox import mailbox_routes
from inductiva_widgets.local.routes_account import account_routes
from inductiva_widgets.local.routes_storage import storage_routes
from inductiva_widgets.local.routes_tasks import task_routes
from inductiva_widgets.local.storage import LinkRefusedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ExceptionHandler

__all__ = ["build_app"]

logger = logging.getLogger(__name__)

IN_THE_WAY = frozenset({errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY})


def build_app(engine: Engine, *, port: int, keys: Sequence[str], proof_key: str) -> Starlette:
    """The application of one engine.

    Args:
        engine: What the routes work on.
        port: Where it listens; requests for other hosts are refused.
        keys: Accepted API keys.
        proof_key: The key by which the engine proves itself to `local.find`.
    """
    peers = Peers(engine)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await run_in_threadpool(engine.runner.start)
        try:
            yield
        finally:
            await run_in_threadpool(peers.close)
            await run_in_threadpool(engine.runner.stop)

    handlers: dict[Any, ExceptionHandler] = {
        HTTPException: _on_http_error,
        ClientDisconnect: _on_lost_client,
        InvalidRequestError: _on_invalid,
        LinkRefusedError: _on_refused_link,
        NotFoundError: _on_not_found,
        OSError: _on_os_error,
        sqlite3.OperationalError: _on_database_error,
        UserInputError: _on_bad_input,
        Exception: _on_failure,
    }
    guard = Middleware(
        Guard,
        port=port,
        keys=keys,
        json_limit_bytes=engine.settings.json_limit_bytes,
        upload_limit_bytes=engine.settings.upload_limit_bytes,
    )
    app = Starlette(
        routes=[
            *task_routes(engine),
            *live_routes(engine),
            *mailbox_routes(engine, peers),
            *storage_routes(engine),
            *account_routes(engine, proof_key=proof_key),
        ],
        middleware=[guard],
        exception_handlers=handlers,
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # an unknown route is a 404, not a guess
    return app


async def _on_http_error(_request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", HTTPStatus.INTERNAL_SERVER_ERROR)
    headers = getattr(error, "headers", None)
    text = getattr(error, "detail", "") or HTTPStatus(status).phrase
    return JSONResponse({"detail": text}, status, headers=headers)


async def _on_invalid(_request: Request, error: Exception) -> Response:
    faults = getattr(error, "faults", ())
    return JSONResponse({"detail": [fault.to_json() for fault in faults]}, 422)


async def _on_refused_link(_request: Request, error: Exception) -> Response:
    return detail(HTTPStatus.FORBIDDEN, str(error))


async def _on_lost_client(_request: Request, _error: Exception) -> Response:
    return detail(HTTPStatus.BAD_REQUEST, "The connection ended inside the body.")


async def _on_not_found(_request: Request, error: Exception) -> Response:
    return detail(HTTPStatus.NOT_FOUND, str(error))


async def _on_bad_input(_request: Request, error: Exception) -> Response:
    return detail(HTTPStatus.BAD_REQUEST, str(error))


async def _on_os_error(_request: Request, error: Exception) -> Response:
    number = getattr(error, "errno", None)
    if number in IN_THE_WAY:
        text = "A file is where this path needs a folder, or a folder where it needs a file."
        return detail(HTTPStatus.CONFLICT, text)
    if number == errno.ENOENT:
        return detail(HTTPStatus.NOT_FOUND, "It was removed meanwhile.")
    if is_disk_full(error):
        return _disk_full()
    logger.error("A request failed", exc_info=error)
    return detail(HTTPStatus.INTERNAL_SERVER_ERROR, "The local engine failed; see its log.")


async def _on_database_error(_request: Request, error: Exception) -> Response:
    if is_disk_full(error):
        return _disk_full()
    logger.error("A request failed", exc_info=error)
    return detail(HTTPStatus.INTERNAL_SERVER_ERROR, "The task database failed; see the log.")


def _disk_full() -> Response:
    return detail(HTTPStatus.INSUFFICIENT_STORAGE, "The disk of the local engine is full.")


async def _on_failure(_request: Request, _error: Exception) -> Response:
    return detail(HTTPStatus.INTERNAL_SERVER_ERROR, "The local engine failed; see its log.")
