"""A widget that is connected to the service: its comm, its subscriptions, its end.

The view and the service talk by custom messages (`service/protocol.py`); synced traits hold only
what Python users observe and what a saved notebook needs. Any thread may call in (kernel
subshells, the poller, download workers): one lock per widget guards traits and sending.
"""

from __future__ import annotations

import inspect
import logging
import secrets
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import anywidget
import msgspec
import traitlets
from ipywidgets import widget_serialization

from inductiva_widgets.errors import unexpected
from inductiva_widgets.notebook.session import in_marimo, is_unattended
from inductiva_widgets.notebook.view_code import (
    ViewCode,
    bundle_of,
    code_of,
    first_text,
    loader,
    whole_style,
)
from inductiva_widgets.service.summaries import service_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from inductiva_widgets.service.dispatch import Reply, Service
    from inductiva_widgets.service.events import Listener

__all__ = ["ServiceWidget"]

log = logging.getLogger(__name__)

WIDGET_MIME = "application/vnd.jupyter.widget-view+json"
ANSWERS_KEPT = 256  # a view that repeats a call gets the same answer, and nothing runs twice


class ServiceWidget(anywidget.AnyWidget):
    """What all widgets of this package share.

    A subclass defines what it shows (its `_kind`, which has code of its own) and its topics.

    Args:
        service: Of the backend whose tasks are shown.
        traits: Values that the page gets with the widget.

    Attributes:
        alive_key: Random: by it an output finds its model among those of the page.
        code: The model with the code of the view; `None` in marimo, which has it by an address, and
            where no user sees it.
        as_text: What is shown, in a line: for pages that have nothing but the saved state.
    """

    _kind: str

    _esm = traitlets.Unicode(read_only=True).tag(sync=True)
    _css = traitlets.Unicode(read_only=True).tag(sync=True)
    code = traitlets.Instance(ViewCode, allow_none=True, read_only=True).tag(
        sync=True, **widget_serialization
    )
    alive_key = traitlets.Unicode(read_only=True).tag(sync=True)
    as_text = traitlets.Unicode(read_only=True).tag(sync=True)

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:  # noqa: ANN401 - as for __init__
        """Refuses misspelt keywords, which ipywidgets would pass over, before anything begins."""
        own = inspect.signature(cls.__init__).parameters.keys() - {"self", "kwargs"}
        for name in kwargs.keys() - own - {*cls.class_trait_names()}:
            raise unexpected(cls.__name__, name, {*own, "layout"})
        made: Self = super().__new__(cls, *args, **kwargs)
        return made

    def __init__(
        self,
        service: Service,
        traits: dict[str, Any],
        **kwargs: Any,  # noqa: ANN401 - ipywidgets' own
    ) -> None:
        self._guard = threading.RLock()
        self._closed = False
        self._calls = _Calls()
        self._service = service
        self._wishes = 0  # counts the view's wishes: only the newest of a topic is followed
        self._wanted: dict[str, int] = {}
        self._listeners: dict[str, Listener] = {}
        traits = {**traits, **self._view_traits(), "alive_key": secrets.token_hex(16)}
        with self.hold_trait_notifications():
            for name, value in traits.items():
                self.set_trait(name, value)
        super().__init__(**kwargs)
        self._own_layout = None if "layout" in kwargs else self.layout

    @property
    def is_closed(self) -> bool:
        """Whether `close()` was called; a closed widget shows nothing new."""
        return self._closed

    def close(self) -> None:
        """Frees everything: the watching and the comm."""
        if "_guard" not in vars(self):  # an argument was refused, and nothing has begun
            return
        self._closed = True
        for topic in [*self._wanted]:
            self._unsubscribe(topic)
        with self._guard:
            super().close()
            if self._own_layout is not None:  # a widget too, which nothing else would close
                self._own_layout.close()

    def _view_traits(self) -> dict[str, Any]:
        """How the page gets the code of the view.

        marimo has no models but those of widgets, and serves equal code at one address.
        """
        if in_marimo():
            return {"_esm": first_text(self._kind), "_css": whole_style()}
        return {"_esm": loader(), "code": None if is_unattended() else code_of(self._kind)}

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:  # noqa: ANN401
        """Text, HTML, and the view where a user may see it."""
        self._catch_up()
        bundle: tuple[dict[str, Any], dict[str, Any]] | None = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle
        if is_unattended():
            data.pop(WIDGET_MIME, None)
        return {**data, "text/html": self._html()}, metadata

    # -- what a subclass defines ---------------------------------------------------------------

    def _catch_up(self) -> None:
        """Sets the traits by what is known: they may be saved without a view that would listen."""

    def _html(self) -> str:
        """What stands for the view where no widget lives."""
        raise NotImplementedError

    def _speaks_of(self, topic: str) -> bool:  # noqa: ARG002 - for subclasses
        """Whether the view may listen to this topic; to none unless a subclass allows it."""
        return False

    def _run(self, method: object, params: dict[str, Any], buffers: list[bytes]) -> Reply:
        """Runs a call of the view, on a worker thread."""
        bundle = bundle_of(self._kind)
        if method == "view.parts":
            return {}, [bundle.parts]
        if method == "view.code":
            return {"name": bundle.name}, [bundle.first]
        return self._service.call(method, params, buffers)

    def _keep(self, event: dict[str, Any]) -> None:
        """Sets the traits that an event changes."""

    def _told(self, event: dict[str, Any]) -> dict[str, Any]:
        """The part of an event that is sent to the view."""
        return event

    # -- messages ---------------------------------------------------------------------------

    def open(self) -> None:
        """Opens the comm so that clicks reach a busy kernel.

        ipykernel 7.4 sends a view's messages to whichever thread published last; the default
        route, a subshell, is the one that stays free while a cell runs.
        """
        super().open()
        if hasattr(self.comm, "_reply_subshell_for"):
            self.comm._reply_subshell_for = lambda data, default: default  # noqa: ARG005, SLF001

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """State from the browser; traits here are read-only for it, so only known keys pass."""
        with self._guard:
            super().set_state({k: v for k, v in sync_data.items() if k.startswith("_")})

    def push(self, **traits: Any) -> None:  # noqa: ANN401
        """Sets synced traits: the only place that does, from any thread."""
        with self._guard, self.hold_sync():
            for name, value in traits.items():
                self.set_trait(name, value)

    def _handle_custom_msg(self, content: Any, buffers: Any) -> None:  # noqa: ANN401
        """A message of the view. Returns at once: work runs on the service's workers."""
        try:
            self._take_message(content, [bytes(buffer) for buffer in buffers or ()])
        except Exception as error:
            # Whatever is raised here would vanish: ipywidgets shows handlers' errors nowhere.
            log.exception("message of the view failed")
            if isinstance(content, dict) and isinstance(content.get("id"), str):
                self._post(_failure(content["id"], error))

    def _take_message(self, content: Any, buffers: list[bytes]) -> None:  # noqa: ANN401
        kind = content.get("kind") if isinstance(content, dict) else None
        if kind == "call" and isinstance(content.get("id"), str):
            self._call(content, buffers)
        elif kind in ("subscribe", "unsubscribe") and isinstance(content.get("topic"), str):
            self._listen(content["topic"], is_wanted=kind == "subscribe")

    def _call(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        call_id = content["id"]
        self._post({"kind": "ack", "id": call_id})
        is_new, known = self._calls.take(call_id)
        if known is not None:
            self._post(known)
        elif is_new and content.get("method") in ("view.code", "view.parts"):
            self._answer(call_id, content, buffers)  # at once: workers may all wait for a network
        elif is_new:
            self._service.workers.submit(self._answer, call_id, content, buffers)

    def _answer(self, call_id: str, content: dict[str, Any], buffers: list[bytes]) -> None:
        try:
            params = content.get("params")
            params = params if isinstance(params, dict) else {}
            result, packed = self._run(content.get("method"), params, buffers)
            answer: dict[str, Any] = {"kind": "result", "id": call_id, "result": result}
        except Exception as error:
            # The border of the host: every call is answered, whatever happened.
            log.debug("call %s failed", content.get("method"), exc_info=True)
            answer, packed = _failure(call_id, error), []
        self._calls.end(call_id, answer, packed)
        self._post(answer, packed)

    def _listen(self, topic: str, *, is_wanted: bool) -> None:
        # Also a repeat begins anew: the view asks after a gap and needs revisions from 1.
        self._unsubscribe(topic)
        if not is_wanted or not self._speaks_of(topic):
            return
        with self._guard:
            self._wishes += 1
            wish = self._wanted[topic] = self._wishes
        self._service.workers.submit(self._subscribe, topic, wish)

    def _subscribe(self, topic: str, wish: int) -> None:
        if wish != self._wanted.get(topic):
            return
        listener = self._service.subscribe(topic, self._on_event)
        with self._guard:
            is_wanted = wish == self._wanted.get(topic) and not self._closed
            if is_wanted:
                self._listeners[topic] = listener
        if not is_wanted:
            listener.close()

    def _unsubscribe(self, topic: str) -> None:
        """Ends the present subscription and those on their way."""
        with self._guard:
            self._wanted.pop(topic, None)
            listener = self._listeners.pop(topic, None)
        if listener is not None:
            listener.close()

    def _on_event(self, message: dict[str, Any]) -> None:
        try:
            self._keep(message["event"])
        except Exception:
            # A user's observer of a trait raised; the view goes on.
            log.exception("an observer of %r failed", self)
        self._post({**message, "event": self._told(message["event"])})

    def _post(self, message: dict[str, Any], buffers: Sequence[bytes] = ()) -> None:
        with self._guard:
            self.send(message, list(buffers))


class _Calls:
    """Answers given lately, by call id, so that a repeated call is not run again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: OrderedDict[str, dict[str, Any] | None] = OrderedDict()

    def take(self, call_id: str) -> tuple[bool, dict[str, Any] | None]:
        """Whether the call is new and so must be run; else its answer, if there is one by now."""
        with self._lock:
            if call_id in self._answers:
                return False, self._answers[call_id]
            self._answers[call_id] = None
            while len(self._answers) > ANSWERS_KEPT:
                self._answers.popitem(last=False)
            return True, None

    def end(self, call_id: str, answer: dict[str, Any], buffers: list[bytes]) -> None:
        """Keeps the answer. Bulk data is not kept: a repeated call for it runs again."""
        with self._lock:
            if buffers:
                self._answers.pop(call_id, None)
            elif call_id in self._answers:
                self._answers[call_id] = answer


def _failure(call_id: str, error: BaseException) -> dict[str, Any]:
    return {"kind": "error", "id": call_id, "error": msgspec.to_builtins(service_error(error))}
