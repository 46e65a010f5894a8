"""Tasks of the official client, unmodified, displayed in a real kernel by `%load_ext`."""

from __future__ import annotations

import contextlib
import json
import secrets
from pathlib import Path

import official_venv
import pytest
from test_kernels import Kernel

pytestmark = pytest.mark.timeout(600)  # the first run installs the official client

WIDGET_MIME = "application/vnd.jupyter.widget-view+json"
TASK_MIME = "application/vnd.inductiva.task+json"
# Its own environment comes last, so that the kernel and ours keep what they have.
IMPORT_OFFICIAL = """import sys
sys.path.append({site!r})
import inductiva
official = inductiva.tasks.Task({task_id!r})"""
OTHER_KEY = secrets.token_hex(20)


@pytest.fixture(scope="module")
def task_id(conformance_engine):
    return conformance_engine.run("true")["task_id"]


@pytest.fixture(scope="module")
def kernel(official, tmp_path_factory):
    """One of ours that speaks to the engine as the official client does."""
    environment = {**official.environment(), "INDUCTIVA_DISABLE_IMPORT_INFO": "true"}
    with contextlib.closing(Kernel(tmp_path_factory.mktemp("kernel"), **environment)) as started:
        yield started


@pytest.fixture
def run(kernel):
    """Runs cells; what each of them published."""

    def run_cells(*cells):
        ids = []
        for code in cells:
            ids.append(kernel.execute(code, stop_on_error=False))
            kernel.until_done(ids[-1])
        return [[message["content"] for message in kernel.of(one)] for one in ids]

    yield run_cells
    run_cells("%unload_ext inductiva_widgets")


def official_cell(task_id):
    (site,) = Path(official_venv.FOLDER).glob("lib/python3*/site-packages")
    return IMPORT_OFFICIAL.format(site=str(site), task_id=task_id)


def data_of(outputs):
    return [one["data"] for one in outputs if "text/plain" in one.get("data", {})]


def said(outputs):
    return json.dumps(outputs)


def test_after_load_ext_an_official_task_is_a_monitor_and_after_unload_it_is_not(run, task_id):
    before, _, loaded, twice, _, tasks, one, left, _, after, gone = run(
        "%load_ext inductiva_widgets\nimport sys; 'inductiva' in sys.modules",
        official_cell(task_id),
        "official",
        "display(official)",
        "%load_ext inductiva_widgets",
        "%tasks 5",
        f"%task {task_id}",
        "type(official).__module__, hasattr(type(official), '_repr_mimebundle_')",
        "%unload_ext inductiva_widgets",
        "official",
        "%tasks",
    )

    assert data_of(before)[0]["text/plain"] == "False"  # nothing of ours imports it
    (shown,) = data_of(loaded)
    assert shown[TASK_MIME]["task_id"] == task_id
    assert shown[WIDGET_MIME]["model_id"] == data_of(twice)[0][WIDGET_MIME]["model_id"]
    assert "TaskTable" in data_of(tasks)[0]["text/plain"]
    assert data_of(one)[0][TASK_MIME]["task_id"] == task_id
    assert data_of(left)[0]["text/plain"] == "('inductiva.tasks.task', False)"
    assert WIDGET_MIME not in data_of(after)[0]
    assert "not found" in said(gone)


def test_an_official_task_of_another_account_is_refused_and_named_so(
    run, task_id, conformance_engine
):
    outputs = run(
        official_cell(task_id),
        f"import inductiva_widgets as iw\niw.connect(key={OTHER_KEY!r})\n"
        "%load_ext inductiva_widgets",
        "official",
        "iw.TaskMonitor(official).task.kill()",
    )

    assert "another API key" in said(outputs[2])
    assert all(WIDGET_MIME not in data for data in data_of(outputs[2]))
    assert "another API key" in said(outputs[3])
    assert conformance_engine.key not in said(outputs)


def test_an_official_task_of_another_service_is_refused_and_named_so(run, task_id):
    outputs = run(
        official_cell(task_id),
        "import inductiva_widgets as iw\niw.connect(url='http://127.0.0.1:9')\n"
        "%load_ext inductiva_widgets",
        "official",
    )

    assert "another service" in said(outputs[2])
    assert all(WIDGET_MIME not in data for data in data_of(outputs[2]))
