"""Requests behind signed links: no key, no cookies, byte ranges, bounded redirects."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import threading
import time
from typing import IO, TYPE_CHECKING
from urllib.parse import SplitResult, urljoin, urlsplit

from inductiva_widgets.api.config import is_loopback
from inductiva_widgets.api.sessions import (
    Timeouts,
    behind_link,
    calling,
    close_session,
    new_session,
    open_connections,
    retry_after_s,
    split_link,
)
from inductiva_widgets.errors import ConfigurationError, ServerError, ServiceConnectionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

    import requests
    from typing_extensions import Self

__all__ = ["LinkReply", "LinkTransport"]

MAX_LINK_REDIRECTS = 5


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
        return retry_after_s(self.headers.get("Retry-After"))

    def iter_bytes(self, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
        """The body in pieces as they come, as sent (no decoding). A cut or stalled body raises.

        Raises:
            ServiceConnectionError: The connection broke, or gave less than announced.
            ServiceTimeoutError: No byte came for the read time limit.
        """
        raw = self._response.raw
        while piece := calling(self._host, lambda: raw.read1(chunk_bytes, decode_content=False)):
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

    def open_connections(self, url: str, count: int) -> int:
        """Opens connections for requests to come and waits for them; how many it could."""
        session = self._session(split_link(url).hostname or "")
        return open_connections(session, url, count, self._timeouts.connect_s)

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
            close_session(session)

    def _send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None,
        body: Iterator[bytes] | None = None,
    ) -> LinkReply:
        parts = split_link(url)
        host = parts.hostname or ""
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
            raise ConfigurationError(f"The link to {host or 'nowhere'} is neither https nor local.")
        # Offsets count stored bytes, so no content coding may stand between.
        sent = {"Accept-Encoding": "identity", **(headers or {})}
        shown = parts.netloc.rpartition("@")[2]

        def exchange() -> requests.Response:
            token = behind_link.set(True)
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
                behind_link.reset(token)

        return LinkReply(calling(shown, exchange), shown)

    def _session(self, host: str) -> requests.Session:
        local = is_loopback(host)
        with self._lock:
            if local not in self._sessions:
                self._sessions[local] = new_session(host, 0, time.sleep)
            return self._sessions[local]


def _redirect_target(source: str, location: str) -> str:
    old = split_link(source)
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


def _pieces(body: IO[bytes], piece_bytes: int = 1 << 20) -> Iterator[bytes]:
    while piece := body.read(piece_bytes):
        yield piece
