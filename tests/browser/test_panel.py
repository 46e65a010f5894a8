"""The JupyterLab panel: all tasks with no kernel running, one of them in the same view."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from inductiva_widgets import backend as backends
from inductiva_widgets import tasks
from inductiva_widgets.api.config import ApiKey, Config

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


def open_panel(page, lab):
    page.goto(f"{lab.url}/lab?token={lab.token}&reset")
    page.wait_for_function("() => !!window.jupyterapp?.shell?.currentWidget")
    page.evaluate("() => window.jupyterapp.shell.activateById('inductiva-widgets-tasks')")
    return page.locator("#inductiva-widgets-tasks")


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
    rows = monitor.locator("[role=grid] [role=row]:not(.head):visible")
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
    expect(page.locator("#jp-main-dock-panel .iw [role=row]:visible").nth(3)).to_be_visible()
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"panel-{theme}.png")
