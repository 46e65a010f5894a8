"""What the routes share: the engine's parts, error replies, and bodies read with a limit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from inductiva_widgets.local.inquiries import Fault, InvalidRequestError

if TYPE_CHECKING:
    from starlette.requests import Request

    from inductiva_widgets.local.runner import Runner
    from inductiva_widgets.local.settings import EngineSettings
    from inductiva_widgets.local.storage import Storage
    from inductiva_widgets.local.store import Store
    from inductiva_widgets.local.views import Machine

__all__ = ["Engine", "detail", "read_json"]


@dataclass(frozen=True, slots=True)
class Engine:
    """What the routes work on."""

    settings: EngineSettings
    store: Store
    storage: Storage
    runner: Runner
    machine: Machine
    created: str


def detail(status: int, text: str) -> JSONResponse:
    """An error reply: `{"detail": …}`."""
    return JSONResponse({"detail": text}, status)


async def read_json(request: Request, limit_bytes: int) -> object:
    """JSON body of a request, read with a limit whatever its headers promise.

    Raises:
        InvalidRequestError: It is not JSON.
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
