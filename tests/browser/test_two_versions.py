"""Two notebooks on one page, whose kernels have different versions of the package."""

from __future__ import annotations

import gzip
import shutil

import pytest
from notebook import Notebook, write_notebook
from playwright.sync_api import expect
from test_parts import ROOT, SUBMIT, look_at_all_parts

pytestmark = pytest.mark.full

CONNECT = "import inductiva_widgets as iw\nbackend = iw.connect()\niw.__version__"
OTHER = "import sys\nsys.path.insert(0, {folder!r})\n"
OPEN = """path => jupyterapp.commands.execute(
  'docmanager:open', {path, options: {mode: 'split-right'}})"""
SHOW = "iw.TaskMonitor(task)"


@pytest.fixture(scope="module")
def other_version(tmp_path_factory):
    """A folder with the package as another version, whose view has another word in it."""
    folder = tmp_path_factory.mktemp("other")
    package = folder / "inductiva_widgets"
    shutil.copytree(
        ROOT / "inductiva_widgets",
        package,
        ignore=shutil.ignore_patterns("__pycache__", "labextension"),
    )
    bundle = package / "static" / "monitor.js.gz"
    changed = gzip.decompress(bundle.read_bytes()).replace(b'"Runtime"', b'"Time of the run"')
    bundle.write_bytes(gzip.compress(changed))
    start = package / "__init__.py"
    start.write_text(start.read_text().replace('__version__ = "', '__version__ = "9.'))
    return folder


def test_each_notebook_has_the_view_of_its_kernel_and_both_work(lab, page, other_version):
    write_notebook(lab.root / "here.ipynb", CONNECT, SUBMIT, SHOW, "'the last'")
    other = OTHER.format(folder=str(other_version)) + CONNECT
    write_notebook(lab.root / "other.ipynb", other, SUBMIT, SHOW, "'the last'")
    page.set_viewport_size({"width": 1900, "height": 1000})
    notebook = Notebook(page, lab, "here.ipynb")
    for number in range(3):
        notebook.run(number)
    page.evaluate(OPEN, "other.ipynb")
    notebook.wait_for_kernel()
    for number in range(4, 7):
        notebook.run(number)
    expect(notebook.code(4)).to_contain_text("'9.")

    first, second = notebook.monitor(2), notebook.monitor(6)

    expect(first).to_contain_text("Runtime")
    expect(second).to_contain_text("Time of the run")
    for monitor in (second, first):
        expect(monitor.locator(".iw-badge")).to_contain_text("Success")
        look_at_all_parts(monitor)
    assert page.evaluate("() => __inductivaWidgetsCode.size") == 2
    assert page.problems == []
