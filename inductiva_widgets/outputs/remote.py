"""One archive behind a signed link: exact bytes of exactly one version of it.

Everything that can go wrong between here and the storage is dealt with in this file: dropped and
stalled connections, links that expire, answers that are not what was asked, an archive replaced in
mid-download. Signed links never enter a message.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from inductiva_widgets.errors import (
    BadArchiveError,
    IncompleteDownloadError,
    InductivaWidgetsError,
    LinkExpiredError,
    NotFoundError,
    RangeUnsupportedError,
    RateLimitedError,
    RemoteChangedError,
    ServerError,
    ServiceConnectionError,
)
from inductiva_widgets.formats import safe_text
from inductiva_widgets.outputs.ranges import ByteRange, split
from inductiva_widgets.outputs.stop import Stop, together

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from inductiva_widgets.api.links import LinkReply, LinkTransport

__all__ = ["LinkSource", "RemoteArchive", "RetryPolicy", "Version"]

REFUSED = (400, 401, 403, 410)  # how storages say that a signed link is over
SMALL_ARCHIVE_BYTES = 8 * 1000 * 1000  # read whole where the storage knows no ranges
RETRY_AFTER_LIMIT_S = 60.0
FIRST_RATE = 10e6  # bytes per second of one connection, until one was measured
RATE_SAMPLE_BYTES = 64 * 1024
WIDE_BYTES = 4 * 1000 * 1000  # a longer range comes by several connections at once
WIDE_CONNECTIONS = 4


class LinkSource(Protocol):
    """Where signed links come from; called from any thread, may ask the service."""

    def url(self) -> str:
        """The current link."""

    def renew(self, old_url: str) -> str:
        """A fresh link in place of `old_url`, which the storage refused."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Tries without progress before giving up, and the pause before each, doubling.

    A connection that gives less than `slow_bytes_per_s` for `slow_s` seconds counts as stalled.
    """

    tries: int = 5
    first_pause_s: float = 0.5
    longest_pause_s: float = 8.0
    slow_s: float = 60.0
    slow_bytes_per_s: int = 1024

    def pause_s(self, failures: int) -> float:
        """Seconds to wait after the given number of failures in a row (≥ 1)."""
        return min(self.longest_pause_s, self.first_pause_s * float(2 ** (failures - 1)))


@dataclass(frozen=True, slots=True)
class Version:
    """What identifies an archive among others of its name: size and strong entity tag."""

    total_bytes: int
    etag: str | None

    def differs(self, total_bytes: int | None, etag: str | None) -> str:
        """How another answer contradicts this version; empty when it does not."""
        if total_bytes is not None and total_bytes != self.total_bytes:
            return f"its size was {self.total_bytes} bytes and is {total_bytes} now"
        if self.etag is not None and etag is not None and etag != self.etag:
            return "its entity tag is another one"
        return ""


class RemoteArchive:
    """Reads byte ranges of one archive. Safe to share between threads.

    The first answer fixes the version; every later one must belong to it.

    Attributes:
        bytes_per_s: Rate of one connection, by what it gave so far.
        checksum: MD5 of the whole archive in base64, where the storage gives it.
    """

    def __init__(
        self, transport: LinkTransport, source: LinkSource, *, retry: RetryPolicy | None = None
    ) -> None:
        self._transport = transport
        self._source = source
        self._retry = retry or RetryPolicy()
        self._lock = threading.Lock()
        self._url: str | None = None
        self._version: Version | None = None
        self._is_replaced = False
        self._tail = b""
        self._answers_s: list[float] = []
        self._spare_connections = 0
        self.bytes_per_s = FIRST_RATE
        self.checksum = ""

    @property
    def round_trip_s(self) -> float:
        """Time that one request costs, by the fastest so far."""
        if not self._answers_s:
            return 0.0
        # The first request opens its connection as well: TCP and TLS take a round trip each.
        return min(self._answers_s) / (3 if len(self._answers_s) == 1 else 1)

    @property
    def spare_connections(self) -> int:
        """Connections opened ahead."""
        return self._spare_connections

    @property
    def is_replaced(self) -> bool:
        """Whether the storage has another archive now: no more can be read of this one."""
        return self._is_replaced

    @property
    def retry(self) -> RetryPolicy:
        """How often and how patiently requests are tried again."""
        return self._retry

    @property
    def version(self) -> Version | None:
        """The version all bytes come from; `None` before the first answer."""
        return self._version

    def tail(self, size_bytes: int, stop: Stop | None = None) -> bytes:
        """The last bytes, or the whole archive when it is not longer; fixes the version.

        Raises:
            RangeUnsupportedError: The storage sends the whole archive, and it is not small.
        """
        stop = stop or Stop()
        tail = self._persist(lambda: self._read_tail(size_bytes, stop), stop)
        version = self._version
        # A small archive has come whole: its files need no further request.
        self._tail = tail if version is not None and len(tail) == version.total_bytes else b""
        return tail

    def open_connections(self, count: int) -> None:
        """Opens connections for requests to come and waits for them.

        Done while the first answer is awaited, it saves each of them two round trips.
        """
        with self._lock:  # held while the link is being signed
            url = self._url
        if url is not None:
            self._spare_connections = self._transport.open_connections(url, count)

    def read(self, wanted: ByteRange, stop: Stop | None = None) -> bytes:
        """Bytes of one range at once."""
        return b"".join(self.stream(wanted, stop))

    def read_wide(self, wanted: ByteRange, stop: Stop | None = None) -> bytes:
        """Bytes of one range at once, by several connections when it is long."""
        if len(wanted) < WIDE_BYTES:
            return self.read(wanted, stop)
        parts = split([wanted], workers=WIDE_CONNECTIONS, chunk_bytes=len(wanted))
        stop = stop or Stop()
        return b"".join(together(stop, [partial(self.read, part, stop) for part in parts]))

    def stream(self, wanted: ByteRange, stop: Stop | None = None) -> Generator[bytes, None, None]:
        """Exactly the bytes of a range, in pieces as they come; resumes where a connection broke.

        Raises:
            IncompleteDownloadError: No progress in several tries.
            RemoteChangedError: The archive was replaced meanwhile.
            RangeUnsupportedError: The storage sends everything instead.
            LinkExpiredError: Even a fresh link is refused.
        """
        stop = stop or Stop()
        if self._tail:
            yield self._tail[wanted.start : wanted.end]
            return
        position, failures, slow = wanted.start, 0, 0
        while position < wanted.end:
            cause: InductivaWidgetsError
            try:
                for piece in self._attempt(ByteRange(position, wanted.end), stop):
                    position += len(piece)
                    failures = slow
                    yield piece
            except (ServiceConnectionError, _TransientError) as error:
                cause = error
            else:
                continue
            failures += 1
            if isinstance(cause, _SlowError):
                slow += 1  # a drip is progress, and must end all the same
            self._pause_or_give_up(cause, failures, stop)

    def whole(self, stop: Stop | None = None) -> Generator[bytes, None, None]:
        """The archive from its first byte to its last, for storages without ranges: one try."""
        stop = stop or Stop()
        try:
            with self._get({}, stop) as reply, stop.watching(reply):
                if reply.status_code != 200:
                    raise _refusal(reply)
                self._fix(reply.content_length, reply)
                yield from self._body(reply, reply.content_length, stop)
        except _TransientError as error:
            raise IncompleteDownloadError(error.message, hint=error.hint) from None

    def _persist(self, attempt: Callable[[], bytes], stop: Stop) -> bytes:
        failures = 0
        while True:
            try:
                return attempt()
            except (ServiceConnectionError, _TransientError) as error:
                failures += 1
                self._pause_or_give_up(error, failures, stop)

    def _pause_or_give_up(self, cause: InductivaWidgetsError, failures: int, stop: Stop) -> None:
        stop.check()
        if failures >= self._retry.tries:
            if isinstance(cause, _TransientError) and cause.final is not None:
                raise cause.final from None
            if self._version is None:  # nothing was ever received: no connection is the plain truth
                raise cause
            raise IncompleteDownloadError(
                f"No progress in {failures} tries: {cause.message}",
                hint="Start the download again: files already delivered are not fetched twice.",
            ) from None
        wait = cause.wait_s if isinstance(cause, _TransientError) else None
        stop.pause(self._retry.pause_s(failures) if wait is None else wait)

    def _read_tail(self, size_bytes: int, stop: Stop) -> bytes:
        with self._get({"Range": f"bytes=-{size_bytes}"}, stop) as reply, stop.watching(reply):
            if reply.status_code == 206:
                answered = reply.content_range
                if answered is None or answered[2] is None:
                    raise _TransientError("The storage did not say which bytes it sent.")
                start, end, total = answered
                if end != total or end - start != min(size_bytes, total):
                    raise _TransientError("The storage sent another range than the one asked for.")
                self._fix(total, reply)
                return b"".join(self._body(reply, end - start, stop))
            if reply.status_code == 200:
                length = reply.content_length
                if length is None or length > SMALL_ARCHIVE_BYTES:
                    raise _no_ranges()
                self._fix(length, reply)
                return b"".join(self._body(reply, length, stop))
            if reply.status_code == 416:
                raise BadArchiveError("The archive is empty: 0 bytes.")
            raise _refusal(reply)

    def _attempt(self, wanted: ByteRange, stop: Stop) -> Iterator[bytes]:
        headers = {"Range": wanted.header}
        version = self._version
        if version is not None and version.etag is not None:
            headers["If-Match"] = version.etag
        with self._get(headers, stop) as reply, stop.watching(reply):
            if reply.status_code == 200:
                raise _no_ranges()
            if reply.status_code in (412, 416):
                raise self._changed("the storage has another one now")
            if reply.status_code != 206:
                raise _refusal(reply)
            answered = reply.content_range
            if answered is None:
                raise _TransientError("The storage did not say which bytes it sent.")
            start, end, total = answered
            self._fix(total, reply)
            if (start, end) != (wanted.start, wanted.end):
                raise _TransientError(
                    f"The storage sent bytes {start}–{end} instead of {wanted.start}–{wanted.end}."
                )
            yield from self._body(reply, len(wanted), stop)

    def _fix(self, total_bytes: int | None, reply: LinkReply) -> None:
        if (coding := reply.headers.get("Content-Encoding", "identity")) != "identity":
            raise _TransientError(f"The storage sent bytes coded as {safe_text(coding)}.")
        if reply.headers.get("Content-Type", "").strip().lower().startswith("multipart/"):
            # RFC 9110 § 14.6 forbids it for one range; headers between parts are not the bytes.
            raise _TransientError("The storage sent several parts instead of one range.")
        hashes = [part.strip() for part in reply.headers.get("x-goog-hash", "").split(",")]
        md5 = [part.removeprefix("md5=") for part in hashes if part.startswith("md5=")]
        with self._lock:
            self.checksum = md5[0] if md5 else self.checksum
            if self._version is None:
                if total_bytes is not None:
                    self._version = Version(total_bytes, reply.etag)
            elif difference := self._version.differs(total_bytes, reply.etag):
                raise self._changed(difference)

    def _changed(self, difference: str) -> RemoteChangedError:
        self._is_replaced = True
        return RemoteChangedError(
            f"The archive was replaced: {difference}.",
            hint="List the outputs again, then download them.",
        )

    def _body(self, reply: LinkReply, size_bytes: int | None, stop: Stop) -> Iterator[bytes]:
        received = 0
        waited = slow_since_s = 0.0
        slow_since_bytes = 0
        pieces = reply.iter_bytes()
        while True:
            since = time.monotonic()
            piece = next(pieces, None)
            waited += time.monotonic() - since
            stop.check()
            if piece is None:
                break
            received += len(piece)
            if size_bytes is not None and received > size_bytes:
                raise _TransientError(f"More bytes came than the {size_bytes} announced.")
            yield piece
            if waited - slow_since_s >= self._retry.slow_s:
                least = self._retry.slow_bytes_per_s * (waited - slow_since_s)
                if received - slow_since_bytes < least:
                    raise _SlowError(f"Only {received} bytes came in {waited:.0f} s.")
                slow_since_s, slow_since_bytes = waited, received
        if size_bytes is not None and received < size_bytes:
            raise _TransientError(f"Only {received} of {size_bytes} bytes came.")
        if received >= RATE_SAMPLE_BYTES:
            self.bytes_per_s = received / max(waited, 0.001)

    def _get(self, headers: dict[str, str], stop: Stop) -> LinkReply:
        """One request; a refused link is renewed once."""
        renewed = False
        while True:
            stop.check()
            url = self._current_url()
            since = time.monotonic()
            reply = self._transport.get(url, headers)
            if reply.status_code not in REFUSED:
                self._answers_s.append(time.monotonic() - since)
                return reply
            status = reply.status_code
            reply.close()
            if renewed:
                raise LinkExpiredError(
                    f"The storage refused a fresh download link ({status}).",
                    hint="Check this computer's clock, then try again.",
                )
            self._renew(url)
            renewed = True

    def _current_url(self) -> str:
        with self._lock:
            if self._url is None:
                self._url = self._source.url()
            return self._url

    def _renew(self, refused_url: str) -> None:
        """One fresh link for all workers: the first that was refused fetches it."""
        with self._lock:
            if self._url == refused_url:
                self._url = self._source.renew(refused_url)


class _TransientError(InductivaWidgetsError):
    """Worth another try. `wait_s` is what the storage asks for, `final` the error in the end."""

    def __init__(
        self,
        message: str,
        *,
        wait_s: float | None = None,
        final: InductivaWidgetsError | None = None,
    ) -> None:
        super().__init__(message)
        self.wait_s = wait_s
        self.final = final


class _SlowError(_TransientError):
    """So few bytes in so long a time that another connection is the better try."""


def _no_ranges() -> RangeUnsupportedError:
    return RangeUnsupportedError(
        "The storage ignores byte ranges.",
        hint="Download all outputs: single files cannot be fetched from there.",
    )


def _refusal(reply: LinkReply) -> InductivaWidgetsError:
    """What an answer without the wanted bytes means."""
    code = reply.status_code
    if code == 404:
        return NotFoundError("The storage has no output archive of this task.")
    if code == 429:
        wait = _retry_after_s(reply)
        final = RateLimitedError("The storage asks to slow down (429).", retry_after_s=wait)
        return _TransientError(final.message, wait_s=wait, final=final)
    if code >= 500:
        text = f"The storage failed ({code})."
        return _TransientError(
            text, wait_s=_retry_after_s(reply), final=ServerError(text, status_code=code)
        )
    return IncompleteDownloadError(f"The storage answered {code} instead of the bytes asked for.")


def _retry_after_s(reply: LinkReply) -> float | None:
    wait = reply.retry_after_s
    return None if wait is None else min(wait, RETRY_AFTER_LIMIT_S)
