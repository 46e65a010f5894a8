"""Notebooks that something else runs and turns into pages: papermill, nbclient, nbconvert."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest
from nbconvert import HTMLExporter

ROOT = Path(__file__).resolve().parents[2]
WIDGET = "application/vnd.jupyter.widget"
TASK_MIME = "application/vnd.inductiva.task+json"


@pytest.fixture
def environment(engine, tmp_path, monkeypatch):
    monkeypatch.setenv("INDUCTIVA_API_KEY", engine.key)
    monkeypatch.setenv("INDUCTIVA_API_URL", engine.url)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))


def code_in(page):
    """The Python examples of a page."""
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)


def notebook_of(*cells):
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    made.metadata.kernelspec = {"name": "python3", "display_name": "", "language": "python"}
    return made


def outputs(notebook, number):
    return [one["data"] for one in notebook.cells[number].outputs if "data" in one]


@pytest.mark.fault(108)
def test_a_notebook_run_by_papermill_becomes_a_page_with_our_card(engine, environment, tmp_path):
    task_id = engine.submit("sleep 1")
    source, target = tmp_path / "in.ipynb", tmp_path / "out.ipynb"
    cells = ('task_id = ""', "import inductiva_widgets as iw\ntask = iw.Task(task_id)\ntask.wait()")
    made = notebook_of(*cells, "task", "iw.tasks.get(5)")
    made.cells[0].metadata.tags = ["parameters"]
    nbformat.write(made, source)

    command = [sys.executable, "-m", "papermill", source, target, "-p", "task_id", task_id]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    run = nbformat.read(target, as_version=4)
    page, _ = HTMLExporter().from_filename(str(target))

    (waited, shown, listed) = (outputs(run, number)[0] for number in (2, 3, 4))
    # The display of the wait was rewritten when the task ended.
    assert "Success" in waited["text/html"]
    assert "As of" not in waited["text/html"]
    assert waited["text/html"] == shown["text/html"]
    assert waited[TASK_MIME]["snapshot"]["status"] == "success"
    assert task_id in listed["text/html"]
    assert page.count(f"<code>{task_id}</code>") == 3
    assert WIDGET not in target.read_text()
    assert f'type="{WIDGET}' not in page
    for text in (page, target.read_text()):
        assert engine.key not in text
        assert not re.search(rf"{re.escape(engine.url)}|X-Amz|signature=", text)
    assert max(len(json.dumps(one)) for one in (waited, shown, listed)) < 16_000


def test_widgets_run_with_nobody_watching_are_html_and_their_code_is_not_saved(
    engine, environment, tmp_path
):
    task_id = engine.run("true")["task_id"]
    made = notebook_of(
        f"import inductiva_widgets as iw\niw.TaskMonitor({task_id!r})",
        "iw.TaskTable(last_n=5)",
        f"iw.TaskTable([{task_id!r}])",
    )

    asyncio.run(nbclient.NotebookClient(made, timeout=60).async_execute(cwd=str(tmp_path)))

    for number in range(3):
        (shown,) = outputs(made, number)
        assert set(shown) == {"text/plain", "text/html"}
        assert "Success" in shown["text/html"]
        assert task_id in shown["text/html"]
    state = made.metadata.widgets[f"{WIDGET}-state+json"]["state"]
    assert {one["model_name"] for one in state.values()} == {"AnyModel", "LayoutModel"}
    assert max(len(json.dumps(one)) for one in state.values()) < 5_000
    assert engine.url not in json.dumps(made)
    assert engine.key not in json.dumps(made)


def test_a_front_end_that_lets_users_answer_gets_the_widget(engine, environment, tmp_path):
    """nbclient allows no questions: the one thing by which it is told from a front end."""
    task_id = engine.run("true")["task_id"]
    made = notebook_of(
        f"import inductiva_widgets as iw\ntask = iw.Task({task_id!r})\ntask",
        "get_ipython().kernel.get_parent()['content']['allow_stdin'] = True\ntask",
    )

    asyncio.run(nbclient.NotebookClient(made, timeout=60).async_execute(cwd=str(tmp_path)))

    first, second = outputs(made, 0)[0], outputs(made, 1)[0]
    assert f"{WIDGET}-view+json" not in first
    assert f"{WIDGET}-view+json" in second
    assert first["text/html"] == second["text/html"]


def test_the_examples_of_the_page_about_views_run_as_they_stand(engine, environment, tmp_path):
    engine.run("true")
    made = notebook_of(*code_in(ROOT / "docs" / "views.md"))

    asyncio.run(nbclient.NotebookClient(made, timeout=60).async_execute(cwd=str(tmp_path)))

    assert len(made.cells) == 4
    assert "text/html" in outputs(made, 3)[0]
