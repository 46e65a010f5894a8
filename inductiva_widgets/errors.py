"""Every error of the package, one class per kind of reaction a caller may have.

    InductivaWidgetsError
    ├── ConfigurationError          Invalid URL, key or folder settings
    │   ├── UnknownBackendError         a view names a service that its server does not know
    │   └── AccountChangedError         the key of a service is not the one that a view has seen
    ├── UserInputError              (also ValueError) an argument refused before any request
    ├── ApiError                    the service answered with an error
    │   ├── AuthenticationError         401/403: key missing, wrong or not allowed
    │   ├── NotFoundError               (also LookupError) 404: unknown task, path or member
    │   ├── RateLimitedError            429: `retry_after_s` says how long to wait
    │   └── ServerError                 5xx after all retries
    ├── ServiceConnectionError      (also ConnectionError) no answer at all
    │   └── ServiceTimeoutError         (also TimeoutError) no answer in time
    ├── BadPayloadError             an answer that cannot be read
    ├── DownloadError               `failed` names what is missing, `path` what was kept
    │   ├── DownloadCancelledError      stopped by the user
    │   ├── IncompleteDownloadError     the connection gave less, more or other bytes than asked
    │   ├── RemoteChangedError          the archive is no longer the one that was listed
    │   ├── LinkExpiredError            a fresh signed link was refused as well
    │   ├── RangeUnsupportedError       the storage ignores byte ranges
    │   ├── BadArchiveError             what was received is not a zip archive
    │   ├── ArchiveTooLargeError        declared or real size beyond the limits
    │   ├── UnsafeMemberError           a member's name or kind would leave the folder
    │   ├── CorruptMemberError          size, CRC-32 or compressed stream do not fit
    │   ├── UnsupportedMemberError      encrypted, or packed by an unknown method
    │   ├── DiskFullError               (also OSError) no room at the destination
    │   └── DestinationError            (also OSError) the destination cannot be written
    │       └── FileConflictError           other content is there; `failed` names it
    ├── SubmissionUnknownError      whether a task was made, or continues, is not known; `task_id`
    ├── OutputsNotReadyError        the task has no output archive yet
    ├── TaskFailedError             the task ended badly; `status`, `log_tail`
    ├── WaitTimeoutError            (also TimeoutError) the task did not end in the time given
    ├── LiveUnavailableError        the machine of a task cannot be asked now; `cause`
    ├── MissingLibraryError         (also ImportError) a library that one feature needs is not here
    └── LocalEngineError            the local engine does not start, stop or answer
        ├── EngineBusyError             another engine owns the data folder; `pid`, `url`
        └── StoreCorruptError           its task database is damaged; `path` is the file

Each carries a `hint` (what to do next) and `retryable`. Texts are redacted where they are made:
no key and no signed URL ever enters a message.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "AccountChangedError",
    "ApiError",
    "ArchiveTooLargeError",
    "AuthenticationError",
    "BadArchiveError",
    "BadPayloadError",
    "ConfigurationError",
    "CorruptMemberError",
    "DestinationError",
    "DiskFullError",
    "DownloadCancelledError",
    "DownloadError",
    "EngineBusyError",
    "FileConflictError",
    "IncompleteDownloadError",
    "InductivaWidgetsError",
    "LinkExpiredError",
    "LiveUnavailableError",
    "LocalEngineError",
    "MissingLibraryError",
    "NotFoundError",
    "OutputsNotReadyError",
    "RangeUnsupportedError",
    "RateLimitedError",
    "RemoteChangedError",
    "ServerError",
    "ServiceConnectionError",
    "ServiceTimeoutError",
    "StoreCorruptError",
    "SubmissionUnknownError",
    "TaskFailedError",
    "UnknownBackendError",
    "UnsafeMemberError",
    "UnsupportedMemberError",
    "UserInputError",
    "WaitTimeoutError",
]


def __dir__() -> list[str]:
    return sorted(__all__)


def unexpected(call: str, name: str, known: Iterable[str]) -> TypeError:
    """What Python says of a keyword that a call does not take, and which one may be meant."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(names)}."
    return TypeError(f"{call}() got an unexpected keyword argument {name!r}; {hint}")


class InductivaWidgetsError(Exception):
    """Root of every error raised on purpose by this package.

    Attributes:
        message: What went wrong, in one sentence, without secrets.
        hint: What to do next; empty when there is nothing sensible to say.
        retryable: Whether the same call may succeed later without any change.
    """

    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class ConfigurationError(InductivaWidgetsError):
    """Invalid URL, key or folder settings."""


class UnknownBackendError(ConfigurationError):
    """A view names a service that its server does not know; nothing was sent anywhere."""


class AccountChangedError(ConfigurationError):
    """The key of a service is not the one that a view has seen; nothing was sent anywhere."""


class UserInputError(InductivaWidgetsError, ValueError):
    """An argument refused before any request was sent."""


class ApiError(InductivaWidgetsError):
    """The service answered with an error. `status_code` is the HTTP status."""

    def __init__(self, message: str, *, hint: str = "", status_code: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.status_code = status_code


class AuthenticationError(ApiError):
    """The API key is missing, wrong or not allowed to do this."""


class NotFoundError(ApiError, LookupError):
    """Unknown task, storage path or archive member; `missing` names them."""

    def __init__(
        self, message: str, *, hint: str = "", status_code: int = 404, missing: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, hint=hint, status_code=status_code)
        self.missing = missing


class RateLimitedError(ApiError):
    """The service asks to slow down for `retry_after_s` seconds (`None`: unknown)."""

    retryable = True

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        status_code: int = 429,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint, status_code=status_code)
        self.retry_after_s = retry_after_s


class ServerError(ApiError):
    """The service failed on its side, again after all retries."""

    retryable = True


class ServiceConnectionError(InductivaWidgetsError, ConnectionError):
    """No answer at all: name resolution, refused or dropped connection, TLS.

    Attributes:
        may_have_arrived: Whether the request may have reached the service.
    """

    retryable = True

    def __init__(self, message: str, *, hint: str = "", may_have_arrived: bool = True) -> None:
        super().__init__(message, hint=hint)
        self.may_have_arrived = may_have_arrived


class ServiceTimeoutError(ServiceConnectionError, TimeoutError):
    """No answer in time."""


class BadPayloadError(InductivaWidgetsError):
    """An answer that cannot be read: not JSON, or without the fields that every answer has."""


class DownloadError(InductivaWidgetsError):
    """A download that did not deliver all that was asked.

    Attributes:
        failed: Reason by member name, for each member that was not delivered.
        path: Folder that holds what was delivered, or `None`.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        failed: dict[str, str] | None = None,
        path: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.failed = failed or {}
        self.path = path


class DownloadCancelledError(DownloadError):
    """Stopped by the user; what was complete is kept."""


class IncompleteDownloadError(DownloadError):
    """The connection gave less, more or other bytes than asked, again after all retries."""

    retryable = True


class RemoteChangedError(DownloadError):
    """The archive is no longer the one that was listed."""

    retryable = True


class LinkExpiredError(DownloadError):
    """A fresh signed link was refused as well."""

    retryable = True


class RangeUnsupportedError(DownloadError):
    """The storage ignores byte ranges, so single files cannot be fetched."""


class BadArchiveError(DownloadError):
    """What was received is not a zip archive that can be read."""


class ArchiveTooLargeError(DownloadError):
    """Declared or real size of the archive is beyond the limits."""


class UnsafeMemberError(DownloadError):
    """A member's name or kind would leave the folder, or make something else than a file."""


class CorruptMemberError(DownloadError):
    """Size, CRC-32 or compressed stream of a member do not fit its description."""


class UnsupportedMemberError(DownloadError):
    """A member is encrypted, or packed by a method that cannot be unpacked here."""


class DiskFullError(DownloadError, OSError):
    """No room at the destination."""


class DestinationError(DownloadError, OSError):
    """The destination cannot be written, or a file there would have to be overwritten."""


class FileConflictError(DestinationError):
    """Files with another content are there; `failed` names them, and nothing was fetched."""


class SubmissionUnknownError(InductivaWidgetsError):
    """Whether a task was made, or continues, is not known: look before you submit it again.

    Attributes:
        task_id: The task that was made, empty when its id did not come back.
    """

    def __init__(self, message: str, *, hint: str = "", task_id: str = "") -> None:
        super().__init__(message, hint=hint)
        self.task_id = task_id


class OutputsNotReadyError(InductivaWidgetsError):
    """The task has no output archive yet."""

    retryable = True


class TaskFailedError(InductivaWidgetsError):
    """The task ended badly.

    Attributes:
        status: The terminal status code.
        log_tail: Last lines of its stderr, empty when not known.
    """

    def __init__(
        self, message: str, *, hint: str = "", status: str = "", log_tail: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.log_tail = log_tail

    def __str__(self) -> str:
        tail = "".join(f"\n    {line}" for line in self.log_tail.splitlines())
        return super().__str__() + (f"\nThe end of its log:{tail}" if tail else "")


class WaitTimeoutError(InductivaWidgetsError, TimeoutError):
    """The task did not end in the time given; it continues running."""

    retryable = True


class MissingLibraryError(InductivaWidgetsError, ImportError):
    """A library that one feature needs is not installed here."""


class LiveUnavailableError(InductivaWidgetsError):
    """The machine of a task cannot be asked for its files, logs or load now.

    Attributes:
        cause: `not-running` (waiting, or ended), `no-aiortc` (WebRTC is not installed),
            `no-answer` (the machine does not answer) or `blocked-udp` (it answered, but nothing
            comes through).
    """

    def __init__(self, message: str, *, hint: str = "", cause: str = "") -> None:
        super().__init__(message, hint=hint)
        self.cause = cause


class LocalEngineError(InductivaWidgetsError):
    """The local engine does not start, stop or answer."""


class EngineBusyError(LocalEngineError):
    """Another engine owns the data folder.

    Attributes:
        pid: Its process, 0 when unknown.
        url: Where it listens, empty when unknown.
    """

    def __init__(self, message: str, *, hint: str = "", pid: int = 0, url: str = "") -> None:
        super().__init__(message, hint=hint)
        self.pid = pid
        self.url = url


class StoreCorruptError(LocalEngineError):
    """The task database of the local engine is damaged.

    Attributes:
        path: Where it is now: set aside if that was possible.
    """

    def __init__(self, message: str, *, hint: str = "", path: str = "") -> None:
        super().__init__(message, hint=hint)
        self.path = path
