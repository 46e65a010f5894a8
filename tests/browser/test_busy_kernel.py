"""Front ends without subshells: clicks work inside our own wait, and wait honestly elsewhere.

JupyterLab with this setting stands in for hosts that know no subshells.
"""

from __future__ import annotations

import re

import pytest
from notebook import Notebook, write_notebook
from playwright.sync_api import expect

COMMS_OVER_SUBSHELLS = "disabled"

CONNECT = "import inductiva_widgets as iw\nbackend = iw.connect()"
SUBMIT = "task = iw.tasks.submit(['python run.py'], 'long', simulator='long-run')"
BUSY = "import time\nend = time.monotonic() + 5\nwhile time.monotonic() < end: pass"


@pytest.fixture(scope="module", autouse=True)
def _prepared(lab):
    (lab.root / "long").mkdir()
    (lab.root / "long" / "run.py").write_text("import time\ntime.sleep(60)\n")


def ask_to_kill(monitor) -> None:
    monitor.get_by_role("button", name="Kill task").first.click()
    question = monitor.get_by_role("alertdialog")
    question.get_by_role("button", name=re.compile("Kill")).click()


def test_kill_during_our_own_wait_in_the_same_cell(lab, page):
    write_notebook(lab.root / "wait.ipynb", CONNECT, f"{SUBMIT}\ndisplay(task)\ntask.wait()", "1")
    notebook = Notebook(page, lab, "wait.ipynb")
    notebook.run(0)
    notebook.start(1)
    monitor = notebook.monitor(1)
    expect(monitor.locator(".iw-badge")).to_contain_text("In Progress")
    expect(notebook.code(1).locator(".iw")).to_have_count(1)

    ask_to_kill(monitor)

    expect(monitor.locator(".iw-badge")).to_contain_text("Killed")
    notebook.finish(1)
    expect(notebook.code(1)).to_contain_text("'killed'")
    notebook.run(2)


@pytest.mark.full
def test_kill_while_another_cell_is_busy_waits_for_the_kernel_and_says_so(lab, page):
    write_notebook(lab.root / "busy.ipynb", CONNECT, f"{SUBMIT}\ntask.monitor()", BUSY)
    notebook = Notebook(page, lab, "busy.ipynb")
    notebook.run(0)
    notebook.run(1)
    monitor = notebook.monitor(1)
    expect(monitor.locator(".iw-badge")).to_contain_text("In Progress")
    notebook.start(2)

    ask_to_kill(monitor)

    expect(monitor).to_contain_text("Waiting for the kernel", timeout=5000)
    assert notebook.is_running(2)
    notebook.finish(2)
    expect(monitor.locator(".iw-badge")).to_contain_text("Killed")
    assert page.problems == []
