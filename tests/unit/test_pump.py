"""The pump where there is no kernel, or none that it knows: it does nothing, and breaks nothing."""

from __future__ import annotations

import signal
import sys
import threading
from types import SimpleNamespace

import pytest

from inductiva_widgets.notebook import pump
from inductiva_widgets.notebook.pump import comm_pump


class FakeStream:
    """A stream of ipykernel 6: messages that arrive are handed over by `flush`."""

    def __init__(self):
        self.handled = []
        self._recv_callback = self.handled.append
        self.arrived = []

    def on_recv(self, callback, copy):
        self._recv_callback = callback

    def flush(self, _):
        while self.arrived:
            self._recv_callback(self.arrived.pop(0))


class FakeKernel:
    """As much of ipykernel 6 as the pump touches. Messages are (kind, name) pairs."""

    def __init__(self):
        self.shell_stream = FakeStream()
        self.saved_sigint_handler = "of the idle kernel"
        self.parents = []
        self.published = []
        self.ran = []
        self.swallowed = 0
        self._parent_ident = {"shell": "ident"}
        self.session = SimpleNamespace(
            feed_identities=lambda message, copy: ([], message),
            deserialize=lambda frames, content, copy: {"header": {"msg_type": frames[0]}},
        )

    def get_parent(self, _):
        return "parent"

    def set_parent(self, ident, parent):
        self.parents.append((ident, parent))

    def _publish_status(self, status, channel):
        self.published.append((status, channel))

    def pre_handler_hook(self):
        self.saved_sigint_handler = signal.signal(signal.SIGINT, signal.default_int_handler)

    def post_handler_hook(self):
        signal.signal(signal.SIGINT, self.saved_sigint_handler)

    async def dispatch_shell(self, message):
        self.pre_handler_hook()
        self.ran.append(message[1])
        try:
            if message[1] == "fails":
                raise RuntimeError
            if message[1] == "interrupted":
                signal.raise_signal(signal.SIGINT)
            if message[1] == "nested":
                with comm_pump() as handle:
                    self.shell_stream.arrived = [("comm_msg", "interrupted")]
                    handle()
        except KeyboardInterrupt:
            self.swallowed += 1
        finally:
            self.post_handler_hook()


@pytest.fixture
def kernel(monkeypatch):
    made = FakeKernel()
    base = SimpleNamespace(Kernel=SimpleNamespace(initialized=lambda: True, instance=lambda: made))
    monkeypatch.setitem(sys.modules, "ipykernel.kernelbase", base)
    return made


def test_without_a_kernel_it_does_nothing(monkeypatch):
    monkeypatch.delitem(sys.modules, "ipykernel.kernelbase", raising=False)

    with comm_pump() as handle:
        handle()

    assert "ipykernel.kernelbase" not in sys.modules


def test_it_never_touches_a_kernel_that_is_not_initialised(monkeypatch):
    base = SimpleNamespace(Kernel=SimpleNamespace(initialized=lambda: False))
    monkeypatch.setitem(sys.modules, "ipykernel.kernelbase", base)

    with comm_pump() as handle:
        handle()


def test_in_a_thread_it_does_nothing(kernel):
    kernel.shell_stream.arrived = [("comm_msg", "click")]

    def wait():
        with comm_pump() as handle:
            handle()

    thread = threading.Thread(target=wait)
    thread.start()
    thread.join()

    assert kernel.ran == []
    assert kernel.shell_stream.arrived == [("comm_msg", "click")]


def test_it_can_be_turned_off(kernel, monkeypatch):
    monkeypatch.setattr(pump, "ENABLED", False)
    kernel.shell_stream.arrived = [("comm_msg", "click")]

    with comm_pump() as handle:
        handle()

    assert kernel.ran == []


@pytest.mark.parametrize("missing", ["shell_stream", "shell_channel_thread"])
def test_a_kernel_of_another_making_means_no_pump_and_no_error(kernel, missing):
    if missing == "shell_stream":
        del kernel.shell_stream
    else:
        kernel.shell_channel_thread = SimpleNamespace(manager=object())

    with comm_pump() as handle:
        handle()

    assert kernel.ran == []


def test_widget_messages_are_handled_and_everything_else_waits_in_order(kernel):
    stream = kernel.shell_stream
    with comm_pump() as handle:
        stream.arrived = [
            ("execute_request", "cell 1"),
            ("comm_msg", "click 1"),
            ("complete_request", "tab"),
            ("comm_open", "widget"),
            ("execute_request", "cell 2"),
            ("comm_close", "gone"),
        ]
        handle()
        assert kernel.ran == ["click 1", "widget", "gone"]
        assert stream.handled == []
        stream._recv_callback(("comm_msg", "late click"))

    assert [name for _, name in stream.handled] == ["cell 1", "tab", "cell 2", "late click"]
    assert stream._recv_callback == stream.handled.append


def test_after_a_handled_message_the_cell_is_the_parent_again_and_the_kernel_busy(kernel):
    with comm_pump() as handle:
        kernel.shell_stream.arrived = [("comm_msg", "click")]
        handle()

    assert kernel.parents == [("ident", "parent")]
    assert kernel.published == [("busy", "shell")]
    assert kernel.saved_sigint_handler == "of the idle kernel"
    assert "pre_handler_hook" not in vars(kernel)


def test_an_interrupt_that_ipykernel_swallows_still_ends_the_wait(kernel):
    handler = signal.getsignal(signal.SIGINT)
    with comm_pump() as handle:
        kernel.shell_stream.arrived = [("comm_msg", "interrupted"), ("comm_msg", "later")]
        with pytest.raises(KeyboardInterrupt):
            handle()

    assert kernel.swallowed == 1
    assert kernel.published == [("busy", "shell")]
    assert signal.getsignal(signal.SIGINT) == handler
    assert kernel.shell_stream.handled == [("comm_msg", "later")]


def test_an_interrupt_in_a_nested_wait_ends_the_outer_one_too(kernel):
    with comm_pump() as handle:
        kernel.shell_stream.arrived = [("comm_msg", "nested")]
        with pytest.raises(KeyboardInterrupt):
            handle()

    assert kernel.ran == ["nested", "interrupted"]
    assert kernel.swallowed == 2
    assert "pre_handler_hook" not in vars(kernel)


def test_a_handler_that_fails_gives_everything_back(kernel):
    with comm_pump() as handle:
        kernel.shell_stream.arrived = [("execute_request", "cell"), ("comm_msg", "fails")]
        with pytest.raises(RuntimeError):
            handle()

    assert kernel.saved_sigint_handler == "of the idle kernel"
    assert kernel.shell_stream.handled == [("execute_request", "cell")]


def test_an_interrupt_gives_everything_back(kernel):
    stream = kernel.shell_stream

    def wait():
        with comm_pump() as handle:
            stream.arrived = [("execute_request", "cell")]
            handle()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        wait()

    assert stream.handled == [("execute_request", "cell")]
    assert stream._recv_callback == stream.handled.append


def test_a_nested_wait_hands_what_it_held_to_the_outer_one(kernel):
    stream = kernel.shell_stream
    with comm_pump() as outer:
        with comm_pump() as inner:
            stream.arrived = [("execute_request", "cell"), ("comm_msg", "click")]
            inner()
        assert kernel.ran == ["click"]
        assert stream.handled == []
        outer()

    assert stream.handled == [("execute_request", "cell")]


def test_a_message_that_cannot_be_read_is_left_to_the_kernel(kernel):
    def deserialize(frames, content, copy):
        if frames[0] == "garbled":
            raise ValueError("Invalid Signature")
        return {"header": {"msg_type": frames[0]}}

    kernel.session.deserialize = deserialize
    kernel.shell_stream.arrived = [("garbled", "x"), ("comm_msg", "click")]

    with comm_pump() as handle:
        handle()

    assert kernel.ran == ["click"]
    assert kernel.shell_stream.handled == [("garbled", "x")]
