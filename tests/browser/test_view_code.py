"""The code of the views in JupyterLab: once a page, however many widgets, also after a reload."""

from __future__ import annotations

from notebook import Notebook, write_notebook
from playwright.sync_api import expect

CONNECT = "import inductiva_widgets as iw\nbackend = iw.connect()"
SUBMIT = (
    'ids = [iw.tasks.submit(["python -V"], "inputs").id for _ in range(3)]\niw.tasks.wait_all(ids)'
)
SHOW = "for one in ids:\n    display(iw.TaskMonitor(one))\ndisplay(iw.TaskTable(last_n=3))"
CLOSE = "from ipywidgets import Widget\nWidget.close_all()"
_IMPORTED = "() => window.__inductivaWidgetsCode.size"
_STYLES = """() => [...document.querySelectorAll('style[data-inductiva-widgets]')]
  .map(style => style.dataset.inductivaWidgets)
  .filter(place => place !== 'parts')"""


def check_views(page, cell):
    expect(cell.locator(".iw-badge").filter(has_text="Success")).to_have_count(3)
    expect(cell.locator(".iw-tasks")).to_have_count(1)
    # That of monitors and that of tables.
    assert page.evaluate(_IMPORTED) == 2
    assert page.evaluate(_STYLES) == ["first", "first", "last", "last"]


def test_four_widgets_import_their_code_once_and_again_after_a_reload_and_after_all_were_closed(
    lab, page
):
    (lab.root / "inputs").mkdir()
    (lab.root / "inputs" / "case.txt").write_text("a case")
    write_notebook(lab.root / "code.ipynb", CONNECT, SUBMIT, SHOW, CLOSE, SHOW)
    notebook = Notebook(page, lab, "code.ipynb")
    for number in range(3):
        notebook.run(number)
    check_views(page, notebook.code(2))

    page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
    again = Notebook(page, lab, "code.ipynb")

    check_views(page, again.code(2))
    again.run(3)
    again.run(4)
    check_views(page, again.code(4))
    assert page.problems == []
