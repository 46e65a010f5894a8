"""Keys and backends in JupyterLab: the first key, another one while views are open, a choice."""

from __future__ import annotations

import secrets

import pytest
from notebook import Notebook, open_panel, write_notebook
from playwright.sync_api import expect
from test_live_cell import SHOTS, Frames, badge, mode, save, shown

from inductiva_widgets import backend as backends
from inductiva_widgets import local, tasks
from inductiva_widgets.api.config import ApiKey, Config

CONNECT = """import inductiva_widgets as iw
backend = iw.connect({key!r})"""


@pytest.fixture(scope="module")
def second_key():
    return secrets.token_hex(32)


@pytest.fixture(scope="module")
def engine(tmp_path_factory, second_key):
    """An engine with two keys: two accounts that see the same tasks."""
    folder = tmp_path_factory.mktemp("engine") / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INDUCTIVA_API_KEY", second_key)
        started = local.start(folder, slots=2)
    yield started
    assert local.stop(folder)


@pytest.fixture(scope="module")
def own_folder(tmp_path_factory):
    """Where the Jupyter server starts an engine of its own."""
    folder = tmp_path_factory.mktemp("own") / "data"
    yield folder
    local.stop(folder)


@pytest.fixture(scope="module")
def lab_environment(engine, own_folder):
    """The engine as a service at an address, without a key."""
    return {"INDUCTIVA_API_URL": engine.url, "INDUCTIVA_WIDGETS_DATA_DIR": str(own_folder)}


@pytest.fixture(scope="module")
def long_task(engine, tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "sleep.py").write_text("import time\ntime.sleep(300)\n")
    config = Config(engine.url, ApiKey(engine.read_key()), "the test", folder, is_local=True)
    backend = backends.Backend(config)
    task = tasks.submit(["python sleep.py"], folder, simulator="long-run", backend=backend)
    yield task
    task.kill()
    backend.close()


def set_key(page, key: str) -> None:
    """Types a key into the dialog of the palette's command."""
    page.keyboard.press("Control+Shift+C")
    page.keyboard.type("Set API Key for Simulation")
    page.keyboard.press("Enter")
    dialog = page.locator(".jp-Dialog")
    field = dialog.locator("input")
    expect(field).to_have_attribute("type", "password")
    field.fill(key)
    dialog.get_by_role("button", name="Save Key").click()


def test_the_first_run_offers_a_key_or_the_local_engine(lab, page, own_folder):
    panel = open_panel(page, lab)
    expect(panel.get_by_role("button", name="Set API key")).to_be_visible()
    SHOTS.mkdir(parents=True, exist_ok=True)
    panel.screenshot(path=SHOTS / "panel-first-run.png")

    panel.get_by_role("button", name="Start the local engine").click()

    expect(panel).to_contain_text("No tasks yet")
    assert page.problems == []
    assert local.stop(own_folder)


def test_the_first_key_is_set_from_the_palette_and_the_backend_chosen_is_kept(
    lab, page, engine, long_task, own_folder
):
    local.start(own_folder, slots=1)
    panel = open_panel(page, lab)
    expect(panel).to_contain_text("No tasks yet")  # of the engine without a key
    set_key(page, engine.read_key())
    expect(panel).to_contain_text("long-run")  # the new default
    picker = panel.get_by_role("combobox", name="Backend")
    picker.select_option("local engine")
    expect(panel).to_contain_text("No tasks yet")
    panel = open_panel(page, lab)

    expect(panel).to_contain_text("No tasks yet")
    picker = panel.get_by_role("combobox", name="Backend")
    expect(picker.locator("option:checked")).to_have_text("local engine")
    kept = page.evaluate("() => JSON.stringify({...localStorage})")
    assert engine.read_key() not in kept
    assert page.problems == []


def test_another_key_is_said_once_in_open_views_and_a_reload_shows_the_task_again(
    lab, page, engine, long_task, second_key
):
    first = engine.read_key()
    (lab.settings.parent / ".inductiva").mkdir(exist_ok=True)
    (lab.settings.parent / ".inductiva" / "api_key").write_text(first)
    page.add_init_script("localStorage.removeItem('inductiva-widgets:backend')")
    panel = open_panel(page, lab)
    expect(panel).to_contain_text("long-run")
    name = "key.ipynb"
    write_notebook(lab.root / name, CONNECT.format(key=first), f"iw.Task({long_task.id!r})")
    notebook = Notebook(page, lab, name)
    notebook.run(0)
    notebook.run(1)
    output = shown(notebook, 1)
    mode(output, "server")
    badge(output, "In Progress")
    save(page)
    frames = Frames(page)

    set_key(page, second_key)
    page.get_by_role("button", name="Replace Key").click()

    banner = output.locator(".iw-ban")
    expect(banner).to_have_count(1)
    expect(banner).to_contain_text("has changed")
    badge(output, "Was In Progress")
    expect(output.get_by_role("button", name="Kill task")).to_have_count(0)
    banner.get_by_role("button", name="Reload this view").click()
    expect(banner).to_have_count(0)
    badge(output, "In Progress")
    expect(output.get_by_role("button", name="Kill task")).to_be_visible()
    assert frames.executed == 0
    assert page.problems == []
