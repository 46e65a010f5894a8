"""A server whose pages may run its own scripts only: its policy forbids `blob:` addresses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from notebook import Notebook, write_notebook
from playwright.sync_api import expect
from test_other_hosts import notebook_7

POLICY = "script-src 'self' 'unsafe-eval' 'unsafe-inline'"
EXAMPLES = Path(__file__).parents[2] / "notebooks" / "examples"
CONNECT = "import inductiva_widgets as iw\nbackend = iw.connect()"
SUBMIT = (
    "task = iw.tasks.submit(['python --version'], 'examples/dam_break', simulator='strict')\n"
    "task.wait()"
)

pytestmark = pytest.mark.full


CELLS = (
    CONNECT,
    SUBMIT,
    "task",
    "iw.tasks.get(2)",
    "iw.TaskMonitor(task)",
    "iw.TaskTable(last_n=5)",
)


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    """A folder with the configuration of such a server."""
    folder = tmp_path_factory.mktemp("policy")
    headers = {"headers": {"Content-Security-Policy": POLICY}}
    config = {"ServerApp": {"tornado_settings": headers}}
    (folder / "jupyter_server_config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def lab_environment(lab_environment, policy):
    return {**lab_environment, "JUPYTER_CONFIG_PATH": str(policy)}


def check_outputs(notebook):
    """anywidget imports the code of widgets from such addresses; their HTML is shown instead."""
    for number in range(len(CELLS)):
        notebook.run(number)

    task = notebook.code(2)
    expect(task.locator(".iw-output")).to_have_attribute("data-mode", "server")
    expect(task.locator(".iw-badge")).to_contain_text("Success")
    task.get_by_role("tab", name="Details").click()
    expect(task.locator(".iw-details")).to_contain_text("Task id")
    expect(notebook.code(3).locator("table")).to_contain_text("strict")
    expect(notebook.code(4)).to_contain_text("Ended")
    expect(notebook.code(5)).to_contain_text("No live table here")


def test_what_needs_no_widget_works_and_what_does_is_html_and_told(lab, page):
    write_notebook(lab.root / "strict.ipynb", *CELLS)

    check_outputs(Notebook(page, lab, "strict.ipynb"))

    page.locator(".jp-Notification-Status").click()
    told = page.locator(".jp-Notification-List-Item").filter(has_text="Content-Security-Policy")
    expect(told).to_have_count(1)
    expect(told).to_contain_text("no blob: in script-src")


def test_notebook_7_shows_the_same(workplace, policy, page):
    home, environment = workplace
    shutil.copytree(EXAMPLES, home / "examples")
    write_notebook(home / "strict.ipynb", *CELLS)

    with notebook_7((home, {**environment, "JUPYTER_CONFIG_PATH": str(policy)})) as place:
        check_outputs(Notebook(page, place, "strict.ipynb"))
        expect(page.locator(".Toastify")).to_contain_text("blocks TaskTable and TaskMonitor")
