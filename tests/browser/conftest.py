"""Real JupyterLab on a real engine in headless Chromium: one of each for a module."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from playwright.sync_api import expect, sync_playwright

from inductiva_widgets import local

if TYPE_CHECKING:
    from inductiva_widgets.local import EngineInfo

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Headless, as root, and without the browser's own calls home.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
QUIET = '{"fetchNews": "false", "checkForUpdates": false, "doNotDisturbMode": true}'
READY_S = 60
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


@dataclass
class Lab:
    """A running JupyterLab: where it is, and the folder that it shows."""

    url: str
    token: str
    root: Path
    settings: Path
    engine: EngineInfo
    log: Path

    def address(self, notebook: str) -> str:
        return f"{self.url}/lab/tree/{notebook}?token={self.token}&reset"


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
    home = tmp_path_factory.mktemp("lab")
    root = home / "root"
    shutil.copytree(ROOT / "notebooks", root, ignore=shutil.ignore_patterns("__pycache__"))
    settings = home / "settings"
    folder = settings / "@jupyterlab" / "apputils-extension"
    folder.mkdir(parents=True)
    (folder / "notification.jupyterlab-settings").write_text(QUIET)
    if (subshells := getattr(request.module, "COMMS_OVER_SUBSHELLS", None)) is not None:
        setting = json.dumps({"commsOverSubshells": subshells})
        (folder / "kernels-settings.jupyterlab-settings").write_text(setting)
    token = secrets.token_hex(16)
    port = _free_port()
    environment = {
        **os.environ,
        "HOME": str(home),
        "JUPYTER_TOKEN": token,
        "JUPYTERLAB_SETTINGS_DIR": str(settings),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "IPYTHONDIR": str(home / "ipython"),
        **lab_environment,
    }
    arguments = [
        "--no-browser",
        "--allow-root",
        "--ip=127.0.0.1",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={root}",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.expose_app_in_browser=True",
    ]
    log = home / "lab.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [lab_python, "-m", "jupyterlab", *arguments],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=home,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(process, url, token, log)
        yield Lab(url, token, root, settings, engine, log)
    finally:
        family = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        process.wait(20)
        _, left = psutil.wait_procs(family, timeout=10)
        # One that has ended stays a zombie where nobody asks for its exit status.
        left = [orphan for orphan in left if orphan.status() != psutil.STATUS_ZOMBIE]
        for orphan in left:
            orphan.kill()
        assert not left, f"left behind by JupyterLab: {left}"


@pytest.fixture(scope="module")
def chromium():
    """Not for the whole session: Playwright's loop would be in the way of other tests' loops."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    assert path, "no Chromium: scripts/chromium.py says how to install it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=FLAGS)
        yield browser
        browser.close()


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


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_until_ready(process, url, token, log):
    request = urllib.request.Request(
        f"{url}/api/status", headers={"Authorization": f"token {token}"}
    )
    end = time.monotonic() + READY_S
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(request, timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"JupyterLab did not answer:\n{log.read_text()}")
