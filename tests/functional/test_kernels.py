"""Clicks while a cell waits, in real kernels of several versions, without a browser."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import time
from pathlib import Path

import pytest
import zmq
from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpec

DEADLINE_S = 30.0
HERE = "6.31" if sys.version_info < (3, 11) else "7.4"  # what the environment has, or a later one
OTHER_VERSIONS = ("6.31.0", "7.2.0")  # what others may have

WAIT = """
import threading, time
from inductiva_widgets.notebook.pump import comm_pump
def wait_for(event, seconds=120):  # longer than any test waits: it is ended, or seen to hang
    end = time.monotonic() + seconds
    with comm_pump() as pump:
        while not event.wait(0.02) and time.monotonic() < end:
            pump()
"""


class Kernel:
    """A kernel process and the front end's end of its channels."""

    def __init__(self, folder, **environment):
        self.folder = folder
        self._context = zmq.Context()
        self._manager = KernelManager(
            context=self._context, connection_file=str(folder / "kernel.json")
        )
        self._manager._kernel_spec = KernelSpec(
            argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            display_name="test",
            language="python",
        )
        home = {"HOME": str(folder), "IPYTHONDIR": str(folder / "ipython"), "TMPDIR": str(folder)}
        self._manager.start_kernel(env={**os.environ, **home, **environment}, cwd=str(folder))
        # Of the manager: a client by itself takes a late heartbeat for a dead kernel.
        self._client = self._manager.client()
        self._client.start_channels()
        self.overlooks_requests = False
        self.seen = []
        try:
            self._client.wait_for_ready(timeout=2 * DEADLINE_S)
        except RuntimeError:
            self.close()
            raise

    def close(self):
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._manager.cleanup_resources()
        self._context.destroy(linger=0)

    # -- what a front end sends --------------------------------------------------------------

    def execute(self, code, *, stop_on_error=True):
        return self._client.execute(code, stop_on_error=stop_on_error)

    def click(self, comm_id, content, subshell=None):
        data = {"method": "custom", "content": content}
        message = self._client.session.msg("comm_msg", {"comm_id": comm_id, "data": data})
        if subshell is not None:
            message["header"]["subshell_id"] = subshell
        self._client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def call(self, comm_id, call_id, method="outputs.cancel", *, subshell=None, **params):
        content = {"kind": "call", "id": call_id, "method": method, "params": params}
        return self.click(comm_id, content, subshell)

    def subshell(self):
        """A new thread of the kernel for messages, as JupyterLab asks for one."""
        request = self._client.session.msg("create_subshell_request")
        self._client.control_channel.send(request)
        return self._client.get_control_msg(timeout=DEADLINE_S)["content"]["subshell_id"]

    def interrupt(self):
        self._manager.interrupt_kernel()

    # -- what a front end reads --------------------------------------------------------------

    def until(self, found):
        """Reads what the kernel publishes up to the first message for which `found` is true."""
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            try:
                message = self._client.get_iopub_msg(timeout=0.5)
            except queue.Empty:
                if self.overlooks_requests:
                    self._connect_again()
                continue
            self.seen.append(message)
            if found(message):
                return message
        raise AssertionError([(m["msg_type"], m["content"]) for m in self.seen[-10:]])

    def _connect_again(self):
        """What a front end does at a reload of its page: only then what was overlooked is read."""
        handshake = zmq.EVENT_HANDSHAKE_SUCCEEDED
        with (
            self._context.socket(zmq.DEALER) as again,
            again.get_monitor_socket(handshake) as connected,
        ):
            again.connect(f"tcp://127.0.0.1:{self._manager.shell_port}")
            connected.poll(1000)
            again.disable_monitor()

    def until_printed(self, text):
        return self.until(lambda m: m["msg_type"] == "stream" and text in m["content"]["text"])

    def until_done(self, cell):
        """Reads to the end of a cell; what it printed, and the name of its error."""
        self.until(
            lambda m: (
                m["parent_header"].get("msg_id") == cell
                and m["msg_type"] == "status"
                and m["content"]["execution_state"] == "idle"
            )
        )
        return self.printed_by(cell), next(
            (m["content"]["ename"] for m in self.of(cell) if m["msg_type"] == "error"), None
        )

    def run(self, code):
        printed, error = self.until_done(self.execute(code))
        assert error is None, self.seen[-5:]
        return printed

    def until_comm(self, kind, **wanted):
        """A custom message of a widget with these values."""

        def found(message):
            data = message["content"].get("data", {})
            content = data.get("content", {}) if data.get("method") == "custom" else {}
            return content.get("kind") == kind and wanted.items() <= content.items()

        return self.until(found)

    def of(self, cell):
        return [m for m in self.seen if m["parent_header"].get("msg_id") == cell]

    def printed_by(self, cell):
        return "".join(m["content"]["text"] for m in self.of(cell) if m["msg_type"] == "stream")

    def has_ended(self, cell):
        return any(
            m["msg_type"] == "status" and m["content"]["execution_state"] == "idle"
            for m in self.of(cell)
        )


@pytest.fixture(scope="module")
def environment(engine):
    return {"INDUCTIVA_API_KEY": engine.key, "INDUCTIVA_API_URL": engine.url}


@pytest.fixture(
    scope="module",
    params=[None, *(pytest.param(version, marks=pytest.mark.full) for version in OTHER_VERSIONS)],
    ids=lambda version: f"ipykernel-{version or 'here'}",
)
def kernel(request, environment, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kernel")
    more = {}
    if request.param is not None:
        subprocess.run(
            [
                sys.executable,
                *("-m", "pip", "install", "--quiet", "--no-deps", "--target", folder / "site"),
                *(f"ipykernel=={request.param}", "nest-asyncio"),
            ],
            check=True,
            timeout=100,
        )
        more["PYTHONPATH"] = str(folder / "site")
    with contextlib.closing(Kernel(folder, **environment, **more)) as started:
        version = started.run("import ipykernel; print(ipykernel.__version__)").strip()
        assert version == request.param or (request.param is None and version >= HERE)
        started.has_subshells = not version.startswith("6.")
        # One that comes while a reply leaves: https://github.com/ipython/ipykernel/issues/1554
        started.overlooks_requests = version == "7.2.0"
        yield started


def show_and_wait(kernel, task_id, wait="task.wait()"):
    """Runs the usual cell; the cell and the comm of the view that it shows."""
    cell = kernel.execute(
        f"import inductiva_widgets as iw\ntask = iw.Task({task_id!r})\nprint('ended', {wait})"
    )
    shown = kernel.until(
        lambda m: m["msg_type"] == "comm_open" and task_id in str(m["content"]["data"])
    )
    kernel.until(lambda m: m["msg_type"] == "display_data")
    return cell, shown["content"]["comm_id"]


def test_clicks_are_handled_while_the_cell_waits_and_queued_cells_run_afterwards(kernel, running):
    cell, comm_id = show_and_wait(kernel, running)
    queued = [kernel.execute(f"print('cell {number}')") for number in range(3)]

    for number in range(3):
        kernel.call(comm_id, f"n{number}")
        kernel.until_comm("ack", id=f"n{number}")
        kernel.until_comm("result", id=f"n{number}")
    assert not kernel.has_ended(cell)
    assert not any(map(kernel.of, queued))
    kernel.call(comm_id, "kill", "task.kill", task_id=running)
    kernel.until_comm("ack", id="kill")

    printed, error = kernel.until_done(cell)
    assert (printed, error) == ("ended killed\n", None)
    assert [kernel.until_done(one) for one in queued] == [
        (f"cell {number}\n", None) for number in range(3)
    ]
    starts = [m["parent_header"]["msg_id"] for m in kernel.seen if m["msg_type"] == "execute_input"]
    assert starts[-3:] == queued


def test_an_interrupt_stops_the_waiting_only_and_says_so(kernel, running, engine):
    cell, comm_id = show_and_wait(kernel, running)
    kernel.call(comm_id, "before")
    kernel.until_comm("ack", id="before")

    kernel.interrupt()
    printed, error = kernel.until_done(cell)

    assert error == "KeyboardInterrupt"
    assert "Stopped waiting" in printed
    assert "goes on" in printed
    assert engine.status(running)["status"] == "computation-started"
    kernel.call(comm_id, "after")
    kernel.until_comm("ack", id="after")
    kernel.interrupt()  # of an idle kernel
    assert kernel.run("print(1 + 1)") == "2\n"


def test_an_interrupt_inside_sync_context_kills_the_task(kernel, running, engine):
    cell = kernel.execute(
        "import inductiva_widgets as iw\n"
        f"with iw.Task({running!r}).sync_context() as task:\n"
        "    print('waiting', flush=True)\n"
        "    task.wait()"
    )
    kernel.until_printed("waiting")
    kernel.until(lambda m: m["msg_type"] == "display_data")

    kernel.interrupt()
    printed, error = kernel.until_done(cell)

    assert error == "KeyboardInterrupt"
    assert "Killing task" in printed
    assert engine.finish(running)["status"] == "killed"


def test_an_awaited_wait_lets_clicks_through_as_well(kernel, running):
    cell, comm_id = show_and_wait(kernel, running, "await task.wait_async()")

    kernel.call(comm_id, "kill", "task.kill", task_id=running)
    kernel.until_comm("ack", id="kill")

    assert kernel.until_done(cell) == ("ended killed\n", None)


def test_a_wait_in_a_thread_is_a_plain_wait(kernel, engine):
    task_id = engine.submit("sleep 0.3")

    printed = kernel.run(
        "import threading, inductiva_widgets as iw\n"
        f"task, got = iw.Task({task_id!r}), []\n"
        "thread = threading.Thread(target=lambda: got.append(task.wait()))\n"
        "thread.start(); thread.join(); print(got)"
    )

    assert printed.endswith("['success']\n")


# -- a busy cell, where nobody waits for clicks --------------------------------------------------

COUNT_KILLS = """
import pathlib, threading, time
import inductiva_widgets as iw
from inductiva_widgets.api.client import Client
kills, kill = [], Client.kill
Client.kill = lambda self, task_id: (kills.append(task_id), kill(self, task_id))[1]
task = iw.Task({task_id!r})
view = task.monitor()
display(view)
released = pathlib.Path({task_id!r})
"""
# The view's messages must not go where the last publisher was: the watcher is a thread, too.
PUBLISH = """
def publish():
    while not released.exists():
        view.send({"kind": "noise"})
        time.sleep(0.02)
threading.Thread(target=publish).start()
"""
BUSY = "print('busy', flush=True)\nwhile not released.exists(): time.sleep(0.02)"


@pytest.mark.parametrize("meanwhile", ["", PUBLISH], ids=["other-cell", "background-thread"])
def test_200_clicks_at_a_busy_kernel_are_one_call(kernel, running, meanwhile):
    shown = kernel.execute(COUNT_KILLS.format(task_id=running))
    opened = kernel.until(
        lambda m: m["msg_type"] == "comm_open" and running in str(m["content"]["data"])
    )
    comm_id = opened["content"]["comm_id"]
    assert kernel.until_done(shown)[1] is None
    subshell = kernel.subshell() if kernel.has_subshells else None
    cell = kernel.execute(meanwhile + BUSY)
    kernel.until_printed("busy")

    for _ in range(200):
        kernel.call(comm_id, "kill", "task.kill", task_id=running, subshell=subshell)
        if kernel.has_subshells:  # more at a time and ipykernel 7.2 hangs, whoever handles them
            kernel.until_comm("ack", id="kill")
    if kernel.has_subshells:
        kernel.until_comm("result", id="kill")
        assert not kernel.has_ended(cell)
    (kernel.folder / running).touch()

    assert kernel.until_done(cell)[1] is None
    if not kernel.has_subshells:
        kernel.until_comm("result", id="kill")
    kernel.call(comm_id, "last", subshell=subshell)
    kernel.until_comm("ack", id="last")
    assert kernel.run("Client.kill = kill; print(len(kills))") == "1\n"


# -- the pump by itself ------------------------------------------------------------------------

BUTTON = (
    WAIT
    + """
import ipywidgets
class Button(ipywidgets.DOMWidget):
    pass
done, clicks, threads = threading.Event(), [], set()
button = Button()
def on_click(widget, content, buffers):
    clicks.append(content["name"])
    threads.add(threading.current_thread() is threading.main_thread())
    widget.send({"kind": "ack", "id": content["name"]})
    if content["name"] == "slow":
        time.sleep(120)
    if content["name"] == "nest":
        wait_for(inner)
        widget.send({"kind": "nested", "id": "over"})
    if content["name"] == "inner":
        inner.set()
    if content["name"] == "done":
        done.set()
inner = threading.Event()
button.on_msg(on_click)
print(button.model_id)
"""
)


@pytest.fixture
def button(kernel):
    return kernel.run(BUTTON).strip()


def test_a_bare_wait_loop_handles_clicks_on_the_main_thread(kernel, button):
    cell = kernel.execute("wait_for(done); print(clicks, threads)")
    kernel.until(lambda m: m["msg_type"] == "execute_input")

    for name in ("a", "b", "done"):
        kernel.click(button, {"name": name})
        kernel.until_comm("ack", id=name)

    assert kernel.until_done(cell) == ("['a', 'b', 'done'] {True}\n", None)


def test_what_the_cell_prints_after_a_click_stays_in_the_cell(kernel, button):
    cell = kernel.execute("wait_for(done); print('after'); display('shown')")
    kernel.until(lambda m: m["msg_type"] == "execute_input")
    kernel.click(button, {"name": "done"})

    printed, _ = kernel.until_done(cell)

    assert printed == "after\n"
    assert [m["msg_type"] for m in kernel.of(cell)].count("display_data") == 1


def test_a_click_inside_the_wait_of_a_click_is_handled(kernel, button):
    cell = kernel.execute("wait_for(done); print(clicks)")
    queued = kernel.execute("print('queued')")
    kernel.until(lambda m: m["msg_type"] == "execute_input")

    kernel.click(button, {"name": "nest"})
    kernel.until_comm("ack", id="nest")
    kernel.click(button, {"name": "inner"})
    kernel.until_comm("nested", id="over")
    kernel.click(button, {"name": "done"})

    assert kernel.until_done(cell) == ("['nest', 'inner', 'done']\n", None)
    assert kernel.until_done(queued) == ("queued\n", None)


@pytest.mark.parametrize("name", ["slow", "nest"])
def test_an_interrupt_while_a_click_is_handled_ends_the_wait(kernel, button, name):
    cell = kernel.execute("wait_for(done)")
    kernel.until(lambda m: m["msg_type"] == "execute_input")
    kernel.click(button, {"name": name})
    kernel.until_comm("ack", id=name)

    kernel.interrupt()
    _, error = kernel.until_done(cell)

    assert error == "KeyboardInterrupt"
    kernel.interrupt()  # of an idle kernel
    assert kernel.run("print(clicks)") == f"['{name}']\n"


@pytest.mark.full
def test_hundreds_of_cells_and_clicks_keep_their_order_and_none_is_lost(kernel, button):
    cell = kernel.execute("wait_for(done)")
    kernel.until(lambda m: m["msg_type"] == "execute_input")
    queued = []
    for number in range(200):
        queued.append(kernel.execute(f"ran.append({number})" if number else "ran = [0]"))
        kernel.click(button, {"name": f"c{number}"})
    kernel.click(button, {"name": "done"})

    kernel.until_done(cell)
    kernel.until_done(queued[-1])

    assert kernel.run("print(ran == [*range(200)])") == "True\n"
    assert kernel.run("print(clicks == [f'c{n}' for n in range(200)] + ['done'])") == "True\n"


# -- elsewhere ---------------------------------------------------------------------------------


def test_a_plain_python_process_waits_and_is_interrupted_as_usual(engine, environment, running):
    code = f"import inductiva_widgets as iw; print('go', flush=True); iw.Task({running!r}).wait()"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
        text=True,
    ) as process:
        lines = [process.stdout.readline(), process.stdout.readline()]
        process.send_signal(2)
        out, err = process.communicate(timeout=DEADLINE_S)

    assert lines[0] == "go\n"
    assert "In Progress" in lines[1] or "tarted" in lines[1]
    assert "Stopped waiting" in out
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert engine.status(running)["status"] == "computation-started"


def test_importing_the_pump_loads_no_kernel():
    code = "import sys, inductiva_widgets.notebook.pump as p; print('ipykernel' in sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent,
    )

    assert done.stdout == "False\n"
