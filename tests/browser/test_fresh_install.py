"""The wheel in an environment of its own, without Node: JupyterLab, then Notebook 7."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from notebook import Notebook, write_notebook
from playwright.sync_api import expect
from test_live_cell import CONNECT, Frames, badge, mode, save, shown

ROOT = Path(__file__).resolve().parents[2]
SUBMIT = "task = iw.tasks.submit(['python --version'], 'examples/dam_break', simulator='fresh')"

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def lab_python(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fresh")
    environment = {**os.environ, "HATCH_JUPYTER_BUILDER_SKIP_NPM": "1"}
    wheel_of = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    subprocess.run(
        [*wheel_of, "--no-build-isolation", "-w", folder, ROOT], check=True, env=environment
    )
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    hosts = ["jupyterlab", "notebook>=7", "ipykernel", "-c", ROOT / "requirements" / "demo.txt"]
    install = [python, "-m", "pip", "install", "--quiet", *folder.glob("*.whl"), *hosts]
    subprocess.run(install, check=True, cwd=folder)
    return str(python)


@pytest.fixture(scope="module")
def lab_environment(engine, lab_python):
    path = str(Path(lab_python).parent)
    assert shutil.which("node", path=path) is None
    return {
        "PATH": path,
        "PYTHONPATH": "",
        "JUPYTER_PATH": "",
        "INDUCTIVA_WIDGETS_LOCAL": "1",
        "INDUCTIVA_WIDGETS_DATA_DIR": str(engine.data_dir),
    }


def test_panel_and_cell_work_from_the_wheel_alone(lab, page):
    write_notebook(lab.root / "fresh.ipynb", CONNECT, f"{SUBMIT}\ntask.wait()\ntask")
    notebook = Notebook(page, lab, "fresh.ipynb")
    notebook.run(0)
    notebook.run(1)
    output = shown(notebook, 1).last
    mode(output, "server")
    badge(output, "Success")
    page.keyboard.press("Escape")
    page.keyboard.press("Alt+Shift+J")
    expect(page.locator("#inductiva-widgets-tasks")).to_contain_text("fresh")
    save(page)
    assert page.problems == []


def test_a_saved_cell_is_live_in_notebook_7(lab, page):
    frames = Frames(page)
    stacks = []
    page.on("pageerror", lambda error: stacks.append(error.stack or ""))
    page.goto(f"{lab.url}/notebooks/fresh.ipynb?token={lab.token}")
    output = page.locator(".jp-Notebook .jp-CodeCell").nth(1).locator(".iw-output").last
    mode(output, "server")
    badge(output, "Success")
    assert frames.executed == 0
    assert "model not found" not in page.content()
    # Served by JupyterLab's server, Notebook 7 has errors of its own: commands that only Lab has.
    assert not [stack for stack in stacks if "inductiva-widgets" in stack]
