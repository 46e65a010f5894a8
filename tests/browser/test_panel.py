"""The JupyterLab panel: all tasks with no kernel running, one of them in the same view."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from notebook import Notebook, open_panel, write_notebook
from playwright.sync_api import expect
from waiting import wait_until

from inductiva_widgets import backend as backends
from inductiva_widgets import tasks
from inductiva_widgets.api.config import ApiKey, Config

SUBSCRIBE = "/inductiva-widgets/api/subscribe"
SHOTS = Path(os.environ.get("SCREENSHOTS", Path(__file__).parent / "screenshots"))


@pytest.fixture(scope="module")
def history(lab, tmp_path_factory):
    """Tasks made outside of any notebook: one that ended, one that runs for a minute."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "sleep.py").write_text("import time\ntime.sleep(60)\n")
    key = ApiKey(lab.engine.read_key())
    config = Config(lab.engine.url, key, "the test", folder, is_local=True)
    backend = backends.Backend(config)
    dam = tasks.submit(
        ["python dam_break.py config.json --set spacing=0.1"],
        lab.root / "examples" / "dam_break",
        simulator="sph-dam-break",
        backend=backend,
    )
    assert dam.wait(60) == "success"
    long = tasks.submit(["python sleep.py"], folder, simulator="long-run", backend=backend)
    yield dam, long
    long.kill()
    backend.close()


def kernels(page) -> int:
    return page.evaluate("() => [...window.jupyterapp.serviceManager.kernels.running()].length")


def test_panel_lists_tasks_and_opens_one_without_a_kernel(lab, page, history):
    dam, _ = history
    panel = open_panel(page, lab)
    expect(panel).to_contain_text("sph-dam-break")
    expect(panel).to_contain_text("long-run")

    panel.get_by_text("sph-dam-break").first.click()
    monitor = page.locator("#jp-main-dock-panel .iw").last
    expect(monitor.locator(".iw-badge")).to_contain_text("Success")
    rows = monitor.locator(":is([role=grid], [role=treegrid]) [role=row]:not(.head):visible")
    expect(rows.first).to_be_visible()

    search = monitor.get_by_role("textbox", name="Search files")
    search.fill("results.csv")
    rows.filter(has_text="results.csv").get_by_role("checkbox").click()
    monitor.get_by_role("button", name=re.compile("^Download 1 file")).click()
    expect(monitor).to_contain_text("1 file verified")
    delivered = lab.root / "inductiva_output" / dam.id / "outputs" / "results.csv"
    assert delivered.read_bytes() == dam.get_output()["results.csv"].bytes()
    assert kernels(page) == 0
    assert page.problems == []


def test_panel_kills_a_running_task(lab, page, history):
    _, long = history
    panel = open_panel(page, lab)
    panel.get_by_text("long-run").first.click()
    monitor = page.locator("#jp-main-dock-panel .iw").last
    expect(monitor.locator(".iw-badge")).to_contain_text("In Progress")

    monitor.get_by_role("button", name="Kill task").first.click()
    monitor.get_by_role("alertdialog").get_by_role("button", name=re.compile("Kill")).click()

    expect(monitor.locator(".iw-badge")).to_contain_text("Killed")
    assert long.get_status() == "killed"
    assert kernels(page) == 0


def notices(page):
    """The notification centre, opened by its bell."""
    page.locator(".jp-Notification-Status").click()
    return page.locator(".jp-Notification-List")


def has_looked(lab) -> bool:
    """Whether the server has written down a first look at the tasks."""
    records = lab.settings.parent.rglob("notices-*.json")
    return any('"seen_at":"2' in record.read_text() for record in records)


def test_code_goes_below_the_active_cell_and_is_not_run(lab, page, history):
    dam, _ = history
    write_notebook(lab.root / "insert.ipynb", "'first'", "'last'")
    notebook = Notebook(page, lab, "insert.ipynb")
    notebook.code(0).locator(".jp-InputArea-prompt").click()
    page.keyboard.press("Alt+Shift+J")
    panel = page.locator("#inductiva-widgets-tasks")
    row = panel.locator("[data-id]").filter(has_text="sph-dam-break").first
    row.hover()
    row.get_by_role("button", name=re.compile("^Insert code")).click()

    expect(page.locator(".jp-Notebook .jp-CodeCell")).to_have_count(3)
    expect(notebook.code(1).locator(".cm-content")).to_have_text(f'iw.Task("{dam.id}")')
    expect(notebook.code(1).locator(".jp-InputPrompt")).to_have_text(re.compile(r"^\[ \]:?$"))
    expect(notebook.code(1).locator(".cm-content")).to_be_focused()


def test_a_row_dragged_into_a_cell_becomes_code(lab, page, history):
    dam, _ = history
    write_notebook(lab.root / "drag.ipynb", "")
    notebook = Notebook(page, lab, "drag.ipynb")
    page.evaluate("() => window.jupyterapp.shell.activateById('inductiva-widgets-tasks')")
    row = page.locator("#inductiva-widgets-tasks [data-id]").filter(has_text="sph-dam-break").first

    row.drag_to(notebook.code(0).locator(".cm-content"))

    expect(notebook.code(0).locator(".cm-content")).to_contain_text(f'iw.Task("{dam.id}")')


def test_the_settings_editor_has_our_settings_and_they_arrive(lab, page, history):
    setting = lab.settings / "inductiva-widgets" / "plugin.jupyterlab-settings"
    panel = open_panel(page, lab)
    expect(panel).to_contain_text("sph-dam-break")
    page.evaluate(
        "() => void window.jupyterapp.commands.execute("
        "'settingeditor:open', {query: 'Simulation Tasks'})"
    )
    editor = page.locator(".jp-SettingsPanel, #jp-main-dock-panel")
    field = editor.get_by_label("Single-key shortcuts")
    expect(field).to_be_checked()
    for label in (
        "Notify me when a task ends",
        "Notify me about tasks that ended while I was away",
    ):
        expect(editor.get_by_label(label)).to_be_checked()
    expect(editor.locator("input[id$=_downloadFolder]")).to_have_value("")

    with page.expect_request(
        lambda request: SUBSCRIBE in request.url and request.post_data_json["min_interval_s"] == 7
    ):
        editor.locator("input[id$=_pollInterval]").fill("7")
    field.uncheck()
    wait_until(lambda: setting.exists() and '"singleKeys": false' in setting.read_text())

    row = panel.locator("[data-id]").first
    row.click()
    panel.locator("[role=grid], [role=treegrid]").first.press("?")
    expect(panel.get_by_role("dialog")).to_have_count(0)
    setting.unlink()


def test_what_ended_while_nobody_looked_is_told_once(lab, chromium, history, tmp_path):
    dam, _ = history
    context = chromium.new_context()
    page = context.new_page()
    with page.expect_response(re.compile("/inductiva-widgets/api/subscribe")):
        expect(open_panel(page, lab)).to_contain_text("sph-dam-break")
    wait_until(lambda: has_looked(lab))
    context.close()
    (tmp_path / "fail.py").write_text("raise SystemExit(3)\n")
    good = tasks.submit(["python --version"], tmp_path, simulator="good", backend=dam.backend)
    bad = tasks.submit(["python fail.py"], tmp_path, simulator="bad", backend=dam.backend)
    assert (good.wait(60), bad.wait(60)) == ("success", "failed")

    told = []
    for _ in range(2):
        context = chromium.new_context()
        page = context.new_page()
        open_panel(page, lab)
        told.append(page)
        if len(told) == 1:
            centre = notices(page)
            expect(centre).to_contain_text("While you were away: 1 finished, 1 failed since")
            item = centre.locator(".jp-Notification-List-Item").filter(has_text="good")
            item.get_by_role("button", name="Open").click()
            expect(page.locator("#jp-main-dock-panel .iw-id")).to_have_attribute("title", good.id)
        else:
            expect(page.locator("#inductiva-widgets-tasks")).to_contain_text("good")
            expect(notices(page)).not_to_contain_text("While you were away")
        context.close()


def test_the_end_of_an_open_task_is_told(lab, page, history, tmp_path):
    dam, _ = history
    (tmp_path / "sleep.py").write_text("import time\ntime.sleep(60)\n")
    task = tasks.submit(["python sleep.py"], tmp_path, simulator="watched", backend=dam.backend)
    panel = open_panel(page, lab)
    status = page.locator(".iw-status")
    expect(status).to_contain_text(re.compile(r"\d tasks? running"))
    panel.get_by_text("watched").first.click()
    monitor = page.locator("#jp-main-dock-panel .iw").last
    expect(monitor.locator(".iw-badge")).to_contain_text("In Progress")

    task.kill()

    expect(monitor.locator(".iw-badge")).to_contain_text("Killed")
    item = notices(page).locator(".jp-Notification-List-Item").filter(has_text="watched")
    expect(item).to_contain_text("Killed")
    item.get_by_role("button", name="Don't show again").click()
    setting = lab.settings / "inductiva-widgets" / "plugin.jupyterlab-settings"
    wait_until(lambda: setting.exists() and '"endNotices": false' in setting.read_text())
    setting.unlink()


def test_a_download_is_told_and_appears_in_the_file_browser(lab, page, history):
    dam, _ = history
    setting = lab.settings / "inductiva-widgets" / "plugin.jupyterlab-settings"
    setting.parent.mkdir(exist_ok=True)
    setting.write_text('{"downloadFolder": "examples", "statusBar": false}')
    page.goto(f"{lab.url}/lab/tree/examples?token={lab.token}&reset")
    page.wait_for_function("() => !!window.jupyterapp?.shell?.currentWidget")
    listing = page.locator(".jp-DirListing-content")
    expect(listing).to_contain_text("dam_break")
    page.evaluate(
        "task_id => window.jupyterapp.commands.execute('inductiva-widgets:open-task', {task_id})",
        dam.id,
    )
    monitor = page.locator("#jp-main-dock-panel .iw").last
    monitor.get_by_role("button", name=re.compile("^Download all")).click()

    expect(monitor).to_contain_text("verified")
    expect(listing).to_contain_text("inductiva_output")
    assert (lab.root / "examples" / "inductiva_output" / dam.id / "outputs").is_dir()
    expect(notices(page)).to_contain_text(re.compile(r"\d+ files verified in examples/"))
    expect(page.locator(".iw-status")).to_have_count(0)
    setting.unlink()


def test_the_layout_comes_back_with_panel_and_tab(lab, page, history):
    dam, _ = history
    panel = open_panel(page, lab)
    panel.get_by_text("sph-dam-break").first.click()
    expect(page.locator("#jp-main-dock-panel .iw-badge")).to_contain_text("Success")
    workspaces = lab.settings.parent / "workspaces"
    wait_until(lambda: any(dam.id in file.read_text() for file in workspaces.glob("*")))

    page.goto(f"{lab.url}/lab?token={lab.token}")

    expect(page.locator("#jp-main-dock-panel .iw-badge")).to_contain_text("Success")
    expect(page.locator("#inductiva-widgets-tasks")).to_contain_text("sph-dam-break")


def drag_panel(page, panel, width: int) -> None:
    """Makes the side panel as wide as a user would, by its edge; JupyterLab keeps 250 px."""
    box = panel.bounding_box()
    edge = box["x"] + box["width"] + 2
    page.mouse.move(edge, 300)
    page.mouse.down()
    page.mouse.move(edge + width - box["width"], 300, steps=3)
    page.mouse.up()
    assert abs(panel.bounding_box()["width"] - max(width, 250)) <= 2


@pytest.mark.full
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_picture_of_the_panel(lab, page, history, theme):
    panel = open_panel(page, lab)
    if theme == "dark":
        page.evaluate(
            "() => window.jupyterapp.commands.execute("
            "'apputils:change-theme', {theme: 'JupyterLab Dark'})"
        )
        expect(page.locator("body")).to_have_attribute("data-jp-theme-light", "false")
    expect(panel).to_contain_text("sph-dam-break")
    panel.get_by_text("sph-dam-break").first.click()
    monitor = page.locator("#jp-main-dock-panel .iw")
    expect(monitor.locator("[role=row]:visible").nth(3)).to_be_visible()
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"panel-{theme}.png")
    view = panel.locator(".iw")
    for width in (400, 280, 240):
        drag_panel(page, panel, width)
        view.evaluate("(view, width) => { view.style.width = `${width}px`; }", width)
        assert view.evaluate("view => view.scrollWidth <= view.clientWidth + 1"), width
        view.screenshot(path=SHOTS / f"panel-{width}-{theme}.png")
    monitor.evaluate("view => { view.style.width = '700px'; }")
    assert monitor.evaluate("view => view.scrollWidth <= view.clientWidth + 1")
    monitor.screenshot(path=SHOTS / f"tab-700-{theme}.png")
