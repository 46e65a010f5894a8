"""What a first paint does not need, in JupyterLab: it comes after it, and before somebody clicks.

JupyterLab with this setting stands in for hosts that know no subshells: the hardest case, where a
kernel that runs a cell answers nothing.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from notebook import BUSY, Notebook, write_notebook
from playwright.sync_api import expect
from test_live_cell import SHOTS

ROOT = Path(__file__).parents[2]
EXTENSION = ROOT / "inductiva_widgets" / "labextension" / "static"
COMMS_OVER_SUBSHELLS = "disabled"

CONNECT = "import inductiva_widgets as iw\nbackend = iw.connect()"
SUBMIT = (
    "task = iw.tasks.submit(['python dam_break.py config.json --set spacing=0.1'],"
    " 'examples/dam_break', simulator='sph-dam-break')\ntask.wait()"
)
# The rules of the parts, which come with their code.
LOADED = "style[data-inductiva-widgets=parts]"


def look_at_all_parts(monitor) -> None:
    """Opens each tab, and a file."""
    monitor.get_by_role("tab", name="Logs").click()
    expect(monitor.get_by_role("tabpanel")).to_contain_text("stdout")
    expect(monitor.locator(".iw-log .ln").first).to_be_visible()
    monitor.get_by_role("tab", name="Machine").click()
    expect(monitor.get_by_role("tabpanel").locator("svg, .iw-empty").first).to_be_visible()
    monitor.get_by_role("tab", name="Details").click()
    expect(monitor.locator(".iw-details")).to_contain_text("Task id")
    monitor.get_by_role("tab", name=re.compile("Files")).click()
    monitor.get_by_role("textbox", name="Search files").fill("results.csv")
    monitor.locator(":is([role=grid], [role=treegrid])").last.focus()
    monitor.page.keyboard.press("Enter")
    expect(monitor.locator(".iw-preview")).to_contain_text("results.csv")


def test_tabs_and_files_open_in_a_widget_in_a_table_and_in_the_panel(lab, page):
    write_notebook(
        lab.root / "parts.ipynb", CONNECT, SUBMIT, "iw.TaskMonitor(task)", "iw.TaskTable(last_n=5)"
    )
    notebook = Notebook(page, lab, "parts.ipynb")
    for number in range(4):
        notebook.run(number)
    look_at_all_parts(notebook.monitor(2))

    table = notebook.code(3)
    table.locator("[data-id]").first.click()
    opened = table.locator(".iw").last
    expect(opened.locator(".iw-badge")).to_contain_text("Success")
    look_at_all_parts(opened)

    page.evaluate("() => window.jupyterapp.shell.activateById('inductiva-widgets-tasks')")
    page.locator("#inductiva-widgets-tasks").get_by_text("sph-dam-break").first.click()
    tab = page.locator("#jp-main-dock-panel .iw:visible").last
    expect(tab.locator(".iw-badge")).to_contain_text("Success")
    look_at_all_parts(tab)
    assert page.problems == []


def test_a_monitor_in_a_layout_paints_when_it_is_seen(lab, page):
    show = (
        "import ipywidgets\n"
        "second = ipywidgets.Accordion([iw.TaskMonitor(task), iw.TaskTable(last_n=5)])\n"
        "ipywidgets.Tab([ipywidgets.HTML('first'), second], titles=['One', 'Two'])"
    )
    write_notebook(lab.root / "layouts.ipynb", CONNECT, SUBMIT, show)
    notebook = Notebook(page, lab, "layouts.ipynb")
    for number in range(3):
        notebook.run(number)
    output = notebook.code(2)
    expect(output.locator(".iw:visible")).to_have_count(0)

    output.get_by_role("tab", name="Two").click()
    output.locator(".jupyter-widget-Collapse-header").first.click()

    monitor = output.locator(".iw:visible")
    expect(monitor.locator(".iw-badge").first).to_contain_text("Success")
    look_at_all_parts(monitor)
    SHOTS.mkdir(parents=True, exist_ok=True)
    output.screenshot(path=SHOTS / "layout-monitor.png")
    output.locator(".jupyter-widget-Collapse-header").last.click()
    expect(output.locator(".iw:visible [data-id]").first).to_be_visible()
    assert page.problems == []


@pytest.mark.full
def test_a_tab_opens_while_the_kernel_is_busy(lab, page):
    cells = (CONNECT, SUBMIT, "iw.TaskMonitor(task)", BUSY)
    write_notebook(lab.root / "ahead.ipynb", *cells)
    notebook = Notebook(page, lab, "ahead.ipynb")
    for number in range(3):
        notebook.run(number)
    page.locator(LOADED).wait_for(state="attached")
    notebook.start(3)

    monitor = notebook.monitor(2)
    monitor.get_by_role("tab", name="Details").click()

    expect(monitor.locator(".iw-details")).to_contain_text("Task id")
    assert notebook.is_running(3)
    notebook.release(3)


@pytest.mark.full
def test_a_tab_whose_part_waits_for_the_kernel_says_so_and_opens_by_itself(lab, page):
    cells = (CONNECT, SUBMIT, f"display(iw.TaskMonitor(task))\n{BUSY}")
    write_notebook(lab.root / "late.ipynb", *cells)
    notebook = Notebook(page, lab, "late.ipynb")
    notebook.run(0)
    notebook.run(1)
    notebook.start(2)
    monitor = notebook.monitor(2)

    monitor.get_by_role("tab", name="Details").click()

    expect(monitor.get_by_role("tabpanel")).to_have_text("Waiting for the kernel: it is busy.")
    assert notebook.is_running(2)
    notebook.release(2)
    expect(monitor.locator(".iw-details")).to_contain_text("Task id")
    assert page.problems == []


@pytest.mark.full
def test_a_chunk_that_the_server_does_not_send_is_told_and_tried_again(lab, page):
    (chunk,) = [
        one.name for one in EXTENSION.glob("*.js") if "Reading both tasks" in one.read_text()
    ]
    write_notebook(lab.root / "chunk.ipynb", CONNECT, SUBMIT, "task")
    page.route(f"**/{chunk}*", lambda route: route.abort())
    notebook = Notebook(page, lab, "chunk.ipynb")
    for number in range(3):
        notebook.run(number)
    monitor = notebook.monitor(2)
    expect(monitor.locator(".iw-badge")).to_contain_text("Success")
    monitor.get_by_role("tab", name="Details").click()
    expect(monitor.get_by_role("alert")).to_contain_text("did not send this part of the view")

    page.unroute(f"**/{chunk}*")
    monitor.get_by_role("button", name="Try again").click()

    expect(monitor.locator(".iw-details")).to_contain_text("Task id")
