"""Who may talk to the engine: the first check of every request.

A page in the user's browser can reach a port on this machine. It is kept out by its Origin and by
the Host header (which a page on a rebound name cannot choose); other users of the machine are
kept out by the key.
"""

from __future__ import annotations

import hmac
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["SIGNED_PREFIX", "Guard"]

SIGNED_PREFIX = "/signed/"
MAX_DIGITS = 18
MAX_HEADERS = 100
MAX_HEADER_BYTES = 32 * 1024  # all of them
MAX_TARGET_BYTES = 64 * 1024  # a query may name many paths
# The official client asks for the catalogue without a key.
OPEN_PATHS = frozenset({"/version", "/version-check", "/simulators/available-images"})


class Guard:
    """Checks sizes, Host, Origin and key, before any route is looked up.

    Args:
        app: The application behind it.
        port: Port of the engine; part of the accepted Host headers.
        keys: Accepted API keys.
        json_limit_bytes: Largest body, but for uploads.
        upload_limit_bytes: Largest upload.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        port: int,
        keys: Sequence[str],
        json_limit_bytes: int,
        upload_limit_bytes: int,
    ) -> None:
        self._app = app
        self._hosts = frozenset(f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]"))
        self._origins = frozenset(f"http://{host}" for host in self._hosts)
        self._keys = tuple(key.encode() for key in keys)
        self._json_limit_bytes = json_limit_bytes
        self._upload_limit_bytes = upload_limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or answers it with what is wrong."""
        if scope["type"] == "http":
            refused = self._refusal(scope)
            if refused is not None:
                status, detail = refused
                await JSONResponse({"detail": detail}, status)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> tuple[HTTPStatus, str] | None:
        too_long = _too_long(scope)
        if too_long is not None:
            return too_long
        headers = Headers(scope=scope)
        path = str(scope["path"])
        signed = path.startswith(SIGNED_PREFIX)
        if [host.lower() for host in headers.getlist("host")] not in [
            [host] for host in self._hosts
        ]:
            return HTTPStatus.FORBIDDEN, "This host name is not served here."
        if not self._origin_fits(headers, navigable=signed and scope["method"] in ("GET", "HEAD")):
            return HTTPStatus.FORBIDDEN, "Requests from other sites are refused."
        limit = self._upload_limit_bytes if signed else self._json_limit_bytes
        length = headers.get("content-length", "0")
        if len(length) > MAX_DIGITS or not length.isdecimal() or int(length) > limit:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body is larger than {limit} bytes."
        if not signed and path not in OPEN_PATHS and not self._key_fits(headers):
            return HTTPStatus.UNAUTHORIZED, "The API key is missing or wrong."
        return None

    def _origin_fits(self, headers: Headers, *, navigable: bool) -> bool:
        if any(origin not in self._origins for origin in headers.getlist("origin")):
            return False
        # A signed link may be clicked on any page: it is itself the permission.
        return navigable or headers.get("sec-fetch-site", "none") in ("none", "same-origin")

    def _key_fits(self, headers: Headers) -> bool:
        given = headers.getlist("x-api-key")
        if len(given) != 1:
            return False
        raw = given[0].encode()
        # No short cut on the first match: the time must not reveal which key it was.
        return sum(hmac.compare_digest(raw, key) for key in self._keys) > 0


def _too_long(scope: Scope) -> tuple[HTTPStatus, str] | None:
    fields = scope["headers"]
    size = sum(len(name) + len(value) for name, value in fields)
    if len(fields) > MAX_HEADERS or size > MAX_HEADER_BYTES:
        text = f"More than {MAX_HEADERS} headers, or {MAX_HEADER_BYTES} bytes of them."
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, text
    if len(scope["raw_path"]) + len(scope["query_string"]) > MAX_TARGET_BYTES:
        return HTTPStatus.REQUEST_URI_TOO_LONG, f"The address is over {MAX_TARGET_BYTES} bytes."
    return None
