"""A server whose pages may run its own scripts only: its policy forbids `blob:` addresses."""

from __future__ import annotations

import json

import pytest
from notebook import Notebook, write_notebook
from playwright.sync_api import expect

POLICY = "script-src 'self' 'unsafe-eval' 'unsafe-inline'"
CONNECT = "import inductiva_widgets as iw\nbackend = iw.connect()"
SUBMIT = (
    "task = iw.tasks.submit(['python --version'], 'examples/dam_break', simulator='strict')\n"
    "task.wait()"
)

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def lab_environment(lab_environment, tmp_path_factory):
    folder = tmp_path_factory.mktemp("policy")
    headers = {"headers": {"Content-Security-Policy": POLICY}}
    config = {"ServerApp": {"tornado_settings": headers}}
    (folder / "jupyter_server_config.json").write_text(json.dumps(config))
    return {**lab_environment, "JUPYTER_CONFIG_PATH": str(folder)}


def test_what_needs_no_widget_works_and_what_does_is_told(lab, page):
    """anywidget imports the code of widgets from such addresses; JupyterLab does not say so."""
    cells = (CONNECT, SUBMIT, "task", "iw.tasks.get(2)", "iw.TaskTable(last_n=5)")
    write_notebook(lab.root / "strict.ipynb", *cells)
    notebook = Notebook(page, lab, "strict.ipynb")
    for number in range(4):
        notebook.run(number)

    task = notebook.code(2)
    expect(task.locator(".iw-output")).to_have_attribute("data-mode", "server")
    expect(task.locator(".iw-badge")).to_contain_text("Success")
    task.get_by_role("tab", name="Details").click()
    expect(task.locator(".iw-details")).to_contain_text("Task id")
    expect(notebook.code(3).locator("table")).to_contain_text("strict")

    notebook.run(4)
    page.locator(".jp-Notification-Status").click()
    told = page.locator(".jp-Notification-List-Item").filter(has_text="Content-Security-Policy")
    expect(told).to_have_count(1)
    expect(told).to_contain_text("no blob: in script-src")
