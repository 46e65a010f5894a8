"""JupyterLab and Chromium, started for tests and benchmarks and ended with what they started."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from playwright.sync_api import Browser

    from inductiva_widgets.local import EngineInfo

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


@dataclass
class Lab:
    """A running JupyterLab: where it is, and the folder that it shows."""

    url: str
    token: str
    root: Path
    settings: Path
    engine: EngineInfo
    log: Path
    pid: int

    def address(self, notebook: str) -> str:
        """Where a notebook is opened, in a new workspace."""
        return f"{self.url}/lab/tree/{notebook}?token={self.token}&reset"


@contextlib.contextmanager
def running_chromium() -> Iterator[Browser]:
    """Debian's browser, headless."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    assert path, "no Chromium: scripts/chromium.py says how to install it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=FLAGS)
        yield browser
        browser.close()


@contextlib.contextmanager
def running_lab(
    home: Path,
    engine: EngineInfo,
    environment: Mapping[str, str],
    *,
    python: str = sys.executable,
    subshells: str | None = None,
) -> Iterator[Lab]:
    """JupyterLab with everything of its own below `home`; nothing of it is left at the end.

    `environment` says how the server and its kernels find the engine; `subshells` is the setting
    `commsOverSubshells`.
    """
    root, settings = home / "root", home / "settings"
    root.mkdir()
    _write_settings(settings / "@jupyterlab" / "apputils-extension", subshells)
    token = secrets.token_hex(16)
    port = _free_port()
    log = home / "lab.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [python, "-m", "jupyterlab", *_arguments(root, port)],
            env={**os.environ, "JUPYTER_TOKEN": token, **_places(home), **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=home,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(process, url, token, log)
        yield Lab(url, token, root, settings, engine, log, process.pid)
    finally:
        _end(process)


def _write_settings(folder: Path, subshells: str | None) -> None:
    folder.mkdir(parents=True)
    (folder / "notification.jupyterlab-settings").write_text(QUIET)
    if subshells is not None:
        setting = json.dumps({"commsOverSubshells": subshells})
        (folder / "kernels-settings.jupyterlab-settings").write_text(setting)


def _places(home: Path) -> dict[str, str]:
    names = {
        "HOME": home,
        "JUPYTERLAB_SETTINGS_DIR": home / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": home / "workspaces",
        "JUPYTER_RUNTIME_DIR": home / "runtime",
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_DATA_DIR": home / "data",
        "IPYTHONDIR": home / "ipython",
    }
    return {name: str(path) for name, path in names.items()}


def _arguments(root: Path, port: int) -> list[str]:
    return [
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


def _end(process: subprocess.Popen[bytes]) -> None:
    family = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    process.wait(20)
    _, left = psutil.wait_procs(family, timeout=10)
    # One that has ended stays a zombie where nobody asks for its exit status.
    left = [orphan for orphan in left if orphan.status() != psutil.STATUS_ZOMBIE]
    for orphan in left:
        orphan.kill()
    assert not left, f"left behind by JupyterLab: {left}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, token: str, log: Path) -> None:
    request = urllib.request.Request(
        f"{url}/api/status", headers={"Authorization": f"token {token}"}
    )
    end = time.monotonic() + READY_S
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=2):
            return
        time.sleep(0.1)
    raise AssertionError(f"JupyterLab did not answer:\n{log.read_text()}")
