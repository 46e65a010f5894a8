"""Routes below `inductiva-widgets/`: HTTP to service and back.

The key and the signed links stay in this process. Every route wants a logged-in user; those that
change something are POSTs, which Jupyter guards against forged requests.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import json
import logging
import os
import re
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from jupyter_core.paths import jupyter_data_dir
from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler, AuthenticatedFileHandler
from jupyter_server.utils import url_path_join
from tornado import iostream, web

from inductiva_widgets.errors import (
    AuthenticationError,
    ConfigurationError,
    InductivaWidgetsError,
    LocalEngineError,
    ServiceConnectionError,
    UserInputError,
)
from inductiva_widgets.lab import NAME
from inductiva_widgets.lab.accounts import KeyExistsError, key_source, set_key
from inductiva_widgets.lab.backends import KnownBackends, Place
from inductiva_widgets.lab.streams import Pages, PageStream
from inductiva_widgets.service.packing import decode_frame, encode_frame
from inductiva_widgets.service.summaries import service_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from inductiva_widgets.lab.backends import Change, Desk

__all__ = ["add_handlers"]

log = logging.getLogger(__name__)

STATIC = Path(__file__).parent.parent / "static"
PING_S = 15.0  # proxies close connections that stay silent
WRITE_S = 60.0  # a page that takes nothing for so long is asleep: what waits for it is let go
LONGEST_PAUSE_S = 60.0  # between looks at the tasks: more would look like a fault
WORKERS = 4
READONLY_VARIABLE = "INDUCTIVA_WIDGETS_READONLY"  # 1: nothing is killed, submitted or set up
_PAGE_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")


class ServerState:
    """What the handlers share: the backends, and the pages' streams. Used on the event loop."""

    def __init__(self, known: KnownBackends) -> None:
        self.pages = Pages()
        self.known = known
        self._loop: asyncio.AbstractEventLoop | None = None
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="inductiva-lab")
        known.on_change = self._changed

    async def run(self, work: Callable[..., Any], *arguments: Any) -> Any:  # noqa: ANN401
        """Runs blocking work off the event loop."""
        self._loop = asyncio.get_running_loop()
        return await self._loop.run_in_executor(self._workers, work, *arguments)

    async def call(self, place: Place, call: tuple[Any, ...]) -> Any:  # noqa: ANN401
        """Runs a method on the workers of its own backend, so that none waits for another one's."""
        desk = await self.run(self.known.desk, place)
        try:
            running = desk.service.workers.submit(desk.call, *call)
        except RuntimeError:  # its workers have been sent home
            raise _replaced(desk) from None
        try:
            return await asyncio.wrap_future(running)
        except asyncio.CancelledError:
            raise _replaced(desk) from None

    def set_pace(self) -> None:
        """Looks at tasks come as seldom as one of the open pages wants."""
        self.known.set_least_pause(self.pages.least_pause_s())

    async def look_again(self) -> None:
        """Looks up the present backends."""
        with contextlib.suppress(InductivaWidgetsError):
            await self.run(self.known.look)

    def _changed(self, change: Change) -> None:
        """Called on a worker."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._notify, change)

    def _notify(self, change: Change) -> None:
        for stream in self.pages.all():
            if change.is_loss:
                stream.close()  # the page comes back, and asks for everything again
            else:
                stream.send({"kind": "backends"})
                self._workers.submit(self._follow, stream)

    def _follow(self, stream: PageStream) -> None:
        with contextlib.suppress(InductivaWidgetsError):  # pages got the error when they asked
            stream.follow(self.known)


def _replaced(desk: Desk) -> ServiceConnectionError:
    return ServiceConnectionError(
        f"{desk.config.name} was replaced while the call waited; nothing was sent.",
        hint="Try again.",
    )


class _Handler(APIHandler):
    auth_resource = "inductiva-widgets"

    def initialize(self, state: ServerState) -> None:
        self.state = state

    def refuse(self, status: int, error: BaseException) -> None:
        """Answers with an error that views can show."""
        self.set_status(status)
        self.finish({"error": msgspec.to_builtins(service_error(error))})

    def body_of(self, *fields: str) -> dict[str, Any] | None:
        """The JSON object of the request; refused when it has other fields."""
        body = self.get_json_body()
        if isinstance(body, dict) and {*body} <= {*fields}:
            return body
        self.refuse(400, UserInputError(f"The request may hold {' and '.join(fields)} only."))
        return None


class CallHandler(_Handler):
    """Calls of views; the body and the answer are frames of `service/packing.py`."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        header, buffers = self._frame()
        answer: dict[str, Any]
        try:
            result, packed = await self._call(header, buffers)
            answer = {"kind": "result", "id": header.get("id"), "result": result}
        except Exception as error:
            # The border of the host: every call is answered, whatever happened.
            if not isinstance(error, InductivaWidgetsError):
                log.exception("call failed")
            problem = msgspec.to_builtins(service_error(error))
            answer, packed = {"kind": "error", "id": header.get("id"), "error": problem}, []
            if _may_have_moved(error):
                await self.state.look_again()
        self.finish(encode_frame(answer, packed), set_content_type="application/octet-stream")

    def _frame(self) -> tuple[dict[str, Any], list[bytes]]:
        try:
            return decode_frame(self.request.body)
        except InductivaWidgetsError as error:
            raise web.HTTPError(400, error.message) from None

    async def _call(self, header: dict[str, Any], buffers: list[bytes]) -> Any:  # noqa: ANN401
        params = header.get("params")
        params = params if isinstance(params, dict) else {}
        return await self.state.call(Place.of(header), (header.get("method"), params, buffers))


def _may_have_moved(error: Exception) -> bool:
    """Whether the engine may have moved, or the key may have changed, meanwhile."""
    if isinstance(error, AuthenticationError):
        return error.status_code == HTTPStatus.UNAUTHORIZED
    return isinstance(error, ServiceConnectionError)


class _BackendsAnswer(_Handler):
    """Answers with the backends that there are now."""

    async def describe(self) -> None:
        await self.state.look_again()
        self.set_header("Cache-Control", "no-store")
        self.finish(await self.state.run(self.state.known.describe))


class BackendsHandler(_BackendsAnswer):
    """Which backends there are, and what a page may do."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        await self.describe()


class _SetupHandler(_BackendsAnswer):
    """A way to the first backend; closed on a server that is read-only."""

    async def set_up(self, work: Callable[[], None]) -> None:
        """Does the work, and answers with the backends that there are then."""
        if self.state.known.readonly:
            self.refuse(
                403,
                ConfigurationError(
                    "This server is read-only.", hint=f"{READONLY_VARIABLE} is set there."
                ),
            )
            return
        try:
            await self.state.run(work)
        except KeyExistsError:
            self.refuse(409, ConfigurationError("There is an API key already."))
        except LocalEngineError as error:
            self.refuse(503, error)
        except ConfigurationError as error:
            self.refuse(403 if key_source() == "environment" else 400, error)
        except InductivaWidgetsError as error:
            self.refuse(400, error)
        else:
            await self.describe()


class KeyHandler(_SetupHandler):
    """Takes an API key into the key file. It goes one way: no answer holds it."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        body = self.body_of("key", "replace")
        if body is not None:
            replace = body.get("replace") is True
            await self.set_up(lambda: set_key(body.get("key"), replace=replace))


class EngineHandler(_SetupHandler):
    """Starts the local engine, or finds the one that runs."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        if self.body_of() is not None:
            await self.set_up(_start_engine)


def _start_engine() -> None:
    from inductiva_widgets import local

    local.start()


class SubscribeHandler(_Handler):
    """Sets the topics that a page's stream carries."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        body = self.get_json_body()
        wish = body if isinstance(body, dict) else {}
        topics = wish.get("topics")
        stream = self.state.pages.get(str(wish.get("client")))
        if not isinstance(topics, list) or not all(isinstance(topic, str) for topic in topics):
            raise web.HTTPError(400, "topics must be a list of texts")
        pause_s = _pause(wish.get("min_interval_s", 0))
        if stream is None:
            raise web.HTTPError(404, "this page has no open stream")
        stream.least_pause_s = pause_s
        stream.want(topics)
        self.state.set_pace()
        try:
            await self.state.run(stream.follow, self.state.known)
        except InductivaWidgetsError as error:
            raise web.HTTPError(400, error.message) from None
        self.finish("{}")


def _pause(wish: object) -> float:
    """The pause that a page asks for, in s, within what makes sense."""
    if isinstance(wish, bool) or not isinstance(wish, int | float) or not wish >= 0:
        raise web.HTTPError(400, "min_interval_s must be a number of seconds")
    return min(float(wish), LONGEST_PAUSE_S)


class EventsHandler(_Handler):
    """The event stream of a page: one JSON message a line, for as long as the page reads."""

    stream: PageStream | None = None

    @web.authenticated
    @authorized
    async def get(self) -> None:
        page = self.get_query_argument("client", "")
        if not _PAGE_ID.fullmatch(page):
            raise web.HTTPError(400, "client must name the page")
        self.set_header("Content-Type", "application/x-ndjson")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Accel-Buffering", "no")  # nginx would hold the lines back
        self.stream = stream = self.state.pages.open(page)
        try:
            await self._line({"kind": "hello"})
            while (message := await stream.next(PING_S)) is not None:
                await self._line(message)
        except (iostream.StreamClosedError, asyncio.CancelledError):
            pass  # the page is gone
        except (asyncio.TimeoutError, TimeoutError):
            self.detach().close()  # it connects again when it wakes up
        finally:
            self.state.pages.close(page, stream)
            self.state.set_pace()

    def on_connection_close(self) -> None:
        """The page is gone: its listeners go at once, not with the next ping."""
        if self.stream is not None:
            self.stream.close()

    async def _line(self, message: dict[str, Any]) -> None:
        self.write(json.dumps(message) + "\n")
        await asyncio.wait_for(self.flush(), WRITE_S)


def add_handlers(server_app: Any) -> None:  # noqa: ANN401 - ServerApp, untyped
    """Registers the routes below the server's base URL."""
    root = Path(server_app.contents_manager.root_dir).resolve()
    readonly = os.environ.get(READONLY_VARIABLE, "0") not in ("", "0")
    data_dir = Path(jupyter_data_dir()) / "inductiva_widgets"
    known = KnownBackends(root / "inductiva_output", data_dir, readonly=readonly)
    atexit.register(known.keep)
    state = ServerState(known)

    def route(*parts: str) -> str:
        return str(url_path_join(server_app.web_app.settings["base_url"], NAME, *parts))

    shared = {"state": state}
    server_app.web_app.add_handlers(
        ".*$",
        [
            (route("api", "call"), CallHandler, shared),
            (route("api", "subscribe"), SubscribeHandler, shared),
            (route("api", "events"), EventsHandler, shared),
            (route("api", "backends"), BackendsHandler, shared),
            (route("api", "key"), KeyHandler, shared),
            (route("api", "engine"), EngineHandler, shared),
            (route("static", "(.*)"), AuthenticatedFileHandler, {"path": str(STATIC)}),
        ],
    )
