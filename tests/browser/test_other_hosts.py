"""Hosts beside JupyterLab, in the browser: Notebook 7, Voilà, marimo."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from types import SimpleNamespace

import psutil
import pytest
from notebook import Notebook, write_notebook
from playwright.sync_api import expect

READY_S = 90
NOTEBOOKS_OWN = "(reading 'schema')"  # Notebook 7.6 raises this without our extension, too
TASKS = """import inductiva_widgets as iw
first = iw.tasks.submit(["python -c 'print(1)'"], "inputs", simulator="first")
second = iw.tasks.submit(["python -c 'print(2)'"], "inputs", simulator="second")
iw.tasks.wait_all([first, second])"""
MARIMO = """import marimo
app = marimo.App()

@app.cell
def _():
    import inductiva_widgets as iw
    task = iw.tasks.get(1)[0]
    return iw, task

@app.cell
def _(task):
    task
    return

@app.cell
def _(iw):
    iw.TaskTable(last_n=5)
    return
"""


@pytest.fixture(scope="module")
def workplace(engine, tmp_path_factory):
    """A folder with inputs and two ended tasks, and how hosts find the engine."""
    home = tmp_path_factory.mktemp("hosts")
    (home / "inputs").mkdir()
    (home / "inputs" / "case.txt").write_text("a case")
    environment = {
        **os.environ,
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "XDG_CONFIG_HOME": str(home / "xdg"),
        "XDG_STATE_HOME": str(home / "xdg"),
        "XDG_CACHE_HOME": str(home / "xdg"),
        "INDUCTIVA_WIDGETS_LOCAL": "1",
        "INDUCTIVA_WIDGETS_DATA_DIR": str(engine.data_dir),
    }
    done = subprocess.run(
        [sys.executable, "-c", TASKS],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return home, environment


@contextlib.contextmanager
def serving(workplace, *command, path="/"):
    """A host's server; its address."""
    home, environment = workplace
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = home / "host.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *(part.format(port=port) for part in command)],
            cwd=home,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(process, url + path, log)
        yield url
    finally:
        family = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        process.wait(30)
        _, left = psutil.wait_procs(family, timeout=10)
        for orphan in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                orphan.kill()


def _wait_until_ready(process, address, log):
    end = time.monotonic() + READY_S
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    pytest.fail(log.read_text())


def check_views(page, not_ours="nothing"):
    """A task and the table answer: a row is ticked, and opens a monitor below, with its tabs."""
    monitor = page.locator(".iw-badge").first
    expect(monitor).to_contain_text("Success", timeout=60_000)
    row = page.locator(".iw-card.iw-tasks [data-id]").first
    expect(row).to_be_visible(timeout=60_000)
    row.locator("[data-act=select]").click()
    expect(page.locator(".iw-card.iw-tasks").first).to_contain_text("1 selected")
    row.click(position={"x": 200, "y": 10})
    expect(page.get_by_role("button", name=re.compile("^Close "))).to_be_visible()
    page.get_by_role("tab", name="Details").last.click()
    expect(page.locator(".iw-details")).to_contain_text("Task id")
    assert [problem for problem in page.problems if not_ours not in problem] == []


def test_notebook_7_shows_a_task_and_a_table(workplace, page):
    home, _ = workplace
    cells = "import inductiva_widgets as iw\niw.tasks.get(1)[0]", "iw.tasks.get(5)"
    write_notebook(home / "classic.ipynb", *cells)
    host = serving(
        workplace,
        "notebook",
        *("--no-browser", "--allow-root", "--ip=127.0.0.1", "--port={port}"),
        *("--IdentityProvider.token=here", "--ServerApp.root_dir=."),
        "--JupyterNotebookApp.expose_app_in_browser=True",
        path="/api/status?token=here",
    )
    with host as url:
        place = SimpleNamespace(address=lambda name: f"{url}/notebooks/{name}?token=here")
        notebook = Notebook(page, place, "classic.ipynb")
        notebook.run(0)
        notebook.run(1)
        check_views(page, NOTEBOOKS_OWN)


@pytest.mark.full
def test_voila_shows_a_task_and_a_table(workplace, page):
    home, _ = workplace
    cells = "import inductiva_widgets as iw\niw.tasks.get(1)[0].monitor()", "iw.TaskTable(last_n=5)"
    write_notebook(home / "page.ipynb", *cells)
    host = serving(
        workplace, "voila", "page.ipynb", "--no-browser", "--port={port}", "--Voila.ip=127.0.0.1"
    )
    with host as url:
        page.goto(url, timeout=90_000)
        check_views(page)


@pytest.mark.full
def test_marimo_shows_a_task_and_a_table(workplace, page):
    home, _ = workplace
    (home / "app.py").write_text(MARIMO)
    host = serving(
        workplace,
        *("marimo", "run", "app.py", "--headless", "--no-token", "--port={port}"),
        "--host=127.0.0.1",
    )
    with host as url:
        page.goto(url, timeout=90_000)
        check_views(page)
