"""The application: every route, the errors as the contract wants them, and what they share."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import JSONResponse

from inductiva_widgets.errors import NotFoundError, UserInputError
from inductiva_widgets.local.guard import Guard
from inductiva_widgets.local.inquiries import Fault, InvalidRequestError
from inductiva_widgets.local.storage import LinkRefusedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ExceptionHandler

    from inductiva_widgets.local.runner import Runner
    from inductiva_widgets.local.settings import EngineSettings
    from inductiva_widgets.local.storage import Storage
    from inductiva_widgets.local.store import Store
    from inductiva_widgets.local.views import Machine

__all__ = ["Engine", "build_app", "detail", "read_json"]


@dataclass(frozen=True, slots=True)
class Engine:
    """What the routes work on."""

    settings: EngineSettings
    store: Store
    storage: Storage
    runner: Runner
    machine: Machine
    created: str


def build_app(engine: Engine, *, port: int, keys: Sequence[str], proof_key: str) -> Starlette:
    """The application of one engine.

    Args:
        engine: What the routes work on.
        port: Where it listens; requests for other hosts are refused.
        keys: Accepted API keys.
        proof_key: The key by which the engine proves itself to `local.find`.
    """
    # These modules take `Engine` and the helpers from here.
    from inductiva_widgets.local.mailbox import mailbox_routes
    from inductiva_widgets.local.routes_account import account_routes
    from inductiva_widgets.local.routes_storage import storage_routes
    from inductiva_widgets.local.routes_tasks import task_routes

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await run_in_threadpool(engine.runner.start)
        try:
            yield
        finally:
            await run_in_threadpool(engine.runner.stop)

    handlers: dict[Any, ExceptionHandler] = {
        HTTPException: _on_http_error,
        InvalidRequestError: _on_invalid,
        LinkRefusedError: _on_refused_link,
        NotFoundError: _on_not_found,
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
            *mailbox_routes(engine),
            *storage_routes(engine),
            *account_routes(engine, proof_key=proof_key),
        ],
        middleware=[guard],
        exception_handlers=handlers,
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # an unknown route is a 404, not a guess
    return app


def detail(status: int, text: str) -> JSONResponse:
    """An error reply (contract § 1)."""
    return JSONResponse({"detail": text}, status)


async def read_json(request: Request, limit_bytes: int) -> object:
    """JSON body of a request, read with a limit whatever its headers promise.

    Raises:
        InvalidRequestError: It is no JSON.
        HTTPException: It is too long.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit_bytes:
            raise HTTPException(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body is larger than {limit_bytes} bytes."
            )
    try:
        found: object = json.loads(body, parse_constant=_refuse_constant)
        # Half of a surrogate pair can be stored but never sent again: refuse it at the door.
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError(
            Fault(("body",), "the body is no JSON", "json_invalid")
        ) from error
    return found


def _refuse_constant(text: str) -> object:
    raise ValueError(f"{text} is no JSON")


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


async def _on_not_found(_request: Request, error: Exception) -> Response:
    return detail(HTTPStatus.NOT_FOUND, str(error))


async def _on_bad_input(_request: Request, error: Exception) -> Response:
    return detail(HTTPStatus.BAD_REQUEST, str(error))


async def _on_failure(_request: Request, _error: Exception) -> Response:
    return detail(HTTPStatus.INTERNAL_SERVER_ERROR, "The local engine failed; see its log.")
