"""Requests over HTTP: the only module that sends anything.

`ApiTransport` speaks to the service: one origin, the key in a header, no redirects followed.
`LinkTransport` reads and writes what lies behind signed links: no key, no cookies, byte ranges.
Both have time limits on every request and turn foreign exceptions into ours, without a chain: the
exceptions below hold the request, so the key or a signed link.
"""

from __future__ import annotations

import contextlib
import contextvars
import datetime as dt
import email.utils
import ipaddress
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, TypeVar
from urllib.parse import SplitResult, urljoin, urlsplit

from inductiva_widgets.api.config import ApiKey, is_loopback
from inductiva_widgets.errors import (
    ApiError,
    AuthenticationError,
    BadPayloadError,
    ConfigurationError,
    InductivaWidgetsError,
    NotFoundError,
    RateLimitedError,
    ServerError,
    ServiceConnectionError,
    ServiceTimeoutError,
)
from inductiva_widgets.formats import safe_text

if TYPE_CHECKING:
    from types import TracebackType

    import requests
    from typing_extensions import Self

__all__ = ["ApiReply", "ApiTransport", "LinkReply", "LinkTransport", "Timeouts"]

JSON_LIMIT_BYTES = 32 * 1000 * 1000  # the largest page of 500 tasks seen is 1 MB
RETRY_AFTER_LIMIT_S = 60.0  # a longer wait is for the caller to decide
RETRIES = 4
MAX_LINK_REDIRECTS = 5
POOL_CONNECTIONS = 16
_SIGNED = re.compile(r"(https?://[^\s?\"']*)\?[^\s\"']+")

T = TypeVar("T")
Query = Mapping[str, str | int | bool | Sequence[str]]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits in seconds: for the connection, and for each wait for bytes."""

    connect_s: float = 10.0
    read_s: float = 30.0


@dataclass(frozen=True, slots=True)
class ApiReply:
    """Answer of the service: status below 300, whole body, the service's clock."""

    status_code: int
    body: bytes
    date: dt.datetime | None


class ApiTransport:
    """Sends requests to one origin with one key. Safe to share between threads.

    GET requests are retried on 429, 5xx and connection errors with jittered back-off that honours
    Retry-After; requests that change something are sent once.
    """

    def __init__(
        self,
        base_url: str,
        key: ApiKey,
        *,
        user_agent: str,
        timeouts: Timeouts | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._base_url = base_url
        self._key = key
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
            _close(session)

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: bytes | None = None,
        retry: bool,
    ) -> ApiReply:
        headers = {"X-API-Key": self._key.reveal(), "User-Agent": self._user_agent}
        if body is not None:
            headers["Content-Type"] = "application/json"

        def exchange() -> tuple[requests.Response, bytes]:
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
                return response, _read_limited(response, JSON_LIMIT_BYTES)

        response, content = _calling(urlsplit(self._base_url).netloc, exchange)
        if response.status_code >= 300:
            raise self._error(response, content)
        return ApiReply(response.status_code, content, _server_date(response.headers.get("Date")))

    def _session(self, retry: bool) -> requests.Session:  # noqa: FBT001 - the key of a table
        with self._lock:
            session = self._sessions.get(retry)
            if session is None:
                attempts = RETRIES if retry else 0
                session = _new_session(
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
            return NotFoundError(f"Not found: {detail}", status_code=code)
        if code == 429:
            wait = _retry_after(response.headers.get("Retry-After"))
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
        return ApiError(f"The service refused the request ({code}): {detail}", status_code=code)

    def _redact(self, text: str) -> str:
        return _SIGNED.sub(r"\1?…", text.replace(self._key.reveal(), "<API key>"))


class LinkReply:
    """Answer behind a signed link, its body not yet read. Use as a context manager."""

    def __init__(self, response: requests.Response, host: str) -> None:
        self._response = response
        self._host = host
        self.status_code: int = response.status_code
        self.headers: Mapping[str, str] = response.headers

    @property
    def etag(self) -> str | None:
        """Strong entity tag, or `None`: weak ones prove nothing about bytes."""
        tag = self.headers.get("ETag")
        return tag if tag and not tag.startswith("W/") else None

    @property
    def content_range(self) -> tuple[int, int, int | None] | None:
        """`(start, end, total)` of a 206, end exclusive; `None` when absent or unreadable."""
        match = re.fullmatch(
            r"bytes\s+(\d{1,18})-(\d{1,18})/(\d{1,18}|\*)",
            self.headers.get("Content-Range", "").strip(),
        )
        if match is None:
            return None
        total = None if match[3] == "*" else int(match[3])
        return int(match[1]), int(match[2]) + 1, total

    @property
    def content_length(self) -> int | None:
        """Announced bytes of this answer's body."""
        text = self.headers.get("Content-Length") or self.headers.get("x-content-length") or ""
        return int(text) if re.fullmatch(r"\d{1,18}", text) else None

    @property
    def retry_after_s(self) -> float | None:
        """Seconds that the storage asks to wait, `None` when it does not say."""
        return _retry_after(self.headers.get("Retry-After"))

    def iter_bytes(self, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
        """The body in pieces, as sent (no decoding). A cut or stalled body raises.

        Raises:
            ServiceConnectionError: The connection broke, or gave less than announced.
            ServiceTimeoutError: No byte came for the read time limit.
        """
        raw = self._response.raw
        while piece := _calling(self._host, lambda: raw.read(chunk_bytes, decode_content=False)):
            yield piece

    def abort(self) -> None:
        """Ends a read that another thread waits in: closing alone would not wake it."""
        shutdown = getattr(self._response.raw, "shutdown", None)  # urllib3 >= 2.3
        if shutdown is not None:
            with contextlib.suppress(OSError, RuntimeError, ValueError):  # already at its end
                shutdown()

    def close(self) -> None:
        """Gives the connection back, or drops it when the body was not read to its end."""
        self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()


class LinkTransport:
    """Reads and writes behind signed links. Safe to share between threads."""

    def __init__(self, *, timeouts: Timeouts | None = None) -> None:
        self._timeouts = timeouts or Timeouts()
        self._lock = threading.Lock()
        self._sessions: dict[bool, requests.Session] = {}

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> LinkReply:
        """GET with the given headers (`Range`, `If-Match` …); redirects over https are followed.

        Any HTTP status is returned, not raised: what 403 or 412 means is for the caller to say.

        Raises:
            ServiceConnectionError: No answer; the message names the host only.
        """
        for _ in range(MAX_LINK_REDIRECTS + 1):
            reply = self._send("GET", url, headers=headers)
            target = reply.headers.get("Location")
            if reply.status_code not in (301, 302, 303, 307, 308) or not target:
                return reply
            reply.close()
            url = _redirect_target(url, target)
        raise ServiceConnectionError(f"Too many redirects from {urlsplit(url).hostname}.")

    def put(self, url: str, body: IO[bytes]) -> None:
        """Uploads a file, chunked, as the official client does; only 200 is success."""
        headers = {"Content-Type": "application/octet-stream"}
        with self._send("PUT", url, headers=headers, body=_pieces(body)) as reply:
            if reply.status_code != 200:
                raise ServerError(
                    f"The storage refused the upload ({reply.status_code}).",
                    status_code=reply.status_code,
                )

    def close(self) -> None:
        """Closes all connections; the transport can be used again afterwards."""
        with self._lock:
            sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            _close(session)

    def _send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None,
        body: Iterator[bytes] | None = None,
    ) -> LinkReply:
        parts = _split(url)
        host = parts.hostname or ""
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
            raise ConfigurationError(f"The link to {host or 'nowhere'} is neither https nor local.")
        # Offsets count stored bytes, so no content coding may stand between.
        sent = {"Accept-Encoding": "identity", **(headers or {})}
        shown = parts.netloc.rpartition("@")[2]

        def exchange() -> requests.Response:
            token = _behind_link.set(True)
            try:
                return self._session(host).request(
                    method,
                    url,
                    headers=sent,
                    data=body,
                    timeout=(self._timeouts.connect_s, self._timeouts.read_s),
                    allow_redirects=False,
                    stream=True,
                )
            finally:
                _behind_link.reset(token)

        return LinkReply(_calling(shown, exchange), shown)

    def _session(self, host: str) -> requests.Session:
        local = is_loopback(host)
        with self._lock:
            if local not in self._sessions:
                self._sessions[local] = _new_session(host, 0, time.sleep)
            return self._sessions[local]


def _new_session(host: str, retries: int, sleep: Callable[[float], None]) -> requests.Session:
    import requests  # loads here: `import inductiva_widgets` must not pay for it
    from requests.adapters import HTTPAdapter
    from requests.cookies import RequestsCookieJar

    class NoCookies(RequestsCookieJar):
        def set_cookie(self, cookie: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
            """Keeps nothing: a session shared by threads must not remember."""

    class Session(requests.Session):
        def get_redirect_target(self, resp: requests.Response) -> None:
            """None: else a redirect's body is read whole, and an odd target raises, unasked."""

    for name in ("urllib3.connectionpool", "urllib3.util.retry"):
        logging.getLogger(name).addFilter(_hide_signature)  # adding it twice does nothing
    session = Session()
    session.cookies = NoCookies()
    # An explicit auth keeps `requests` from adding credentials of ~/.netrc.
    session.auth = lambda request: request
    # A proxy set for the outside world must not catch what goes to this machine.
    session.trust_env = not is_loopback(host)
    adapter = HTTPAdapter(
        pool_maxsize=POOL_CONNECTIONS, max_retries=_retry_policy(retries, sleep), pool_block=False
    )
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _close(session: requests.Session) -> None:
    """Closes the connections now: urllib3 waits until nobody, no traceback either, holds a pool."""
    for adapter in session.adapters.values():
        pools: Any = getattr(getattr(adapter, "poolmanager", None), "pools", {})
        for key in pools.keys():  # noqa: SIM118 - urllib3's container has no iterator
            with contextlib.suppress(KeyError):  # another thread was faster
                pools[key].close()
    session.close()


def _retry_policy(retries: int, sleep: Callable[[float], None]) -> Any:  # noqa: ANN401
    from urllib3.exceptions import MaxRetryError
    from urllib3.util.retry import Retry

    class Policy(Retry):
        """urllib3's policy; a Retry-After beyond the limit ends it instead of blocking."""

        def increment(self, *args: Any, **kwargs: Any) -> Policy:  # noqa: ANN401 - urllib3's own
            response = kwargs.get("response")
            wait = _retry_after(response.headers.get("Retry-After")) if response else None
            if wait is not None and wait > RETRY_AFTER_LIMIT_S:
                raise MaxRetryError(kwargs["_pool"], "", None)
            return super().increment(*args, **kwargs)

        def sleep(self, response: Any = None) -> None:  # noqa: ANN401
            wait = _retry_after(response.headers.get("Retry-After")) if response else None
            sleep(wait if wait is not None else self.get_backoff_time())

    return Policy(
        total=retries,
        redirect=0,
        status_forcelist=(429, 500, 502, 503, 504),
        allowed_methods=("GET",),
        backoff_factor=0.5,
        backoff_max=8.0,
        backoff_jitter=0.5,
        raise_on_status=False,
        raise_on_redirect=False,
    )


def _calling(host: str, call: Callable[[], T]) -> T:
    """Result of the call; exceptions of the HTTP libraries become ours, without their texts."""
    try:
        return call()
    except InductivaWidgetsError:
        raise
    except Exception as error:
        ours = _ours(error, host)
        if ours is None:
            raise
    # Raised out here, so that it has no `__context__`: that one would hold the request.
    raise ours


def _ours(error: Exception, host: str) -> InductivaWidgetsError | None:
    import requests
    import urllib3.exceptions as low

    # After its retries urllib3 says what the last of them met.
    last = getattr(error.args[0], "reason", None) if error.args else None
    waited = isinstance(last, low.TimeoutError) and not isinstance(last, low.NewConnectionError)
    if waited or isinstance(error, (requests.Timeout, low.TimeoutError, TimeoutError)):
        return ServiceTimeoutError(
            f"No answer from {host} in time.",
            hint="Check the network, or try again.",
        )
    if isinstance(error, (requests.exceptions.SSLError, low.SSLError)):
        return ServiceConnectionError(
            f"The secure connection to {host} failed: its certificate is not trusted.",
            hint="Behind an inspecting proxy set REQUESTS_CA_BUNDLE to its certificate.",
        )
    if isinstance(error, (requests.RequestException, low.HTTPError, OSError)):
        return ServiceConnectionError(
            f"No connection to {host}.",
            hint="Check the address, the network, and the proxy or VPN settings.",
        )
    return None


_behind_link = contextvars.ContextVar("inductiva_widgets_behind_link", default=False)


def _hide_signature(record: logging.LogRecord) -> bool:
    """Cuts the query off the addresses that urllib3 logs at DEBUG: in ours it is a signature."""
    if _behind_link.get() and isinstance(record.args, tuple):
        record.args = tuple(
            item.partition("?")[0] if isinstance(item, str) else item for item in record.args
        )
    return True


def _read_limited(response: requests.Response, limit_bytes: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    for piece in response.iter_content(1 << 16):
        size += len(piece)
        if size > limit_bytes:
            raise BadPayloadError(f"The service's answer is larger than {limit_bytes} bytes.")
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


def _retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header: a number or an HTTP date; `None` for anything else."""
    if value is None:
        return None
    value = value.strip()
    if re.fullmatch(r"\d{1,12}", value):
        return float(value)
    moment = _server_date(value)
    if moment is None:
        return None
    return max(0.0, (moment - dt.datetime.now(dt.timezone.utc)).total_seconds())


def _server_date(value: str | None) -> dt.datetime | None:
    try:
        moment = email.utils.parsedate_to_datetime(value) if value else None
    except (TypeError, ValueError, OverflowError):
        return None
    if moment is not None and moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.timezone.utc)
    return moment


def _redirect_target(source: str, location: str) -> str:
    old = _split(source)
    try:
        target = urljoin(source, location)
        new = urlsplit(target)
    except ValueError:
        new = SplitResult("", "", "", "", "")
    inward = _is_inward(new.hostname or "") and not is_loopback(old.hostname or "")
    if (
        new.scheme not in ("http", "https")
        or inward
        or (old.scheme, new.scheme) == ("https", "http")
    ):
        raise ServiceConnectionError(
            f"The storage redirects from {old.hostname} to a place that is not followed."
        )
    return target


def _is_inward(host: str) -> bool:
    """Whether a host is this machine or a service of its cloud that trusts it (169.254.169.254)."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host.rstrip(".").rpartition(".")[2].lower() == "localhost"
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_link_local or address.is_unspecified


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        pass
    raise BadPayloadError("The service gave a link that is no address.")


def _pieces(body: IO[bytes], piece_bytes: int = 1 << 20) -> Iterator[bytes]:
    while piece := body.read(piece_bytes):
        yield piece
