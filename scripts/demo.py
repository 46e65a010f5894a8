"""The demo: a local engine and JupyterLab with the quickstart, ended together by Ctrl-C.

Variables: PORT (a free one by default), NO_BROWSER=1, DEMO_DIR (`.demo`: all it writes is there).
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

ROOT = Path(__file__).resolve().parent.parent
DEMO = Path(os.environ.get("DEMO_DIR", ROOT / ".demo"))
SETTINGS = DEMO / "jupyter" / "settings"
LOG = DEMO / "demo.log"
NOTEBOOK = "01_quickstart.ipynb"
NO_NEWS = {"fetchNews": "false", "checkForUpdates": False}  # no question at the first start
READY_S = 60.0
STOP_S = 10.0


def main() -> int:
    """Starts both, waits for Ctrl-C, ends both."""
    _copy_notebooks()
    _write_settings()
    environment = _environment()
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell started us deaf to Ctrl-C
        signal.signal(number, _interrupt)
    running: list[subprocess.Popen[bytes]] = []
    try:
        running.append(_start_engine(environment))
        lab, url, token = _start_lab(environment)
        running.append(lab)
        _wait_until_ready(lab, url, token)
        address = f"{url}/lab/tree/{NOTEBOOK}?token={token}"
        print(f"The demo is at {address}  (Ctrl-C ends it)", flush=True)
        if os.environ.get("NO_BROWSER", "0") in ("", "0"):
            webbrowser.open(address)
        return lab.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave one behind
        for process in reversed(running):
            _end(process)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _copy_notebooks() -> None:
    """Works on a copy, so that trying things leaves the checkout clean. Own changes stay."""
    target = DEMO / "notebooks"
    for path in sorted((ROOT / "notebooks").rglob("*")):
        copy = target / path.relative_to(ROOT / "notebooks")
        if path.is_file() and "__pycache__" not in path.parts and not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)


def _write_settings() -> None:
    path = SETTINGS / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    if not path.exists():
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(NO_NEWS), encoding="utf-8")


def _environment() -> dict[str, str]:
    """The user's environment, with the demo's own engine, settings and key."""
    foreign = ("INDUCTIVA_", "JUPYTER")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
    environment["INDUCTIVA_WIDGETS_LOCAL"] = "1"
    environment["INDUCTIVA_WIDGETS_DATA_DIR"] = str(DEMO / "engine")
    for name in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR"):
        environment[f"JUPYTER_{name}"] = str(DEMO / "jupyter" / name.lower())
    environment["JUPYTERLAB_SETTINGS_DIR"] = str(SETTINGS)
    environment["JUPYTERLAB_WORKSPACES_DIR"] = str(DEMO / "jupyter" / "workspaces")
    return environment


def _start_engine(environment: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "inductiva_widgets.local", "--json"]
    command += ["--port", "0", "--parent-pid", str(os.getpid())]
    with LOG.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own module
            command, env=environment, stdout=subprocess.PIPE, stderr=log, start_new_session=True
        )
    if process.stdout is None or not process.stdout.readline():
        raise SystemExit(f"The local engine did not start; {LOG} says why.")
    return process


def _start_lab(environment: dict[str, str]) -> tuple[subprocess.Popen[bytes], str, str]:
    port = int(os.environ.get("PORT") or 0) or _free_port()
    token = secrets.token_hex(24)
    arguments = {
        "--ServerApp.ip": "127.0.0.1",
        "--ServerApp.port": str(port),
        "--ServerApp.port_retries": "0",
        "--ServerApp.open_browser": "False",
        "--ServerApp.root_dir": str(DEMO / "notebooks"),
        "--ServerApp.allow_root": "True",
        "--LabApp.news_url": "None",
        "--LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
    }
    command = [sys.executable, "-m", "jupyterlab", *(f"{k}={v}" for k, v in arguments.items())]
    environment = {**environment, "JUPYTER_TOKEN": token}  # not in the list of processes
    with LOG.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - installed by us
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    return process, f"http://127.0.0.1:{port}", token


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(lab: subprocess.Popen[bytes], url: str, token: str) -> None:
    headers = {"Authorization": f"token {token}"}
    request = urllib.request.Request(f"{url}/api/status", headers=headers)  # noqa: S310 - loopback
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + READY_S
    while time.monotonic() < end:
        if lab.poll() is not None:
            raise SystemExit(f"JupyterLab did not start; {LOG} says why. Is PORT taken?")
        try:
            with opener.open(request, timeout=2) as reply:
                json.load(reply)
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("JupyterLab did not answer in time.")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a process with everything it started: kernels are in its session."""
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


if __name__ == "__main__":
    sys.exit(main())
