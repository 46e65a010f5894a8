"""What importing the package costs, and what it offers."""

from __future__ import annotations

import contextlib
import json
import pydoc
import re
import subprocess
import sys
from pathlib import Path

import pytest
from scripted import ScriptedServer, ok, refusal

import inductiva_widgets as iw

HEAVY = [
    "anywidget",
    "ipywidgets",
    "pandas",
    "requests",
    "msgspec",
    "starlette",
    "uvicorn",
    "tornado",
    "tqdm",
    "IPython",
]


def python(code, **environment):
    process = subprocess.run(
        [sys.executable, "-X", "importtime", "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": "", **environment},
    )
    assert process.returncode == 0, process.stderr[-2000:]
    return process


def test_importing_the_package_loads_no_library_and_asks_nobody(tmp_path):
    code = f"""
import sys
def refuse(event, args):
    if event in ("socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen"):
        raise AssertionError(event)
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        raise AssertionError(args)
    if event in ("os.mkdir", "os.rename", "os.remove"):
        raise AssertionError(event)
sys.dont_write_bytecode = True
sys.addaudithook(refuse)
import threading
import inductiva_widgets
assert threading.active_count() == 1
print(sorted(set(sys.modules) & set({HEAVY!r})))
print(sorted(name for name in sys.modules if name.startswith("inductiva_widgets.")))
"""
    process = python(code, HOME=str(tmp_path))

    assert process.stdout.splitlines() == ["[]", "[]"]
    assert not list(tmp_path.iterdir())


def test_importing_the_package_takes_a_few_milliseconds():
    # Of the processor: how busy the machine is besides says nothing of the package.
    code = (
        "import time; begun = time.process_time(); import inductiva_widgets;"
        "print(time.process_time() - begun)"
    )

    assert float(python(code).stdout) < 0.05  # 10 ms is usual


def test_working_with_tasks_loads_no_notebook_library_and_no_pandas():
    code = """
import sys
import inductiva_widgets as iw
iw.Task("abc"), iw.tasks.get, iw.connect, iw.errors, iw.local
print(sorted(set(sys.modules) & {"pandas", "anywidget", "ipywidgets", "requests", "starlette"}))
"""
    assert python(code).stdout.strip() == "[]"


@pytest.mark.parametrize("name", iw.__all__)
def test_every_public_name_is_there(name):
    assert getattr(iw, name) is not None


def test_the_package_runs_as_the_program():
    said = python(
        "import runpy, sys; sys.argv[1:] = ['--version']; "
        "runpy.run_module('inductiva_widgets', run_name='__main__')"
    )

    assert said.stdout == f"inductiva-widgets, version {iw.__version__}\n"


def test_dir_shows_what_is_public():
    assert dir(iw) == sorted(iw.__all__)
    assert list(iw.__all__) == sorted(iw.__all__)


@pytest.mark.parametrize("name", ["errors", "history", "local", "tasks"])
def test_dir_of_a_module_shows_what_is_public(name):
    module = getattr(iw, name)

    assert dir(module) == sorted(module.__all__)
    for one in dir(module):
        assert getattr(module, one).__name__ == one


def test_the_history_is_called_list_also_by_help_and_pickle():
    import pickle

    assert "list" in dir(iw.tasks)
    shown = pydoc.plain(pydoc.render_doc(iw.tasks.list))
    assert re.search(r"^list\(\s*last_n", shown, re.MULTILINE)
    assert pickle.loads(pickle.dumps(iw.tasks.list)) is iw.tasks.list


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = iw.nothing
    with pytest.raises(AttributeError):
        _ = iw.tasks.nothing
    assert not hasattr(iw, "_home")


def test_every_home_is_public_or_called_by_jupyter():
    hooks = {name for name in iw._HOMES if name.startswith("_")}

    assert set(iw._HOMES) - hooks == set(iw.__all__) - {"config"}  # a function of the root itself
    assert hooks == {
        "_jupyter_labextension_paths",
        "_jupyter_server_extension_points",
        "_load_jupyter_server_extension",
    }
    for name in hooks:
        assert callable(getattr(iw, name))


def test_the_version_is_that_of_the_distribution():
    import importlib.metadata

    assert iw.__version__ == importlib.metadata.version("inductiva_widgets")
    manifest = json.loads((Path(__file__).parents[2] / "js" / "package.json").read_text("utf-8"))
    assert iw.__version__ == manifest["version"]


@pytest.fixture
def service():
    record = {"task_id": "abc", "id": "abc", "status": "success", "is_terminated": True}
    with contextlib.closing(ScriptedServer()) as server:
        server.route = lambda asked: (
            ok({"total_size": 1, "tasks": [record]})
            if asked.path.startswith("/tasks?")
            else ok(record)
            if asked.path.startswith("/tasks/abc")
            else refusal(404, "There is none.")
        )
        yield server


def test_a_program_that_waits_and_downloads_loads_no_notebook_library(service, tmp_path):
    code = f"""
import contextlib, sys
import inductiva_widgets as iw
iw.connect(key="a-key", url={service.url!r}, output_dir={str(tmp_path)!r})
print(iw.Task("abc").wait(), iw.tasks.wait_all(["abc"]))
with contextlib.suppress(iw.InductivaWidgetsError):
    iw.Task("abc").download_outputs()
iw.tasks.download(["abc"])
iw.tasks.kill(["abc"])
print(sorted(set(sys.modules) & {{"IPython", "anywidget", "ipywidgets", "pandas", "traitlets"}}))
"""
    lines = python(code, HOME=str(tmp_path)).stdout.splitlines()

    assert "success ['success']" in lines
    assert lines[-1] == "[]"


# -- beside the official package -----------------------------------------------------------------

# What the official client does to a process when it is imported: its log goes through the root
# logger to the screen and a file, and uncaught errors go through a hook of its own.
OFFICIAL = """
import logging, sys

class Handler(logging.StreamHandler):
    def emit(self, record):
        sys.stderr.write(f"■ {record.name} {record.getMessage()}\\n")

root = logging.getLogger()
root.setLevel(logging.INFO)
root.handlers.clear()
root.addHandler(Handler())
logging.getLogger("urllib3.connectionpool").setLevel(logging.CRITICAL)

def hook(kind, value, trace):
    if type(value).__name__ == "ApiException":
        sys.stderr.write("handled\\n")
        return
    sys.__excepthook__(kind, value, trace)

sys.excepthook = hook
"""

# Everything that our package may write: a status line, a waiting cell's words, a warning of its
# own log, an error.
OURS = """
import contextlib, logging, sys
import inductiva_widgets as iw
from inductiva_widgets.api.config import ApiKey, Config
from inductiva_widgets.backend import Backend
from pathlib import Path

config = Config(url=sys.argv[1], key=ApiKey("a-key"), key_source="a test", output_dir=Path("out"))
with contextlib.closing(Backend(config)) as backend:
    task = iw.Task("abc", backend=backend)
    print(task.wait(), task.get_status(), repr(task))
    print(iw.tasks.list(backend=backend).shape)
    try:
        task.get_output_info()
    except iw.InductivaWidgetsError as error:
        print(type(error).__name__, error)
    print([logging.getLogger(name).handlers for name in ("inductiva_widgets", "requests")])
    iw.Task("unknown", backend=backend).refresh()
"""


def said_by(service, folder, code):
    folder.mkdir(exist_ok=True)
    process = subprocess.run(
        [sys.executable, "-c", code, service.url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": "", "HOME": str(folder), "PYTHONPATH": str(folder), "TZ": "UTC"},
    )
    return process.returncode, without_times(process.stdout), without_times(process.stderr)


def without_times(text):
    """Clock times and the line of the failing call differ from run to run, or from code to code."""
    return re.sub(r"line \d+", "line …", re.sub(r"\d\d:\d\d:\d\d", "…", text))


@pytest.mark.parametrize("order", ["before", "after"])
def test_beside_the_official_package_we_say_the_same(service, tmp_path, order):
    (tmp_path / "official" / "inductiva").mkdir(parents=True)
    (tmp_path / "official" / "inductiva" / "__init__.py").write_text(OFFICIAL)
    alone = said_by(service, tmp_path / "alone", OURS)
    imports = {
        "before": "import inductiva\n" + OURS,
        "after": OURS.replace(
            "from pathlib import Path", "from pathlib import Path\nimport inductiva"
        ),
    }

    beside = said_by(service, tmp_path / "official", imports[order])

    assert beside == alone
    assert alone[0] == 1
    assert "Success" in alone[1]
    assert "OutputsNotReadyError" in alone[1]
    assert "NotFoundError" in alone[2].splitlines()[-1]
    assert "■" not in beside[2]


def test_we_change_neither_root_logger_nor_exception_hook(service, tmp_path):
    code = OURS.replace(
        "import inductiva_widgets as iw",
        "before = logging.getLogger().handlers[:], logging.getLogger().level, sys.excepthook\n"
        "import inductiva_widgets as iw",
    ).rpartition("    iw.Task")[0] + (
        "now = logging.getLogger().handlers[:], logging.getLogger().level, sys.excepthook\n"
        "print(now == before)\n"
    )
    # Before Python 3.11, IPython brings a package that takes the place of Python's own hook.
    brought = "import exceptiongroup\n" if sys.version_info < (3, 11) else ""

    assert said_by(service, tmp_path, brought + code)[1].splitlines()[-1] == "True"
