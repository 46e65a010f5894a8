"""Mailboxes through which a client and a machine agree on a direct connection.

The engine carries the messages and does not look into them. Offers to tasks that it runs itself it
also answers. Mailboxes live in memory: a handshake that a restart interrupts is begun again by the
client.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from inductiva_widgets.errors import NotFoundError
from inductiva_widgets.local.engine import read_json
from inductiva_widgets.local.inquiries import Fault, InvalidRequestError, long_poll_s, required

if TYPE_CHECKING:
    from starlette.requests import Request

    from inductiva_widgets.local.engine import Engine
    from inductiva_widgets.local.live_peer import Peers

__all__ = ["mailbox_routes"]

logger = logging.getLogger(__name__)

MAX_MAILBOXES = 256  # the oldest is given up: a handshake takes seconds
MAX_MESSAGES = 16


@dataclass(slots=True)
class _Mailbox:
    messages: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=MAX_MESSAGES))
    arrived: asyncio.Event = field(default_factory=asyncio.Event)


def mailbox_routes(engine: Engine, peers: Peers) -> list[Route]:
    """Routes of the handshake; `peers` answer for the tasks that run here."""
    office = _Office(engine, peers)
    return [
        Route("/tasks/{task_id}/register", office.register, methods=["POST"]),
        Route("/tasks/{task_id}/offer", office.offer, methods=["POST"]),
        Route("/tasks/{task_id}/message", office.message, methods=["GET"]),
    ]


class _Office:
    """All mailboxes; only the event loop touches them."""

    def __init__(self, engine: Engine, peers: Peers) -> None:
        self._engine = engine
        self._peers = peers
        self._boxes: OrderedDict[tuple[str, str], _Mailbox] = OrderedDict()
        self._answering: set[asyncio.Task[None]] = set()

    async def register(self, request: Request) -> Response:
        task_id = self._known_task(request)
        (sender,) = await self._texts(request, "sender_id")
        self._boxes.setdefault((task_id, sender), _Mailbox())
        while len(self._boxes) > MAX_MAILBOXES:
            self._boxes.popitem(last=False)
        return JSONResponse({})

    async def offer(self, request: Request) -> Response:
        task_id = self._known_task(request)
        names = ("sender_id", "receiver_id", "type", "sdp")
        texts = await self._texts(request, *names)
        if self._deliver(task_id, *texts):
            return JSONResponse({})
        if texts[1] == task_id and texts[2] == "offer" and self._peers.serves(task_id):
            answering = asyncio.ensure_future(self._answer(task_id, texts[0], texts[3]))
            self._answering.add(answering)
            answering.add_done_callback(self._answering.discard)
        return JSONResponse({})

    def _deliver(self, task_id: str, sender: str, receiver: str, kind: str, sdp: str) -> bool:
        """Puts a message into the receiver's mailbox, if it has one."""
        box = self._boxes.get((task_id, receiver))
        if box is None:
            return False
        box.messages.append(
            {"sender_id": sender, "receiver_id": receiver, "type": kind, "sdp": sdp}
        )
        box.arrived.set()
        return True

    async def _answer(self, task_id: str, client: str, sdp: str) -> None:
        """Answers an offer as the machine of the task; a bad one gets no answer."""
        try:
            answer = await asyncio.wrap_future(self._peers.answer(task_id, sdp))
        except Exception as error:  # noqa: BLE001 - whatever an offer makes aiortc raise
            logger.warning("An offer to task %s was not answered: %s", task_id, error)
        else:
            self._deliver(task_id, task_id, client, "answer", answer)

    async def message(self, request: Request) -> Response:
        task_id = self._known_task(request)
        (client,) = required(request.query_params, "client")
        wait_s = long_poll_s(request.query_params)
        box = self._boxes.get((task_id, client))
        machine_listens = (task_id, task_id) in self._boxes or self._peers.serves(task_id)
        if box is None or not (box.messages or machine_listens):
            return Response(status_code=HTTPStatus.NO_CONTENT)  # nobody will ever answer
        if not box.messages:
            box.arrived.clear()
            try:
                await asyncio.wait_for(box.arrived.wait(), wait_s)
            except asyncio.TimeoutError:
                return Response(status_code=HTTPStatus.NO_CONTENT)
        if not box.messages:  # another request of the same client was first
            return Response(status_code=HTTPStatus.NO_CONTENT)
        return JSONResponse(box.messages.popleft())

    def _known_task(self, request: Request) -> str:
        task_id = str(request.path_params["task_id"])
        if self._engine.store.status(task_id) is None:
            raise NotFoundError(f"There is no task {task_id[:100]!r}.")
        return task_id

    async def _texts(self, request: Request, *names: str) -> list[str]:
        body = await read_json(request, self._engine.settings.json_limit_bytes)
        found = [body.get(name) for name in names] if isinstance(body, dict) else [None]
        texts = [text for text in found if isinstance(text, str) and text]
        if len(texts) != len(names):
            fault = Fault(("body",), f"texts are required: {', '.join(names)}")
            raise InvalidRequestError(fault)
        return texts
