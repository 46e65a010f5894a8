"""Real JupyterLab on a real engine in headless Chromium: one of each for a module."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hosting import running_chromium, running_lab
from playwright.sync_api import expect

from inductiva_widgets import local

TASKS = """import inductiva_widgets as iw
first = iw.tasks.submit(["python -c 'print(1)'"], "inputs", simulator="first")
second = iw.tasks.submit(["python -c 'print(2)'"], "inputs", simulator="second")
iw.tasks.wait_all([first, second])"""
ROOT = Path(__file__).resolve().parents[2]
expect.set_options(timeout=15_000)  # against hangs only: machines may be slow


def pytest_collection_modifyitems(items):
    for item in items:
        if "browser" in Path(item.fspath).parts:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(300))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Keeps a picture of what the browser showed when a test failed."""
    report = yield
    page = getattr(item, "funcargs", {}).get("page")
    if report.when == "call" and report.failed and page is not None:
        folder = Path(__file__).parent / "screenshots"
        folder.mkdir(exist_ok=True)
        page.screenshot(path=folder / f"failed-{item.name}.png")
    return report


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("engine") / "data"
    yield local.start(folder, slots=3)
    assert local.stop(folder)


@pytest.fixture(scope="module")
def lab_environment(engine):
    """How the server finds its backends; a module may say otherwise."""
    return {
        "INDUCTIVA_WIDGETS_LOCAL": "1",
        "INDUCTIVA_WIDGETS_DATA_DIR": str(engine.data_dir),
    }


@pytest.fixture(scope="module")
def lab_python():
    """The Python that JupyterLab runs on; a module may bring an environment of its own."""
    return sys.executable


@pytest.fixture(scope="module")
def lab(engine, lab_environment, lab_python, tmp_path_factory, request):
    subshells = getattr(request.module, "COMMS_OVER_SUBSHELLS", None)
    home = tmp_path_factory.mktemp("lab")
    with running_lab(home, engine, lab_environment, python=lab_python, subshells=subshells) as lab:
        shutil.copytree(
            ROOT / "notebooks",
            lab.root,
            ignore=shutil.ignore_patterns("__pycache__"),
            dirs_exist_ok=True,
        )
        yield lab


@pytest.fixture(scope="module")
def chromium():
    """Not for the whole session: Playwright's loop would be in the way of other tests' loops."""
    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def context(chromium):
    """One for a module: JupyterLab's scripts are read and compiled once."""
    context = chromium.new_context(
        viewport={"width": 1280, "height": 1000}, device_scale_factor=1.5, timezone_id="UTC"
    )
    yield context
    context.close()


@pytest.fixture
def page(context):
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    yield page
    page.close()


@pytest.fixture(scope="module")
def workplace(engine, tmp_path_factory):
    """A folder with inputs and two ended tasks, and how hosts find the engine."""
    home = tmp_path_factory.mktemp("hosts")
    (home / "inputs").mkdir()
    (home / "inputs" / "case.txt").write_text("a case")
    environment = {
        **os.environ,
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "XDG_CONFIG_HOME": str(home / "xdg"),
        "XDG_STATE_HOME": str(home / "xdg"),
        "XDG_CACHE_HOME": str(home / "xdg"),
        "INDUCTIVA_WIDGETS_LOCAL": "1",
        "INDUCTIVA_WIDGETS_DATA_DIR": str(engine.data_dir),
    }
    done = subprocess.run(
        [sys.executable, "-c", TASKS],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return home, environment
