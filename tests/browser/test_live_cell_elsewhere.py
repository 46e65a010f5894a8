"""Cells of a service that the Jupyter server does not know: another backend, and no key at all."""

from __future__ import annotations

import re

import pytest
from notebook import Notebook, write_notebook
from playwright.sync_api import expect
from test_live_cell import Frames, badge, mode, restart_kernel, save, shown

from inductiva_widgets import local

CONNECT = """import os
os.environ["INDUCTIVA_WIDGETS_DATA_DIR"] = {folder!r}
import inductiva_widgets as iw
backend = iw.connect(local=True)"""
SUBMIT = "task = iw.tasks.submit(['python run.py'], 'long', simulator='long-run')"


@pytest.fixture(scope="module")
def other_folder(tmp_path_factory):
    """Data of the engine that the Jupyter server knows; notebooks use the other one."""
    folder = tmp_path_factory.mktemp("other") / "data"
    local.start(folder, slots=1)
    yield folder
    local.stop(folder)


@pytest.fixture(scope="module")
def lab_environment(other_folder):
    return {
        "INDUCTIVA_WIDGETS_LOCAL": "1",
        "INDUCTIVA_WIDGETS_DATA_DIR": str(other_folder),
    }


@pytest.fixture(scope="module", autouse=True)
def _prepared(lab):
    (lab.root / "long").mkdir()
    (lab.root / "long" / "run.py").write_text("import time\ntime.sleep(120)\n")


def run_task(page, lab, name: str) -> Notebook:
    connect = CONNECT.format(folder=str(lab.engine.data_dir))
    write_notebook(lab.root / name, connect, f"{SUBMIT}\ntask", "task.kill()")
    notebook = Notebook(page, lab, name)
    notebook.run(0)
    notebook.run(1)
    badge(shown(notebook, 1), "In Progress")
    save(page)
    return notebook


def reopen_without_kernel(page, lab, name: str):
    """The output after a restart of the kernel and a reload of the page; nothing was executed."""
    restart_kernel(page)
    frames = Frames(page)
    notebook = Notebook(page, lab, name)
    output = shown(notebook, 1)
    expect(output.get_by_role("button", name="Try again")).to_be_visible()
    mode(output, "card")
    assert frames.executed == 0
    assert "model not found" not in page.content()
    assert page.problems == []
    return output


def test_a_cell_of_another_backend_stays_with_its_kernel_and_becomes_a_card_without(lab, page):
    notebook = run_task(page, lab, "other.ipynb")
    output = shown(notebook, 1)
    mode(output, "widget")
    output.get_by_role("button", name="Kill task").first.click()
    output.get_by_role("alertdialog").get_by_role("button", name=re.compile("Kill")).click()
    badge(output, "Killed")
    save(page)

    output = reopen_without_kernel(page, lab, "other.ipynb")
    expect(output).not_to_contain_text("HTTP")


@pytest.mark.full
def test_with_the_key_gone_the_cell_says_so_and_the_widget_lives_on(lab, page, other_folder):
    assert local.stop(other_folder)
    notebook = run_task(page, lab, "no-key.ipynb")
    mode(shown(notebook, 1), "widget")
    notebook.run(2)
    badge(shown(notebook, 1), "Killed")
    save(page)

    reopen_without_kernel(page, lab, "no-key.ipynb")
