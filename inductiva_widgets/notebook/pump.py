"""Clicks while a cell waits: handles widget messages from inside a blocking `task.wait()`.

JupyterLab with subshells delivers clicks by itself; elsewhere the kernel's main thread is the
only one that could, and it is busy waiting. So the wait takes widget messages out of the kernel's
queue and handles them in between; everything else keeps its order and runs afterwards.

ipykernel has no public way for this. The private names used are listed in `_channel`,
`comm_pump`, `_handle` and `_HOOKS`; any surprise there means no pump, and a plain blocking wait.
Seen working with ipykernel 6.31, 7.1 to 7.4. `ENABLED = False` turns it off.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import inspect
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

__all__ = ["ENABLED", "comm_pump"]

ENABLED = True

_COMM_KINDS = ("comm_open", "comm_msg", "comm_close")
_HOOKS = ("pre_handler_hook", "post_handler_hook")


def _channel() -> tuple[Any, Any, dict[str, Any]] | None:
    """`(kernel, stream of this thread, arguments of dispatch)`, or `None` outside a kernel."""
    base = sys.modules.get("ipykernel.kernelbase")  # never imported by us
    if base is None or not base.Kernel.initialized():
        return None
    kernel = base.Kernel.instance()
    manager = getattr(getattr(kernel, "shell_channel_thread", None), "manager", None)
    if manager is not None:  # ipykernel 7: one in-process stream per shell thread
        subshell = manager.subshell_id_from_thread_id(threading.get_ident())
        pair = (
            manager._shell_channel_to_main  # noqa: SLF001
            if subshell is None
            else manager._cache[subshell].shell_channel_to_subshell  # noqa: SLF001
        )
        return kernel, pair.to_stream, {"subshell_id": subshell}
    if threading.current_thread() is threading.main_thread():  # ipykernel 6
        return kernel, kernel.shell_stream, {}
    return None


@contextlib.contextmanager
def comm_pump() -> Iterator[Callable[[], None]]:
    """Gives a function that handles the widget messages that have arrived, at once.

    It does nothing outside a Jupyter kernel and in threads that read no messages.
    """
    found, original = None, None
    if ENABLED:
        with contextlib.suppress(Exception):  # private parts: any surprise means no pump
            found = _channel()
            original = found[1]._recv_callback if found else None  # noqa: SLF001
    if found is None or original is None:
        yield lambda: None
        return
    kernel, stream, arguments = found
    inbox: collections.deque[Any] = collections.deque()
    held: list[Any] = []

    def pump() -> None:
        stream.flush(1)  # zmq.POLLIN; the stream stays the only reader of its socket
        while inbox:
            # It stays in the inbox until it is known: an interrupt here must not lose a cell.
            if _kind(kernel, inbox[0]) in _COMM_KINDS:
                _handle(kernel, inbox.popleft(), arguments)
            else:
                held.append(inbox.popleft())

    stream.on_recv(inbox.append, copy=False)
    try:
        yield pump
    finally:
        stream.on_recv(original, copy=False)
        for message in [*held, *inbox]:  # cells and the rest, in their order
            if inspect.isawaitable(result := original(message)):
                asyncio.ensure_future(result)  # noqa: RUF006 - the kernel's loop keeps it


def _kind(kernel: Any, message: Any) -> str:  # noqa: ANN401
    """Type of a message, read without marking it as seen; empty when it cannot be read."""
    with contextlib.suppress(Exception):  # a bad message is the kernel's affair, not the wait's
        _, frames = kernel.session.feed_identities(message, copy=False)
        decoded = kernel.session.deserialize(frames, content=False, copy=False)
        return str(decoded["header"]["msg_type"])
    return ""


def _handle(kernel: Any, message: Any, arguments: dict[str, Any]) -> None:  # noqa: ANN401
    identity, parent = kernel._parent_ident["shell"], kernel.get_parent("shell")  # noqa: SLF001
    running = kernel.dispatch_shell(message, **arguments)
    try:
        with _interrupts_kept(kernel):
            running.send(None)  # widget handlers never await: one step runs all of it
    except StopIteration:
        pass
    finally:
        running.close()
        kernel.set_parent(identity, parent)  # output goes to the waiting cell again
        kernel._publish_status("busy", "shell")  # noqa: SLF001 - the message has set "idle"


@contextlib.contextmanager
def _interrupts_kept(kernel: Any) -> Iterator[None]:  # noqa: ANN401
    """Raises an interrupt once more that ipykernel swallowed: it was meant for the waiting cell.

    The kernel's hooks around a message would set a signal handler of its own, and remember ours as
    that of the idle kernel: interrupting that later would end it (seen with 6.31 and 7.4).
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals go to the main thread
        return
    came = False
    before = signal.getsignal(signal.SIGINT)

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True
        if callable(before):  # that of a wait around this one, or Python's own
            before(number, frame)

    hooks = {name: vars(kernel)[name] for name in _HOOKS if name in vars(kernel)}
    vars(kernel).update(dict.fromkeys(_HOOKS, _nothing))
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        for name in _HOOKS:
            del vars(kernel)[name]
        vars(kernel).update(hooks)
        if came:
            raise KeyboardInterrupt


def _nothing() -> None:
    """Takes the place of the kernel's hooks."""
