"""Front ends without subshells: clicks work inside our own wait, and wait honestly elsewhere.

JupyterLab with this setting stands in for hosts that know no subshells.
"""

from __future__ import annotations

import re

import pytest
from notebook import BUSY, Notebook, write_notebook
from playwright.sync_api import expect

COMMS_OVER_SUBSHELLS = "disabled"

CONNECT = "import inductiva_widgets as iw\nbackend = iw.connect()"
SUBMIT = "task = iw.tasks.submit(['python run.py'], 'long', simulator='long-run')"
STEPS = """import time
for step in range(2000):
    print(f"step {step:04}", flush=True)
    time.sleep(0.1)
"""


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


def test_a_log_is_followed_during_our_own_wait(lab, page):
    (lab.root / "steps").mkdir()
    (lab.root / "steps" / "run.py").write_text(STEPS)
    submit = "task = iw.tasks.submit(['python run.py'], 'steps', simulator='steps')"
    write_notebook(lab.root / "log.ipynb", CONNECT, f"{submit}\ndisplay(task)\ntask.wait()")
    notebook = Notebook(page, lab, "log.ipynb")
    notebook.run(0)
    notebook.start(1)
    monitor = notebook.monitor(1)
    expect(monitor.locator(".iw-badge")).to_contain_text("In Progress")
    monitor.get_by_role("tab", name="Logs").click()

    expect(monitor.locator(".iw-logs")).to_contain_text(re.compile(r"step \d\d\d\d"))
    assert notebook.is_running(1)
    ask_to_kill(monitor)
    notebook.finish(1)


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

    expect(monitor).to_contain_text("Waiting for the kernel", timeout=30_000)
    assert notebook.is_running(2)
    notebook.release(2)
    expect(monitor.locator(".iw-badge")).to_contain_text("Killed")
    assert page.problems == []


COUNT_KILLS = """
from inductiva_widgets.api.client import Client
kills, kill = [], Client.kill
Client.kill = lambda self, task_id: (kills.append(task_id), kill(self, task_id))[1]"""


@pytest.mark.full
def test_200_clicks_at_a_busy_kernel_are_one_call(lab, page):
    start = CONNECT + COUNT_KILLS
    write_notebook(
        lab.root / "200.ipynb", start, f"{SUBMIT}\ntask.monitor()", BUSY, "f'{len(kills)} sent'"
    )
    notebook = Notebook(page, lab, "200.ipynb")
    notebook.run(0)
    notebook.run(1)
    monitor = notebook.monitor(1)
    expect(monitor.locator(".iw-badge")).to_contain_text("In Progress")
    notebook.start(2)
    monitor.get_by_role("button", name="Kill task").first.click()
    question = monitor.get_by_role("alertdialog")

    question.get_by_role("button", name=re.compile("Kill")).evaluate(
        "button => { for (let click = 0; click < 200; click += 1) button.click(); }"
    )

    expect(monitor).to_contain_text("Waiting for the kernel", timeout=30_000)
    notebook.release(2)
    expect(monitor.locator(".iw-badge")).to_contain_text("Killed")
    notebook.run(3)
    expect(notebook.code(3)).to_contain_text("1 sent")
    assert page.problems == []
