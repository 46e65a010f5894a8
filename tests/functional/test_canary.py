"""Neither the API key nor the signature of a link in anything that is kept or shown.

Both are known here, so every place is searched for them as bytes. What a browser keeps is searched
by `test_neither_key_nor_signature_leaves_the_server` of `tests/browser/test_live_cell.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import io
import json
import logging
import os
import pickle
import subprocess
import sys
import traceback
from pathlib import Path

import nbclient
import nbformat
import psutil
import pytest
from lab_server import Server, Stream
from nbconvert import HTMLExporter
from scripted import RESET, Answer, ScriptedServer, ok, refusal

import inductiva_widgets as iw
from inductiva_widgets.api.client import Client
from inductiva_widgets.api.config import ApiKey, Config
from inductiva_widgets.api.sessions import Timeouts
from inductiva_widgets.backend import Backend
from inductiva_widgets.errors import InductivaWidgetsError
from inductiva_widgets.service.dispatch import Service
from inductiva_widgets.service.packing import encode_frame
from inductiva_widgets.task.files import outputs_of

KEY = "canary-key.0123456789_abcdefghij"
SIGNATURE = "canarysignature0123456789"
SHOW_ALL = """
import os, sys, pathlib
print(sys.argv, dict(os.environ))
for part in ("environ", "cmdline"):
    print(pathlib.Path(f"/proc/self/{part}").read_bytes() if os.name == "posix" else b"")
"""


def assert_no_canary(places, secrets):
    """Every place is searched for all of each secret, and for half of it."""
    parts = [
        part.encode()
        for secret in secrets
        for part in (secret, secret[: len(secret) // 2], secret[len(secret) // 2 :])
    ]
    hits = {place for place, content in places.items() for part in parts if part in content}
    assert hits == set()


def content_below(folder):
    return {
        str(path): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "api_key"
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("canary")


@pytest.fixture
def signatures(monkeypatch):
    """What signs the links that the engine gave."""
    given = []
    signed_url = Client.signed_url

    def noted(self, *path, **how):
        given.append(signed_url(self, *path, **how))
        return given[-1]

    monkeypatch.setattr(Client, "signed_url", noted)
    return given


def secret_of(link):
    """The signature at the end of a link of the engine."""
    return link.rpartition(".")[2]


@pytest.fixture
def logged():
    """All that is logged, by anybody, at DEBUG."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def faces(thing):
    """The ways in which an object shows itself or is kept."""
    yield from (repr(thing), str(thing), f"{thing}", str(getattr(thing, "__dict__", "")))
    for name in ("_repr_html_", "to_dict"):
        if hasattr(thing, name):
            yield str(getattr(thing, name)())
    for keep in (pickle.dumps, copy.copy, copy.deepcopy):
        try:
            yield str(keep(thing))
        except Exception as error:  # noqa: BLE001 - what cannot be kept cannot tell
            yield str(error)


@pytest.mark.fault(89, 108)
def test_on_the_engine_nothing_holds_the_key_or_a_signature(
    start_engine, tmp_path, signatures, logged, capsys
):
    engine = start_engine(INDUCTIVA_API_KEY=KEY)
    folder = tmp_path / "case"
    folder.mkdir()
    (folder / "show.py").write_text(SHOW_ALL)
    settings = Config(engine.url, ApiKey(KEY), "a test", tmp_path / "out", is_local=True)
    with contextlib.closing(Backend(settings)) as backend, contextlib.closing(Service(backend)):
        task = iw.tasks.submit(["python show.py"], folder, simulator="canary", backend=backend)
        assert task.wait(timeout=30) == "success"
        download = task.start_download()
        download.result(30)
        listed = iw.tasks.get(backend=backend)
        frame = iw.tasks.list(backend=backend)
        iw.history.to_csv(frame, tmp_path / "tasks.csv")
        frame.to_pickle(tmp_path / "tasks.pickle")
        monitor, table = iw.TaskMonitor(task), iw.TaskTable(listed)
        things = [task, task.info, outputs_of(task), task.get_output(), task.get_output_info()]
        things += [download, download.progress, backend, backend.config, backend.client]
        things += [backend.config.key, backend.client.links, listed, frame, frame.attrs]
        things += [monitor.get_state(), table.get_state(), iw.config()]
        shown = "\n".join(face for thing in things for face in faces(thing))
        monitor.close()
        table.close()
    processes = [psutil.Process(engine.pid), *psutil.Process(engine.pid).children(recursive=True)]
    arguments = "\n".join(" ".join(process.cmdline()) for process in processes)
    said = capsys.readouterr()
    engine.close()
    engine.process = None

    assert len(signatures) >= 2
    assert len(logged.getvalue().splitlines()) > 10
    places = {
        "faces": shown.encode(),
        "arguments of processes": arguments.encode(),
        "said": (said.out + said.err).encode(),
        "logged": logged.getvalue().encode(),
        "log of the engine": (engine.data_dir.parent / f"{engine.data_dir.name}.log").read_bytes(),
        **content_below(engine.data_dir),  # the database, the output of the task among them
        **content_below(tmp_path / "out"),
        **{name: (tmp_path / name).read_bytes() for name in ("tasks.csv", "tasks.pickle")},
    }
    assert any(name.endswith("stdout.txt") for name in places)
    assert any(".db" in name or ".sqlite" in name for name in places)
    assert_no_canary(places, [KEY, *map(secret_of, signatures)])


ANSWERS = {
    "refused": refusal(401, f"the key {KEY} is unknown"),
    "echoed": refusal(400, [{"loc": ["header"], "msg": KEY, "type": "x"}]),
    "missing": refusal(404, f"nothing for {KEY}"),
    "broken": Answer(500, f"<p>{KEY}</p>".encode(), reason=f"oh {KEY}"),
    "reset": RESET,
    "no json": Answer(200, f"{KEY} is no JSON".encode()),
    "moved": Answer(302, b"", {"Location": f"https://elsewhere.test/{KEY}"}),
}


def told(error):
    """An error with all that hangs on it."""
    return "\n".join([repr(error), *traceback.format_exception(error), str(vars(error))])


@pytest.mark.parametrize("answer", [RESET, refusal(403, "no"), Answer(200, b"no JSON")])
def test_tracebacks_with_locals_do_not_tell_the_key(tmp_path, answer):
    """IPython's verbose mode shows them, and so do services that collect errors."""
    with contextlib.closing(ScriptedServer()) as server:
        server.say(answer)
        settings = Config(server.url, ApiKey(KEY), "a test", tmp_path)
        with (
            contextlib.closing(Backend(settings)) as backend,
            pytest.raises(InductivaWidgetsError) as caught,
        ):
            backend.client.kill("abc")

    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    text = "".join(shown.format())
    assert "_base_url" in text or "self = <" in text
    assert_no_canary({"traceback": text.encode()}, [KEY])


@pytest.mark.fault(79, 89)
@pytest.mark.parametrize("way", ANSWERS)
def test_no_failure_of_the_service_tells_the_key(logged, tmp_path, way):
    texts = []
    with contextlib.closing(ScriptedServer()) as server:
        server.say(ANSWERS[way])
        settings = Config(server.url, ApiKey(KEY), "a test", tmp_path)
        with contextlib.closing(Backend(settings)) as backend:
            client = backend.client
            for act in (
                lambda: client.task("abc", retry=False),
                lambda: client.status("abc", retry=False),
                lambda: client.kill("abc"),
                lambda: client.submit({}),
            ):
                with pytest.raises(InductivaWidgetsError) as caught:
                    act()
                texts.append(told(caught.value))

    text = "\n".join([*texts, logged.getvalue()])
    assert_no_canary({"errors and logs": text.encode()}, [KEY])


@pytest.mark.fault(14)
@pytest.mark.parametrize(
    "answer", [Answer(403, b"<Error>"), Answer(200, b"no zip"), RESET], ids=["403", "200", "reset"]
)
def test_no_failure_of_the_storage_tells_a_signature(logged, tmp_path, answer):
    from inductiva_widgets.outputs.remote import RetryPolicy

    with contextlib.closing(ScriptedServer()) as server:
        link = f"{server.url}/bucket/output.zip?X-Goog-Signature={SIGNATURE}"
        task = {"task_id": "abc", "status": "success", "is_terminated": True}
        server.route = lambda asked: (
            answer
            if asked.path.startswith("/bucket")
            else ok([link] if "signed-urls" in asked.path else task)
        )
        settings = Config(server.url, ApiKey(KEY), "a test", tmp_path)
        with contextlib.closing(Backend(settings, timeouts=Timeouts(2, 2))) as backend:
            outputs = outputs_of(iw.Task("abc", backend=backend))
            outputs._retry = RetryPolicy(tries=2, first_pause_s=0.001, longest_pause_s=0.001)
            download = outputs.start_download(tmp_path / "out")
            with pytest.raises(InductivaWidgetsError) as caught:
                download.result(20)
            whole = "".join(traceback.format_exception(caught.value))
            text = "\n".join([whole, str(vars(caught.value)), *faces(download), *faces(outputs)])

    places = {"errors": text.encode(), "logs": logged.getvalue().encode()}
    assert_no_canary({**places, **content_below(tmp_path)}, [KEY, SIGNATURE])


NOTEBOOK = (
    """import logging
logging.basicConfig(level=logging.DEBUG)
%load_ext inductiva_widgets
import inductiva_widgets as iw
backend = iw.connect()
backend""",
    """place = {"machine_group": "local", "container_image": "docker://x"}
task = iw.tasks.submit(["python --version"], **place)
task.wait()
task""",
    "task.download_outputs()",
    "iw.config()",
    "iw.TaskTable(iw.tasks.get())",
    "monitor = iw.TaskMonitor(task)\nmonitor",
    "iw.tasks.list()",
    "vars(backend), vars(backend.config.key) if hasattr(backend.config.key, '__dict__') else ''",
    "iw.Task('nosuchtask').refresh()",
    "task.download_outputs(['no such file'])",
    "%xmode Verbose\niw.Task('nosuchtask').refresh()",
    "dir(task), locals().keys()",
)


@pytest.mark.fault(108)
def test_no_notebook_holds_the_key_or_a_signature(start_engine, tmp_path, monkeypatch):
    """Saved outputs, widget state, tracebacks with locals, logs at DEBUG, and the page of it."""
    engine = start_engine(INDUCTIVA_API_KEY=KEY)
    for name, value in {
        "INDUCTIVA_API_KEY": KEY,
        "INDUCTIVA_API_URL": engine.url,
        "IPYTHONDIR": str(tmp_path / "ipython"),
    }.items():
        monkeypatch.setenv(name, value)
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in NOTEBOOK])
    made.metadata.kernelspec = {"name": "python3", "display_name": "", "language": "python"}
    client = nbclient.NotebookClient(made, timeout=60, allow_errors=True)

    asyncio.run(client.async_execute(cwd=str(tmp_path)))

    saved = nbformat.writes(made)
    page, _ = HTMLExporter().from_notebook_node(made)
    kinds = [output.output_type for cell in made.cells for output in cell.outputs]
    assert kinds.count("error") == 3
    assert "DEBUG:" in saved
    links = [line for line in saved.split() if "~" in line and engine.url in line]
    assert links == []
    places = {"notebook": saved.encode(), "page": page.encode()}
    assert_no_canary({**places, **content_below(tmp_path / "ipython")}, [KEY])


@pytest.mark.fault(108)
def test_the_jupyter_server_tells_nobody_the_key_or_a_signature(start_engine, tmp_path):
    """Its log at DEBUG, its answers, its stream, what it keeps, and its processes' arguments."""
    engine = start_engine(INDUCTIVA_API_KEY=KEY)
    task = engine.run("python -c pass")
    environment = {"INDUCTIVA_API_KEY": KEY, "INDUCTIVA_API_URL": engine.url}
    home = tmp_path / "jupyter"
    calls = {
        "task.get": {"task_id": task["task_id"]},
        "task.details": {"task_id": task["task_id"]},
        "outputs.list": {"task_id": task["task_id"]},
        "tasks.list": {"last_n": 5},
        "task.kill": {"task_id": "nosuchtask"},
    }
    with contextlib.closing(Server(home, "--debug", **environment)) as server:
        entry = server.backends()
        said = [json.dumps(entry).encode()]
        place = {"backend": entry["default"], "account": entry["backends"][0]["account"]}
        with Stream(server) as stream:
            server.subscribe(stream.page)
            stream.next()
            for method, params in calls.items():
                header = {"id": "c1", "method": method, "params": params, **place}
                said.append(server.frame(encode_frame(header, ())).content)
            said += stream.raw
        arguments = " ".join(psutil.Process(server.process.pid).cmdline())
        log = server.log.read_bytes()

    assert len(said) > len(calls)
    assert b"[D " in log
    assert b'"kind":"result"' in said[1].replace(b" ", b"")
    places = {"answers": b"\n".join(said), "log": log, "arguments": arguments.encode()}
    assert_no_canary({**places, **content_below(home)}, [KEY])
    assert b"download~" not in places["answers"] + log


def test_the_command_line_tells_neither(start_engine, tmp_path):
    """At the strongest: Python's development mode, a failing call, JSON, all outputs."""
    engine = start_engine(INDUCTIVA_API_KEY=KEY)
    task = engine.run("python -c pass")
    code = "import logging; logging.basicConfig(level=10)\n"
    code += "from inductiva_widgets.cli import main; main()"
    environment = {"INDUCTIVA_API_KEY": KEY, "INDUCTIVA_API_URL": engine.url}
    said = b""
    for words in (
        ["tasks", "list", "--json"],
        ["tasks", "download", task["task_id"], "--to", str(tmp_path / "here")],
        ["tasks", "info", "nosuchtask"],
        ["auth", "status", "--json"],
    ):
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-c", code, *words],
            env={**os.environ, **environment, "PYTHONPATH": str(Path(iw.__file__).parents[1])},
            capture_output=True,
            check=False,
            timeout=60,
        )
        said += done.stdout + done.stderr

    assert b"DEBUG:" in said
    assert_no_canary({"said": said, **content_below(tmp_path / "here")}, [KEY])
    assert b"download~" not in said


def test_the_search_would_find_them(tmp_path):
    """The searches above look where they say."""
    (tmp_path / "file").write_bytes(b"\0" + KEY.encode() + b"\0")
    with pytest.raises(AssertionError, match="file"):
        assert_no_canary(content_below(tmp_path), [KEY])
    with pytest.raises(AssertionError, match="half"):
        assert_no_canary({"half": KEY[: len(KEY) // 2].encode()}, [KEY])
