"""marimo in the browser: our tasks and tables, and tasks of the official client, unmodified."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect
from test_other_hosts import check_views, serving

CONFORMANCE = Path(__file__).parents[1] / "conformance"
sys.path.append(str(CONFORMANCE))

import official_venv  # noqa: E402 - found by the line above

APP = """import marimo
app = marimo.App()

@app.cell
def _():
    import inductiva_widgets as iw
    task = iw.tasks.get(1)[0]
    return iw, task

@app.cell
def _(task):
    task
    return

@app.cell
def _(iw):
    iw.TaskTable(last_n=5)
    return
"""
# `load_ext` comes first: it must not matter that the client is not there yet.
OFFICIAL = """import marimo
app = marimo.App()

@app.cell
def _():
    import inductiva_widgets as iw
    iw.load_ext()
    task_id = iw.tasks.get(1)[0].id
    return iw, task_id

@app.cell
def _(task_id):
    import sys
    sys.path.append({site!r})
    import inductiva
    official = inductiva.tasks.Task(task_id)
    official
    return official,

@app.cell
def _(iw, official):
    iw.connect(key="of-somebody-else", url="{url}")
    official
    return
"""


def marimo(workplace, mode, name):
    """marimo's server with one notebook."""
    command = ("marimo", mode, name, "--headless", "--no-token", "--port={port}")
    return serving(workplace, *command, "--host=127.0.0.1")


@pytest.mark.full
def test_each_visitor_sees_a_task_and_a_table(workplace, page):
    home, _ = workplace
    (home / "app.py").write_text(APP)
    with marimo(workplace, "run", "app.py") as url:
        page.goto(url, timeout=90_000)
        check_views(page)
        page.goto("about:blank")
        page.goto(url)  # a visitor of its own: an app is one process for all of them
        check_views(page)


@pytest.fixture(scope="module")
def with_official(workplace, engine):
    """The same place, where the official client speaks to the same engine and to nobody else."""
    official_venv.ensure()
    home, environment = workplace
    (site,) = official_venv.FOLDER.glob("lib/python3*/site-packages")
    (home / "official.py").write_text(OFFICIAL.format(site=str(site), url=engine.url))
    more = {
        "PYTHONPATH": str(CONFORMANCE / "loopback_only"),
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1,localhost",
        "INDUCTIVA_API_URL": engine.url,
        "INDUCTIVA_API_KEY": engine.read_key(),
        "INDUCTIVA_DISABLE_IMPORT_INFO": "true",
    }
    return home, {**environment, **more}


@pytest.mark.full
@pytest.mark.timeout(600)  # the first run installs the official client
def test_an_official_task_is_a_monitor_after_load_ext_and_refused_with_another_key(
    with_official, page
):
    with marimo(with_official, "run", "official.py") as url:
        page.goto(url, timeout=90_000)
        expect(page.locator(".iw-badge")).to_contain_text("Success", timeout=60_000)
        expect(page.get_by_role("alert")).to_contain_text("another API key")
        page.get_by_role("tab", name="Details").click()
        expect(page.locator(".iw-details")).to_contain_text("Task id")
        assert page.problems == []
