"""The quickstart as a user would do it: watch, tick, download, kill."""

from __future__ import annotations

import json
import os
import re
import zipfile
from pathlib import Path

import pytest
from notebook import BUSY, Notebook, write_notebook
from playwright.sync_api import expect

ROOT = Path(__file__).resolve().parents[2]
SHOTS = Path(os.environ.get("SCREENSHOTS", Path(__file__).parent / "screenshots"))
SPACING = "SPACING = 0.06  # some seconds a run: long enough to be seen running"
CONNECT = "import inductiva_widgets as iw\nbackend = iw.connect()"
SLEEP = "import time\nfor step in range(3000):\n    print(step, flush=True)\n    time.sleep(0.1)\n"
DAM = "python dam_break.py config.json --set spacing=0.1", "examples/dam_break"


@pytest.fixture(scope="module", autouse=True)
def _prepared(lab):
    """The quickstart with coarser particles, and a folder whose simulation runs for minutes."""
    path = lab.root / "01_quickstart.ipynb"
    content = json.loads(path.read_text())
    for cell in content["cells"]:
        if "parameters" in cell["metadata"].get("tags", []):
            cell["source"] = SPACING
    path.write_text(json.dumps(content))
    (lab.root / "long").mkdir()
    (lab.root / "long" / "run.py").write_text(SLEEP)


def submit(command: str, folder: str, name: str = "test-run") -> str:
    return f"task = iw.tasks.submit(['{command}'], '{folder}', simulator='{name}')"


def files_of(monitor):
    """Rows of the file table, the head left out."""
    return monitor.locator(":is([role=grid], [role=treegrid]) [role=row]:not(.head):visible")


def tick(monitor, name: str) -> None:
    """Finds a file by its name and ticks its box."""
    search = monitor.get_by_role("textbox", name="Search files")
    search.fill(name)
    row = files_of(monitor).filter(has_text=name.rsplit("/", 1)[-1])
    expect(row).to_have_count(1)
    row.get_by_role("checkbox").click()
    expect(row.get_by_role("checkbox")).to_be_checked()
    search.fill("")


def test_quickstart_as_a_user(lab, page):
    notebook = Notebook(page, lab, "01_quickstart.ipynb")
    for number in range(3):
        notebook.run(number)

    notebook.run(3)
    monitor = notebook.monitor(3)
    expect(monitor.locator(".iw-badge")).to_contain_text("In Progress")
    notebook.run(4)
    monitor.scroll_into_view_if_needed()  # what nobody sees asks for nothing
    expect(monitor.locator(".iw-badge")).to_contain_text("Success")
    expect(files_of(monitor).first).to_be_visible()

    tick(monitor, "vtk/ParticleData_Fluid_2.vtk")
    tick(monitor, "log/SPH_log.txt")
    monitor.get_by_role("button", name=re.compile("^Download 2 files")).click()
    expect(monitor).to_contain_text("2 files verified")

    task_id = monitor.locator(".iw-id").get_attribute("title")
    delivered = lab.root / "inductiva_output" / task_id / "outputs"
    archive = stored_archive(lab, task_id)
    for name in ("vtk/ParticleData_Fluid_2.vtk", "log/SPH_log.txt"):
        assert (delivered / name).read_bytes() == archive.read(f"artifacts/{name}")
    found = {p.relative_to(delivered).as_posix() for p in delivered.rglob("*") if p.is_file()}
    assert found == {"vtk/ParticleData_Fluid_2.vtk", "log/SPH_log.txt"}

    total = notebook.page.locator(".jp-Notebook .jp-CodeCell").count()
    for number in range(5, total):
        notebook.run(number)
    history = notebook.code(total - 2)
    expect(history.locator(".jp-OutputArea table")).to_contain_text("swmm")
    expect(history.locator(".jp-OutputArea table")).to_contain_text("killed")
    assert page.problems == []


def stored_archive(lab, task_id: str) -> zipfile.ZipFile:
    """The archive in the engine's storage: the truth that downloads are compared with."""
    (path,) = lab.engine.data_dir.rglob(f"{task_id}/output.zip")
    return zipfile.ZipFile(path)


def test_kill_from_the_widget_while_a_cell_waits(lab, page):
    write_notebook(
        lab.root / "kill.ipynb",
        CONNECT,
        submit("python run.py", "long"),
        "task.wait()",
        "after = 1",
    )
    notebook = Notebook(page, lab, "kill.ipynb")
    notebook.run(0)
    notebook.run(1)
    notebook.start(2)
    monitor = notebook.monitor(2)
    expect(monitor.locator(".iw-badge")).to_contain_text("In Progress")

    monitor.get_by_role("button", name="Kill task").first.click()
    question = monitor.get_by_role("alertdialog")
    expect(question).to_contain_text("local engine")
    assert notebook.is_running(2)
    question.get_by_role("button", name=re.compile("Kill")).click()

    expect(monitor.locator(".iw-badge")).to_contain_text("Killed")
    notebook.finish(2)
    expect(notebook.code(2)).to_contain_text("'killed'")
    expect(monitor.get_by_role("button", name="Kill task")).to_have_count(0)
    notebook.run(3)
    assert page.problems == []


@pytest.mark.full
def test_updates_are_painted_while_another_cell_keeps_the_kernel_busy(lab, page):
    write_notebook(
        lab.root / "busy.ipynb",
        CONNECT,
        submit(*DAM) + "\ntask",
        BUSY,
    )
    notebook = Notebook(page, lab, "busy.ipynb")
    notebook.run(0)
    notebook.run(1)
    notebook.start(2)
    monitor = notebook.monitor(1)

    expect(monitor.locator(".iw-badge")).to_contain_text("Success", timeout=90_000)
    expect(files_of(monitor).first).to_be_visible(timeout=90_000)
    assert notebook.is_running(2)
    notebook.release(2)


def test_python_reads_what_is_ticked(lab, page):
    write_notebook(
        lab.root / "ticked.ipynb",
        CONNECT,
        submit(*DAM) + "\ntask.wait()\nmonitor = iw.TaskMonitor(task)\nmonitor",
        "print(monitor.selected, monitor.selected_count, monitor.status, monitor.last_download)",
    )
    notebook = Notebook(page, lab, "ticked.ipynb")
    notebook.run(0)
    notebook.run(1)
    monitor = notebook.code(1).locator(".iw").last
    expect(files_of(monitor).first).to_be_visible()
    tick(monitor, "results.csv")
    tick(monitor, "vtk/ParticleData_Fluid_12.vtk")

    notebook.run(2)
    output = notebook.code(2).locator(".jp-OutputArea-output")
    expect(output).to_contain_text("results.csv")
    expect(output).to_contain_text("vtk/ParticleData_Fluid_12.vtk")
    expect(output).to_contain_text("2 success None")


LEFT = """
import threading, time
def left(most):
    '''Threads that poll, once that many at most follow tasks, and none only for 0.'''
    for _ in range(300):
        count = sum(map(len, backend.watcher._subscriptions.values()))
        if count <= most and bool(count) == bool(most):
            break
        time.sleep(0.1)
    else:
        return f"still {count}"
    names = [one.name for one in threading.enumerate()]
    return f"{names.count('inductiva-watch')} watching"
"""
ONE_VIEW = 2  # the view, and who follows its log for the progress
# Timers that code of widgets has set: it comes from such addresses, and JupyterLab's does not.
NOTE_TIMERS = """
window.widgetTimers = new Set();
for (const kind of ['Interval', 'Timeout']) {
  const [set, clear] = [window[`set${kind}`], window[`clear${kind}`]];
  window[`set${kind}`] = (act, ...rest) => {
    const once = (...given) => (window.widgetTimers.delete(id), act(...given));
    const isOnce = kind === 'Timeout' && typeof act === 'function';
    const id = set(isOnce ? once : act, ...rest);
    if (new Error().stack.includes('blob:')) window.widgetTimers.add(id);
    return id;
  };
  window[`clear${kind}`] = (id) => (window.widgetTimers.delete(id), clear(id));
}
"""
TIMERS = "window.widgetTimers.size"


@pytest.mark.parametrize("times", [5, pytest.param(100, marks=pytest.mark.full)])
def test_views_that_are_gone_leave_nothing(lab, page, times):
    """Though `Out[]` keeps every one of the widgets, and when the kernel has gone."""
    name = f"gone-{times}.ipynb"
    write_notebook(
        lab.root / name,
        CONNECT + LEFT,
        submit("python run.py", "long"),
        "iw.TaskMonitor(task)",
        f"left(most={ONE_VIEW})",
        "left(most=0)",
        "shown = iw.TaskMonitor(task)\nshown",
        "shown.close()",
        "iw.tasks.get(1)[0].kill()",
    )
    page.add_init_script(NOTE_TIMERS)
    notebook = Notebook(page, lab, name)
    for number in range(4):
        notebook.run(number)
    assert answer(notebook, 3) == "1 watching"
    assert page.evaluate(TIMERS) > 0

    for _ in range(times):
        notebook.run(2)
    notebook.run(3)
    assert answer(notebook, 3) == "1 watching"

    clear_output(notebook, 2)
    notebook.run(4)
    assert answer(notebook, 4) == "0 watching"
    page.wait_for_function(f"{TIMERS} === 0")

    notebook.run(5)
    expect(notebook.monitor(5).locator(".iw-badge")).to_contain_text("In Progress")
    notebook.run(6)
    notebook.run(4)
    assert answer(notebook, 4) == "0 watching"

    notebook.run(5)
    expect(notebook.monitor(5).locator(".iw-badge")).to_contain_text("In Progress")
    page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
    )
    expect(notebook.monitor(5)).to_contain_text("Not connected")
    notebook.wait_for_kernel()
    notebook.run(0)
    notebook.run(4)
    assert answer(notebook, 4) == "0 watching"
    clear_output(notebook, 5)
    page.wait_for_function(f"{TIMERS} === 0")
    notebook.run(7)
    assert page.problems == []


def clear_output(notebook: Notebook, number: int) -> None:
    """As the menu does it."""
    notebook.code(number).locator(".jp-InputArea-prompt").click()
    notebook.page.evaluate("() => window.jupyterapp.commands.execute('notebook:clear-cell-output')")


def answer(notebook: Notebook, number: int) -> str:
    """What a code cell returned, as text."""
    return notebook.code(number).locator(".jp-OutputArea-executeResult pre").inner_text().strip("'")


def test_what_was_chosen_in_views_outlives_a_reload_of_the_page(lab, page):
    write_notebook(
        lab.root / "again.ipynb",
        CONNECT,
        submit(*DAM) + "\ntask.wait()",
        "iw.TaskTable(last_n=5)",
        "iw.TaskMonitor(task)",
    )
    notebook = Notebook(page, lab, "again.ipynb")
    for number in range(4):
        notebook.run(number)
    table = notebook.code(2)
    table.get_by_role("columnheader").get_by_text("Runtime").click()
    table.get_by_label(re.compile("^Search all")).fill("test")
    monitor = notebook.monitor(3)
    monitor.locator(".iw-space .bx").nth(1).click()
    ticked = monitor.locator(".iw-tools .opt").inner_text()
    monitor.get_by_role("tab", name="Details").click()
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")

    again = Notebook(page, lab, "again.ipynb")

    table = again.code(2)
    table.scroll_into_view_if_needed()  # what nobody sees asks for nothing
    expect(table.get_by_label(re.compile("^Search all"))).to_have_value("test")
    expect(table.locator("[aria-sort=descending]")).to_contain_text("Runtime")
    monitor = again.monitor(3)
    expect(monitor.locator(".iw-details")).to_contain_text("Task id")
    monitor.get_by_role("tab", name="Files").click()
    expect(monitor.locator(".iw-tools .opt")).to_have_text(ticked)
    assert "selected ·" in ticked
    kept = page.evaluate("() => JSON.stringify(sessionStorage)")
    assert lab.engine.read_key() not in kept
    assert page.problems == []


@pytest.mark.full
def test_the_saved_notebook_is_small_and_holds_no_secret(lab, page):
    key = lab.engine.read_key()
    write_notebook(
        lab.root / "saved.ipynb",
        CONNECT,
        submit(*DAM) + "\ntask.wait()\ntask",
    )
    notebook = Notebook(page, lab, "saved.ipynb")
    notebook.run(0)
    notebook.run(1)
    expect(files_of(notebook.monitor(1)).first).to_be_visible()
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")

    text = (lab.root / "saved.ipynb").read_text()
    assert "application/vnd.inductiva.task+json" in text
    assert len(text) < 16_000
    assert key not in text
    assert lab.engine.url not in text
    assert str(lab.root) not in text
    assert key not in page.content()


@pytest.mark.full
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pictures_at_both_widths(lab, page, theme):
    """Each picture is taken of a state that a user meets; people look at them."""
    write_notebook(
        lab.root / f"look-{theme}.ipynb",
        CONNECT,
        submit("python run.py", "long", "long-run") + "\nrunning = task\ntask",
        submit(*DAM, "sph-dam-break") + "\nwhile not task.is_terminal(): pass\ntask",
        "running.kill()",
    )
    notebook = Notebook(page, lab, f"look-{theme}.ipynb")
    if theme == "dark":
        page.evaluate(
            "() => window.jupyterapp.commands.execute("
            "'apputils:change-theme', {theme: 'JupyterLab Dark'})"
        )
        expect(page.locator("body")).to_have_attribute("data-jp-theme-light", "false")
    for number in range(3):
        notebook.run(number)
    running, done = notebook.monitor(1), notebook.monitor(2)
    expect(running.locator(".iw-badge")).to_contain_text("In Progress")
    expect(files_of(done).first).to_be_visible()
    tick(done, "results.csv")
    tick(done, "vtk/ParticleData_Fluid_2.vtk")
    done.get_by_role("button", name=re.compile("^Download 2 files")).click()
    expect(done).to_contain_text("2 files verified")
    SHOTS.mkdir(parents=True, exist_ok=True)
    for width in (700, 280):
        page.evaluate(
            "width => document.querySelectorAll('.jp-OutputArea .iw')"
            ".forEach(view => { view.style.width = `${width}px`; })",
            width,
        )
        for name, view in (("running", running), ("success", done)):
            assert view.evaluate("view => view.scrollWidth <= view.clientWidth + 1")
            view.screenshot(path=SHOTS / f"monitor-{name}-{width}-{theme}.png")
    notebook.run(3)
