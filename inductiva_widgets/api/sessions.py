"""HTTP sessions: what all requests have in common, and the only use of the HTTP libraries.

No cookies, no credentials from `~/.netrc`, no redirects, retries by a policy. Foreign exceptions
are replaced by ours without a chain, because they hold the request with its key or signed link.
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
    import socket
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
_BEHIND_HOST = re.compile(r"^(\w+://[^/]*)?/.*", re.DOTALL)
behind_link = contextvars.ContextVar("inductiva_widgets_behind_link", default=False)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits in seconds: for the connection, and for each wait for bytes."""

    connect_s: float = 5.0  # of each address of a host: the first may be dead, and another well
    read_s: float = 30.0


def load() -> None:
    """Loads what the first request needs, which takes 50 ms, before somebody waits for that."""
    import requests  # noqa: F401 - here and below: `import inductiva_widgets` must not pay for it


def new_session(host: str, retries: int, sleep: Callable[[float], None]) -> requests.Session:
    """A session for one host, shared by threads; GETs are tried again `retries` times."""
    import requests
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
    adapter = _adapter()(
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


def _adapter() -> Any:  # noqa: ANN401 - a class of requests'
    """Class of adapters whose connections Ctrl-C need not wait for, directly or by a proxy."""
    from requests.adapters import HTTPAdapter
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.connection import HTTPConnection, HTTPSConnection

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _unless_interrupted(super()._new_conn)

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _unless_interrupted(super()._new_conn)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    kinds = {"http": PlainPool, "https": SecurePool}

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
            super().init_poolmanager(*args, **kwargs)
            self.poolmanager.pool_classes_by_scheme = kinds

        def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            manager = super().proxy_manager_for(*args, **kwargs)
            manager.pool_classes_by_scheme = kinds
            return manager

    return Adapter


def _unless_interrupted(connect: Callable[[], socket.socket]) -> socket.socket:
    """A new connection. On the main thread it is made by another, so that Ctrl-C acts at once.

    Nothing can interrupt the look-up of a name, and a resolver that is silent takes 10 s.
    """
    if threading.current_thread() is not threading.main_thread():
        return connect()
    made: list[socket.socket] = []
    errors: list[BaseException] = []
    done, left = threading.Event(), threading.Event()

    def work() -> None:
        try:
            made.append(connect())
        except BaseException as error:  # noqa: BLE001 - raised again below
            errors.append(error)
        done.set()
        if left.is_set():
            end()

    def end() -> None:
        for late in made:
            late.close()

    threading.Thread(target=work, name="inductiva-connect", daemon=True).start()
    try:
        while not done.wait(0.2):  # without a limit Windows would not notice Ctrl-C
            pass
    except BaseException:
        left.set()
        end()
        raise
    if errors:
        raise errors[0]
    return made[0]


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
            may_have_arrived=not isinstance(error, requests.ConnectTimeout),
        )
    if isinstance(error, (requests.exceptions.SSLError, low.SSLError)):
        return _untrusted(last, host)
    if isinstance(error, requests.exceptions.ProxyError):
        return _stopped_by_proxy(last, host)
    if isinstance(last, low.NameResolutionError):
        return ServiceConnectionError(
            f"There is no host named {host}, or its name cannot be looked up.",
            hint="Check the spelling in INDUCTIVA_API_URL, then the network, proxy and VPN.",
            may_have_arrived=False,
        )
    if isinstance(error, (requests.RequestException, low.HTTPError, OSError)):
        hint = "Check the address, the network, and the proxy or VPN settings."
        if is_loopback(urlsplit(f"//{host}").hostname or ""):
            hint = "Is the engine running? inductiva_widgets.connect() finds or starts one."
        was_sent = not isinstance(last, low.NewConnectionError)
        return ServiceConnectionError(
            f"No connection to {host}.", hint=hint, may_have_arrived=was_sent
        )
    return None


def _untrusted(cause: object, host: str) -> ServiceConnectionError:
    # "certificate has expired", "Hostname mismatch …", "self-signed certificate"
    why = getattr(next(iter(getattr(cause, "args", ())), None), "verify_message", "")
    return ServiceConnectionError(
        f"The secure connection to {host} failed: {why or 'its certificate is not trusted'}.",
        hint="Behind an inspecting proxy set REQUESTS_CA_BUNDLE to its certificate.",
        may_have_arrived=False,
    )


def _stopped_by_proxy(cause: object, host: str) -> ServiceConnectionError:
    if " 407 " in str(getattr(cause, "original_error", "")):
        return ServiceConnectionError(
            f"The proxy on the way to {host} asks for a user name and a password (407).",
            hint="Give them in HTTPS_PROXY: http://USER:PASSWORD@PROXY:PORT",
            may_have_arrived=False,
        )
    return ServiceConnectionError(
        f"The proxy does not lead to {host}.",
        hint="Check HTTPS_PROXY; hosts that need no proxy are named in NO_PROXY.",
        may_have_arrived=False,
    )


def _hide_signature(record: logging.LogRecord) -> bool:
    """Leaves the host of addresses that urllib3 logs at DEBUG: a path or query may be a secret."""
    if behind_link.get() and isinstance(record.args, tuple):
        record.args = tuple(
            _BEHIND_HOST.sub(r"\1/…", item) if isinstance(item, str) else item
            for item in record.args
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
        BadPayloadError: It is not an address; the message does not quote it.
    """
    try:
        return urlsplit(url)
    except ValueError:
        pass
    raise BadPayloadError("The service gave a link that is no address.")
