"""Requests to the service: one origin, the key in a header, no redirects followed."""

from __future__ import annotations

import functools
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from inductiva_widgets.api.sessions import (
    Timeouts,
    calling,
    close_session,
    new_session,
    retry_after_s,
    server_date,
)
from inductiva_widgets.errors import (
    ApiError,
    AuthenticationError,
    BadPayloadError,
    InductivaWidgetsError,
    NotFoundError,
    RateLimitedError,
    ServerError,
    ServiceTimeoutError,
)
from inductiva_widgets.formats import safe_text

if TYPE_CHECKING:
    import datetime as dt

    import requests

    from inductiva_widgets.api.config import ApiKey
    from inductiva_widgets.api.credentials import Credentials

__all__ = ["ApiReply", "ApiTransport", "Query"]

JSON_LIMIT_BYTES = 32 * 1000 * 1000  # the largest page of 500 tasks seen is 1 MB
WITHIN_S = 120.0  # from an answer's head to its end: one that comes drop by drop never stalls
RETRIES = 4
_SIGNED = re.compile(r"(https?://[^\s?\"']*)\?[^\s\"']+")

Query = Mapping[str, str | int | bool | Sequence[str]]


@dataclass(frozen=True, slots=True)
class ApiReply:
    """Answer of the service: status below 300, whole body, the service's clock."""

    status_code: int
    body: bytes
    date: dt.datetime | None


class ApiTransport:
    """Sends requests to one origin with its key. Safe to share between threads.

    GET requests are retried on 429, 5xx and connection errors with jittered back-off that honours
    Retry-After; requests that change something are sent once. What is refused with a key (401) did
    nothing: it is sent again when there is another key by then.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        user_agent: str,
        timeouts: Timeouts | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._base_url = credentials.config.url
        self._credentials = credentials
        self._user_agent = user_agent
        self._timeouts = timeouts or Timeouts()
        self._sleep = sleep
        self._lock = threading.Lock()
        self._sessions: dict[bool, requests.Session] = {}

    def get(self, path: str, query: Query | None = None, *, retry: bool = True) -> ApiReply:
        """GET `path`; `retry=False` is for callers with a schedule of their own."""
        return self._request("GET", path, query=query, retry=retry)

    def send(
        self, method: str, path: str, *, query: Query | None = None, body: bytes | None = None
    ) -> ApiReply:
        """A request that changes something: sent exactly once."""
        return self._request(method, path, query=query, body=body, retry=False)

    def close(self) -> None:
        """Closes all connections; the transport can be used again afterwards."""
        with self._lock:
            sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            close_session(session)

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: bytes | None = None,
        retry: bool,
    ) -> ApiReply:
        def exchange(key: ApiKey) -> tuple[requests.Response, bytes]:
            # Made in here: some tracebacks show the locals of the frames that they list, and this
            # frame is in none of them.
            headers = {"X-API-Key": key.reveal(), "User-Agent": self._user_agent}
            if body is not None:
                headers["Content-Type"] = "application/json"
            with self._session(retry).request(
                method,
                self._base_url + path,
                params=_encode_query(query),
                data=body,
                headers=headers,
                timeout=(self._timeouts.connect_s, self._timeouts.read_s),
                allow_redirects=False,
                stream=True,
            ) as response:
                return response, _read_limited(response, JSON_LIMIT_BYTES, WITHIN_S)

        host = urlsplit(self._base_url).netloc
        while True:
            key = self._credentials.config.key
            response, content = calling(host, functools.partial(exchange, key))
            refused = response.status_code == HTTPStatus.UNAUTHORIZED
            if not (refused and self._credentials.renew(key)):
                break
        if response.status_code >= 300:
            raise self._error(response, content)
        return ApiReply(response.status_code, content, server_date(response.headers.get("Date")))

    def _session(self, retry: bool) -> requests.Session:  # noqa: FBT001 - the key of a table
        with self._lock:
            session = self._sessions.get(retry)
            if session is None:
                attempts = RETRIES if retry else 0
                session = new_session(
                    urlsplit(self._base_url).hostname or "", attempts, self._sleep
                )
                self._sessions[retry] = session
            return session

    def _error(self, response: requests.Response, content: bytes) -> InductivaWidgetsError:
        code = response.status_code
        detail = _detail(content, self._redact) or self._redact(response.reason or "")
        detail = safe_text(detail) or "no reason given"
        if code < 400:
            return AuthenticationError(
                f"The service answered with a redirect ({code}), which is not followed.",
                hint="Check INDUCTIVA_API_URL: the key is sent to the configured address only.",
                status_code=code,
            )
        if code in (401, 403):
            return AuthenticationError(
                f"The service refused the API key ({code}): {detail}",
                hint="Check the key: INDUCTIVA_API_KEY, or `inductiva-widgets auth login`.",
                status_code=code,
            )
        if code == 404:
            return NotFoundError(f"The service has nothing there (404): {detail}", status_code=code)
        if code == 429:
            wait = retry_after_s(response.headers.get("Retry-After"))
            return RateLimitedError(
                "The service asks to slow down (429).",
                hint=f"Try again in {wait:.0f} s." if wait is not None else "Try again later.",
                retry_after_s=wait,
            )
        if code >= 500:
            return ServerError(
                f"The service failed ({code}): {detail}",
                hint="This is on the service's side; try again later.",
                status_code=code,
            )
        return ApiError(
            f"The service refused the request ({code}): {detail}",
            hint="Change what it names, then try again.",
            status_code=code,
        )

    def _redact(self, text: str) -> str:
        return _SIGNED.sub(r"\1?…", self._credentials.redact(text))


def _read_limited(response: requests.Response, limit_bytes: int, within_s: float) -> bytes:
    give_up_at = time.monotonic() + within_s
    pieces: list[bytes] = []
    size = 0
    # What has come, however little: `iter_content` would wait until a piece is full.
    while piece := response.raw.read1(1 << 16, decode_content=True):
        size += len(piece)
        if size > limit_bytes:
            raise BadPayloadError(f"The service's answer is larger than {limit_bytes} bytes.")
        if time.monotonic() > give_up_at:
            raise ServiceTimeoutError(
                f"Only {size} bytes of the service's answer came in {within_s:.0f} s.",
                hint="Check the network, or try again.",
            )
        pieces.append(piece)
    return b"".join(pieces)


def _encode_query(query: Query | None) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name, value in (query or {}).items():
        if isinstance(value, bool):
            pairs.append((name, "true" if value else "false"))
        elif isinstance(value, (str, int)):
            pairs.append((name, str(value)))
        else:
            pairs.extend((name, item) for item in value)
    return pairs


def _detail(content: bytes, redact: Callable[[str], str]) -> str:
    """What an error says, redacted before it is cut: half a key is no secret any more."""
    import msgspec

    try:
        decoded = msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return safe_text(redact(content[:4096].decode("utf-8", "replace")), 80)
    detail = decoded.get("detail") if isinstance(decoded, dict) else decoded
    if isinstance(detail, list):  # 422: a list of {"loc", "msg", "type"}
        items = [item for item in detail if isinstance(item, dict)]
        return safe_text(redact("; ".join(map(_complaint, items))))
    return safe_text(redact(str(detail))) if detail is not None else ""


def _complaint(item: dict[str, Any]) -> str:
    place = item.get("loc")
    where = ".".join(map(str, place)) if isinstance(place, list) else str(place or "")
    return f"{where}: {item.get('msg', '')}"
