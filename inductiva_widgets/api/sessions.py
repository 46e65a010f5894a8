"""Sessions: what all requests have in common, and the only use of the HTTP libraries.

No cookies, no credentials of `~/.netrc`, no redirects, retries by a policy; foreign exceptions turn
into ours without a chain, because they hold the request, and so the key or a signed link.
"""

from __future__ import annotations

import contextlib
import contextvars
import datetime as dt
import email.utils
import logging
import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import SplitResult, urlsplit

from inductiva_widgets.api.config import is_loopback
from inductiva_widgets.errors import (
    BadPayloadError,
    InductivaWidgetsError,
    ServiceConnectionError,
    ServiceTimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

__all__ = [
    "Timeouts",
    "behind_link",
    "calling",
    "close_session",
    "new_session",
    "open_connections",
    "retry_after_s",
    "server_date",
    "split_link",
]

RETRY_AFTER_LIMIT_S = 60.0  # a longer wait is for the caller to decide
POOL_CONNECTIONS = 16

T = TypeVar("T")
behind_link = contextvars.ContextVar("inductiva_widgets_behind_link", default=False)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits in seconds: for the connection, and for each wait for bytes."""

    connect_s: float = 10.0
    read_s: float = 30.0


def new_session(host: str, retries: int, sleep: Callable[[float], None]) -> requests.Session:
    """A session for one host, shared by threads; GETs are tried again `retries` times."""
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


def open_connections(session: requests.Session, url: str, count: int, timeout_s: float) -> int:
    """Opens connections for requests to come, all at once; how many it could.

    `requests` and urllib3 have no public call for it. Through a proxy, or when their private names
    are not what they were, nothing happens: requests then open their connections themselves.
    """
    from requests.models import PreparedRequest

    opened: list[bool] = []
    taken: list[Any] = []

    def work(pool: Any, connection: Any) -> None:  # noqa: ANN401 - urllib3's own
        try:
            if connection.is_closed:
                connection.timeout = timeout_s
                connection.connect()
                opened.append(True)
        except _connection_errors():
            pass
        finally:
            pool._put_conn(connection)  # noqa: SLF001

    try:
        settings = session.merge_environment_settings(url, {}, True, None, None)
        if settings["proxies"]:
            return 0
        request = PreparedRequest()
        request.prepare(method="GET", url=url)
        adapter: Any = session.get_adapter(url)
        pool = adapter.get_connection_with_tls_context(request, settings["verify"])
        # All are taken before one is given back, or it would be taken again.
        for _ in range(count):
            taken.append(pool._get_conn())  # noqa: SLF001, PERF401 - what was taken is known
    except _connection_errors():
        for connection in taken:  # one may be open, and the pool was closed meanwhile
            connection.close()
        return 0
    threads = [threading.Thread(target=work, args=(pool, one), daemon=True) for one in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(opened)


def _connection_errors() -> tuple[type[Exception], ...]:
    from requests import RequestException
    from urllib3.exceptions import HTTPError

    return (RequestException, HTTPError, OSError, AttributeError, TypeError, KeyError)


def close_session(session: requests.Session) -> None:
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
            wait = retry_after_s(response.headers.get("Retry-After")) if response else None
            if wait is not None and wait > RETRY_AFTER_LIMIT_S:
                raise MaxRetryError(kwargs["_pool"], "", None)
            return super().increment(*args, **kwargs)

        def sleep(self, response: Any = None) -> None:  # noqa: ANN401
            wait = retry_after_s(response.headers.get("Retry-After")) if response else None
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


def calling(host: str, call: Callable[[], T]) -> T:
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
        hint = "Check the address, the network, and the proxy or VPN settings."
        if is_loopback(urlsplit(f"//{host}").hostname or ""):
            hint = "Is the engine running? inductiva_widgets.connect() finds or starts one."
        return ServiceConnectionError(f"No connection to {host}.", hint=hint)
    return None


def _hide_signature(record: logging.LogRecord) -> bool:
    """Cuts the query off the addresses that urllib3 logs at DEBUG: in ours it is a signature."""
    if behind_link.get() and isinstance(record.args, tuple):
        record.args = tuple(
            item.partition("?")[0] if isinstance(item, str) else item for item in record.args
        )
    return True


def retry_after_s(value: str | None) -> float | None:
    """Seconds of a Retry-After header: a number or an HTTP date; `None` for anything else."""
    if value is None:
        return None
    value = value.strip()
    if re.fullmatch(r"\d{1,12}", value):
        return float(value)
    moment = server_date(value)
    if moment is None:
        return None
    return max(0.0, (moment - dt.datetime.now(dt.timezone.utc)).total_seconds())


def server_date(value: str | None) -> dt.datetime | None:
    """Time of an HTTP date; `None` when it is none."""
    try:
        moment = email.utils.parsedate_to_datetime(value) if value else None
    except (TypeError, ValueError, OverflowError):
        return None
    if moment is not None and moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.timezone.utc)
    return moment


def split_link(url: str) -> SplitResult:
    """Parts of a link.

    Raises:
        BadPayloadError: It is no address; the message does not repeat it.
    """
    try:
        return urlsplit(url)
    except ValueError:
        pass
    raise BadPayloadError("The service gave a link that is no address.")
