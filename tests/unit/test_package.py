"""What importing the package costs, and what it offers."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
    process = python("import inductiva_widgets")

    (line,) = [line for line in process.stderr.splitlines() if line.endswith("| inductiva_widgets")]
    assert int(line.split("|")[1]) < 50_000  # microseconds; 1 ms is usual


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


def test_dir_shows_what_is_public():
    assert dir(iw) == sorted(iw.__all__)
    assert list(iw.__all__) == sorted(iw.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = iw.nothing
    with pytest.raises(AttributeError):
        _ = iw.tasks.nothing
    assert not hasattr(iw, "_home")


def test_every_home_is_public_or_called_by_jupyter():
    hooks = {name for name in iw._HOMES if name.startswith("_")}

    assert set(iw._HOMES) - hooks == set(iw.__all__)
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
