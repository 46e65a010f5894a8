"""Routes below `inductiva-widgets/`: HTTP to service and back.

The key and the signed links stay in this process. Every route wants a logged-in user; those that
change something are POSTs, which Jupyter guards against forged requests.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler, AuthenticatedFileHandler
from jupyter_server.utils import url_path_join
from tornado import iostream, web

from inductiva_widgets import backend as backends
from inductiva_widgets.errors import (
    ConfigurationError,
    InductivaWidgetsError,
    ServiceConnectionError,
)
from inductiva_widgets.lab import NAME
from inductiva_widgets.lab.streams import Pages, PageStream
from inductiva_widgets.service.dispatch import Service
from inductiva_widgets.service.protocol import decode_frame, encode_frame, service_error

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["add_handlers"]

log = logging.getLogger(__name__)

STATIC = Path(__file__).parent.parent / "static"
PING_S = 15.0  # proxies close connections that stay silent
WORKERS = 4
_PAGE_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")


class ServerState:
    """What the handlers share: the service, found at first use, and the pages' streams."""

    def __init__(self, target_root: Path) -> None:
        self.pages = Pages()
        self._target_root = target_root
        self._lock = threading.Lock()
        self._service: Service | None = None
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="inductiva-lab")

    def service(self) -> Service:
        """The service of this server's backend. May ask the local engine: on workers only.

        Raises:
            ConfigurationError: No key, and no engine that runs.
        """
        with self._lock:
            if self._service is None:
                backend = backends.find()
                if backend is None:
                    raise ConfigurationError(
                        "There is no API key, and no local engine runs.",
                        hint="Run inductiva_widgets.connect() in a notebook, or set a key.",
                    )
                self._service = Service(backend, self._target_root)
            return self._service

    def look_again(self) -> bool:
        """Whether the local engine has another address by now, as after a restart of it."""
        with self._lock:
            old = self._service
            found = backends.find() if old is not None and old.backend.is_local else None
            if old is None or found is None or found.id == old.backend.id:
                return False
            self._service = Service(found, self._target_root)
        old.close()
        return True

    async def run(self, work: Callable[..., Any], *arguments: Any) -> Any:  # noqa: ANN401
        """Runs blocking work off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._workers, work, *arguments)


class _Handler(APIHandler):
    auth_resource = "inductiva-widgets"

    def initialize(self, state: ServerState) -> None:
        self.state = state


class CallHandler(_Handler):
    """Calls of views; the body and the answer are frames of `service/protocol.py`."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        header, buffers = self._frame()
        answer: dict[str, Any]
        try:
            result, packed = await self.state.run(self._call, header, buffers)
            answer = {"kind": "result", "id": header.get("id"), "result": result}
        except Exception as error:
            # The border of the host: every call is answered, whatever happened.
            if not isinstance(error, InductivaWidgetsError):
                log.exception("call failed")
            problem = msgspec.to_builtins(service_error(error))
            answer, packed = {"kind": "error", "id": header.get("id"), "error": problem}, []
            if isinstance(error, ServiceConnectionError):
                await self._look_again()
        self.finish(encode_frame(answer, packed), set_content_type="application/octet-stream")

    def _frame(self) -> tuple[dict[str, Any], list[bytes]]:
        try:
            return decode_frame(self.request.body)
        except InductivaWidgetsError as error:
            raise web.HTTPError(400, error.message) from None

    async def _look_again(self) -> None:
        if await self.state.run(self.state.look_again):
            self.state.pages.end_all()  # pages come back, and ask for everything anew

    def _call(self, header: dict[str, Any], buffers: list[bytes]) -> tuple[Any, list[bytes]]:
        params = header.get("params")
        service = self.state.service()
        return service.call(
            header.get("method"), params if isinstance(params, dict) else {}, buffers
        )


class SubscribeHandler(_Handler):
    """Sets the topics that a page's stream carries."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        wish = self.get_json_body()
        topics = wish.get("topics") if isinstance(wish, dict) else None
        stream = self.state.pages.get(str(wish.get("client"))) if isinstance(wish, dict) else None
        if not isinstance(topics, list) or not all(isinstance(topic, str) for topic in topics):
            raise web.HTTPError(400, "topics must be a list of texts")
        if stream is None:
            raise web.HTTPError(404, "this page has no open stream")
        stream.want(topics)
        try:
            await self.state.run(lambda: stream.follow(self.state.service()))
        except InductivaWidgetsError as error:
            raise web.HTTPError(400, error.message) from None
        self.finish("{}")


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
        finally:
            self.state.pages.close(page, stream)

    def on_connection_close(self) -> None:
        """The page is gone: its listeners go at once, not with the next ping."""
        if self.stream is not None:
            self.stream.close()

    async def _line(self, message: dict[str, Any]) -> None:
        self.write(json.dumps(message) + "\n")
        await self.flush()


def add_handlers(server_app: Any) -> None:  # noqa: ANN401 - ServerApp, untyped
    """Registers the routes below the server's base URL."""
    root = Path(server_app.contents_manager.root_dir).resolve()
    state = ServerState(root / "inductiva_output")

    def route(*parts: str) -> str:
        return str(url_path_join(server_app.web_app.settings["base_url"], NAME, *parts))

    shared = {"state": state}
    server_app.web_app.add_handlers(
        ".*$",
        [
            (route("api", "call"), CallHandler, shared),
            (route("api", "subscribe"), SubscribeHandler, shared),
            (route("api", "events"), EventsHandler, shared),
            (route("static", "(.*)"), AuthenticatedFileHandler, {"path": str(STATIC)}),
        ],
    )
