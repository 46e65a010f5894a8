"""A kernel of ipykernel 6, which knows no subshells: what the page shows while it is busy."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from notebook import BUSY, Notebook, write_notebook
from playwright.sync_api import expect
from test_busy_kernel import ask_to_kill

VERSION = "6.31.0"
CONNECT = "import inductiva_widgets as iw, ipykernel\nbackend = iw.connect()\nipykernel.__version__"
SUBMIT = "task = iw.tasks.submit(['python run.py'], 'long', simulator='long-run')"

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def lab_environment(lab_environment, tmp_path_factory):
    site = tmp_path_factory.mktemp("site")
    install = ("-m", "pip", "install", "--quiet", "--no-deps", "--target", site)
    subprocess.run(
        [sys.executable, *install, f"ipykernel=={VERSION}", "nest-asyncio"], check=True, timeout=100
    )
    return {**lab_environment, "PYTHONPATH": str(site)}


@pytest.fixture(scope="module", autouse=True)
def _prepared(lab):
    (lab.root / "long").mkdir()
    (lab.root / "long" / "run.py").write_text("import time\ntime.sleep(60)\n")


def test_a_monitor_paints_and_kills_in_the_cell_that_shows_it_and_waits(lab, page):
    show = f"{SUBMIT}\ndisplay(iw.TaskMonitor(task))\ntask.wait()"
    write_notebook(lab.root / "wait.ipynb", CONNECT, show)
    notebook = Notebook(page, lab, "wait.ipynb")
    notebook.run(0)
    expect(notebook.code(0)).to_contain_text(VERSION)
    notebook.start(1)
    monitor = notebook.monitor(1)
    expect(monitor.locator(".iw-badge")).to_contain_text("In Progress")

    ask_to_kill(monitor)

    expect(monitor.locator(".iw-badge")).to_contain_text("Killed")
    notebook.finish(1)
    expect(notebook.code(1)).to_contain_text("'killed'")
    assert page.problems == []


def test_a_monitor_shown_by_a_busy_cell_has_the_state_and_says_what_waits(lab, page):
    """The state is sent unasked; nothing that the view asks is answered before the cell ends."""
    show = f"{SUBMIT}\ndisplay(iw.TaskMonitor(task))\n{BUSY}"
    write_notebook(lab.root / "busy.ipynb", CONNECT, show, "task.kill()")
    notebook = Notebook(page, lab, "busy.ipynb")
    notebook.run(0)

    notebook.start(1)

    monitor = notebook.monitor(1)
    expect(monitor.locator(".iw-badge")).to_contain_text(re.compile("In Progress|Queued|Started"))
    expect(monitor).to_contain_text("Waiting for the kernel")
    monitor.get_by_role("tab", name="Details").click()
    expect(monitor.get_by_role("tabpanel")).to_contain_text("Waiting for the kernel")
    assert notebook.is_running(1)
    notebook.release(1)
    expect(monitor.locator(".iw-details")).to_contain_text("Task id")
    notebook.run(2)
    assert page.problems == []
