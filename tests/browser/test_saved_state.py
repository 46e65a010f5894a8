"""Notebooks with the state of widgets saved in them: small, and readable without a kernel."""

from __future__ import annotations

import json
import re

import pytest
from nbconvert import HTMLExporter
from notebook import Notebook, write_notebook
from playwright.sync_api import expect

CONNECT = "import inductiva_widgets as iw\nbackend = iw.connect()"
SUBMIT = (
    "task = iw.tasks.submit(['python dam_break.py config.json --set spacing=0.1'],"
    " 'examples/dam_break', simulator='sph-dam-break')\ntask.wait()"
)
SHOW = "iw.TaskMonitor(task)", "iw.TaskTable(last_n=5)"
STATE = "application/vnd.jupyter.widget-state+json"
# Whom nbconvert's page of any notebook with saved widgets names.
NBCONVERTS = {"cdnjs.cloudflare.com", "unpkg.com"}


pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def saving_lab(lab):
    """Settings > Save Widget State Automatically, which is off in JupyterLab."""
    folder = lab.settings / "@jupyter-widgets" / "jupyterlab-manager"
    folder.mkdir(parents=True)
    (folder / "plugin.jupyterlab-settings").write_text('{"saveState": true}')
    return lab


@pytest.fixture(scope="module")
def saved(saving_lab, context):
    """A notebook with both widgets, saved with their state."""
    path = saving_lab.root / "saved.ipynb"
    write_notebook(path, CONNECT, SUBMIT, *SHOW)
    page = context.new_page()
    notebook = Notebook(page, saving_lab, path.name)
    for number in range(4):
        notebook.run(number)
    expect(notebook.monitor(2).locator(".iw-badge")).to_contain_text("Success")
    expect(notebook.code(3).locator("[data-id]").first).to_be_visible()
    page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_function("() => !jupyterapp.shell.currentWidget.context.model.dirty")
    page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    page.close()
    return path


def test_the_state_of_a_widget_is_small_and_holds_no_code_and_no_secret(saved, engine):
    content = json.loads(saved.read_text())
    state = content["metadata"]["widgets"][STATE]["state"]

    shown = [one for one in state.values() if one["model_name"] == "AnyModel"]
    assert len(shown) == 3  # that of the wait as well, which the server shows
    lines = [one["state"]["as_text"] for one in shown]
    assert sum("Success" in line for line in lines) == 2
    sizes = [len(json.dumps(one)) for one in state.values()]
    assert max(sizes) < 5_000
    assert sum(sizes) < 16_000
    assert engine.read_key() not in saved.read_text()
    assert engine.url not in saved.read_text()


def test_a_new_kernel_leaves_what_was_saved_and_says_how_to_go_on(saving_lab, saved, page):
    notebook = Notebook(page, saving_lab, saved.name)

    for number, text in ((2, re.compile(r"Task \w+: Success")), (3, "TaskTable: newest 5 tasks")):
        expect(notebook.code(number)).to_contain_text(text)
        expect(notebook.code(number)).to_contain_text("run the cell again")


def test_a_page_of_it_asks_nobody_but_whom_nbconvert_names(saved, page):
    text, _ = HTMLExporter().from_filename(str(saved))
    target = saved.with_suffix(".html")
    target.write_text(text)
    asked = set()

    def refuse(route):
        asked.add(route.request.url)
        route.abort()

    page.route(re.compile("^https?://"), refuse)
    page.goto(f"file://{target}")
    page.wait_for_load_state("networkidle")

    assert {re.match(r"https://([^/]+)/", url)[1] for url in asked} <= NBCONVERTS
