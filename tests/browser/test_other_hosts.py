"""Hosts beside JupyterLab, in the browser: Notebook 7, Voilà; `test_marimo.py` has one more."""

from __future__ import annotations

import contextlib
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


@contextlib.contextmanager
def notebook_7(workplace):
    """Notebook's server, as a place of notebooks."""
    host = serving(
        workplace,
        "notebook",
        *("--no-browser", "--allow-root", "--ip=127.0.0.1", "--port={port}"),
        *("--IdentityProvider.token=here", "--ServerApp.root_dir=."),
        "--JupyterNotebookApp.expose_app_in_browser=True",
        path="/api/status?token=here",
    )
    with host as url:
        yield SimpleNamespace(address=lambda name: f"{url}/notebooks/{name}?token=here")


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
    expect(page.locator(".iw-details").last).to_contain_text("Task id")
    assert [problem for problem in page.problems if not_ours not in problem] == []


def test_notebook_7_shows_a_task_and_a_table(workplace, page):
    home, _ = workplace
    cells = "import inductiva_widgets as iw\niw.tasks.get(1)[0]", "iw.tasks.get(5)"
    write_notebook(home / "classic.ipynb", *cells)
    with notebook_7(workplace) as place:
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
